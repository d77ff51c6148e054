"""Every stage: the same inputs skip it, each declared input reruns it; and no key of a recipe is forgotten."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from distill.export.runtime.errors import InputError
from distill.pipeline.runner import run_stages
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.runs.stage import Stage, StageRecord, execute
from distill.teachers.checkpoints import save_classifier
from tests.support.tiny_models import bert_tokenizer, tiny_classifier

Stages = dict[str, Stage]

# every stage that a run without open values has
FULL = (
    "seeds=[13,14]",
    "teacher.seeds=[1,2]",
    "augmentation.rows=40",
    "export.precision=['fp32','int8-static','int8-weights-qat']",
    "student.kind=layers",
    "student.layers=[0,2]",
)
# a value that is left open ends the walk at the stage that chooses it
OPEN = {
    "plan": ("budget.size_mb=10",),
    "layers": ("student.kind=layers", "student.layers=auto"),
    "precision": ("export.precision=auto",),
}
# what a run pools of its folds is an input of its own stages
IN_FOLDS = ("corpus.folds=2", "export.precision=['fp32','int8-weights']")
# a language model instead of a teacher that is trained
ASKED = (
    "teacher.kind=endpoint",
    "endpoint.model=one",
    "verbaliser.shots=1",
    "verbaliser.calibration=content_free",
)
# a teacher that learns few weights
TUNED = ("teacher.freeze=none", "teacher.peft.method=lora")
# turns of conversations have a student without context beside the twin
TALKS = ("corpus.context={conversation='talk'}", "augmentation.rows=0")
# two columns per row
PAIRS = ("corpus.text=['question','text']", "corpus.joiner=segments", "corpus.truncate={column='text'}")
WRITTEN = ("augmentation.rows=40", "augmentation.ways=['write','cut']", "endpoint.model=one")
# they hold the whole recipe
WHOLE = ("bundle", "report")


class Chosen(Exception):
    """The stage of an open value was reached: what follows depends on what it measures."""


@pytest.fixture
def stages_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stages]:
    """A function from overrides of the smoke recipe to the stages that a run has; none of them is executed."""
    found: Stages = {}
    floors: list[bool] = []  # whether a stage looks into the corpus

    def note(stage: Stage) -> StageRecord:
        found[stage.name] = stage
        if stage.name == "corpus" and floors:
            return execute(stage)
        if stage.name in OPEN:
            raise Chosen
        content = "the same" if stage.name in WHOLE else stage.fingerprint
        outputs = dict.fromkeys(("whatever", "tokenizer.json"), content)
        return StageRecord(stage.fingerprint, outputs, 0.0, skipped=True)

    monkeypatch.setattr("distill.pipeline.state.execute", note)
    for module in ("export", "report"):
        monkeypatch.setattr(
            f"distill.pipeline.{module}.shipping", lambda run: (run.students[0], run.recipe.export.shippable[0])
        )
    monkeypatch.setattr("distill.pipeline.report.measured_bundle", lambda *_, **__: {})
    monkeypatch.setattr("distill.pipeline.report.read_bench", lambda _: None)
    monkeypatch.setattr("distill.pipeline.corpus.check_meanings", lambda *_: None)
    monkeypatch.setattr("distill.pipeline.report.check_budget", lambda *_: None)  # by what a bench measured
    monkeypatch.setattr("distill.pipeline.report.read_audit", lambda _: None)
    monkeypatch.setattr("distill.pipeline.report.require_no_amplification", lambda *_: None)
    tokenizer = bert_tokenizer()
    for name, body in (("model", "bert"), ("other", "distilbert")):
        model = tiny_classifier(body, vocabulary=len(tokenizer))
        save_classifier(model, tokenizer, tmp_path / name)
    shared = f"teacher.model={tmp_path / 'model'}"

    def walk(*overrides: str) -> Stages:
        found.clear()
        recipe = load_recipe("smoke", [shared, *overrides])
        run = Run(recipe, RunLayout(tmp_path / "smoke"), Reporter(quiet=True))
        policy = recipe.decisions
        floors[:] = [True] if policy.floors or policy.certifying_share else []
        run.layout.corpus.mkdir(parents=True, exist_ok=True)
        (run.layout.corpus / "transfer.parquet").touch()
        with suppress(Chosen):
            run_stages(run, "report")
        return dict(found)

    return walk


@pytest.fixture
def every_stage(stages_of: Callable[..., Stages]) -> Stages:
    found = stages_of(*FULL)
    for name, overrides in OPEN.items():
        found[name] = stages_of(*overrides)[name]
    pooling = {f"in folds, {name}": stage for name, stage in stages_of(*IN_FOLDS).items()}
    asked = {f"asked, {name}": stage for name, stage in stages_of(*ASKED).items()}
    read = {f"read, {name}": stage for name, stage in stages_of("teacher.kind=verbaliser").items()}
    talks = stages_of(*TALKS)
    talked = {name: talks[name] for name in ("context-free", "context")}
    wrote = {f"written, {name}": stage for name, stage in stages_of(*WRITTEN).items()}
    return found | pooling | asked | read | talked | wrote


def executed(stage: Stage, folder: Path, inputs: Mapping[str, Any]) -> bool:
    """Whether the stage does its work with these inputs, in a folder of its own."""
    worked = []

    def work(place: Path) -> None:
        worked.append(place)
        (place / "output.json").write_text("{}")

    execute(replace(stage, folder=folder, inputs=inputs, work=work, extra_outputs=(), editable=()))
    return bool(worked)


def test_every_stage_skips_the_same_inputs_and_reruns_for_each_other(every_stage: Stages, tmp_path: Path) -> None:
    kinds = {name.split("/")[0 if not name.startswith("seeds") else 2] for name in every_stage}
    assert kinds >= {
        "corpus", "teacher", "teacher-2", "ensemble", "augmented", "labels", "labels-2", "student", "twin", "qat",
        "quality", "export", "bundle", "bench", "report", "context-free", "context", *OPEN,
    }  # fmt: skip
    for number, (name, stage) in enumerate(every_stage.items()):
        folder, inputs = tmp_path / "contract" / str(number), dict(stage.inputs)
        assert executed(stage, folder, inputs), name
        assert not executed(stage, folder, json.loads(json.dumps(inputs))), name
        for key in inputs:
            assert executed(stage, folder, inputs | {key: "something else"}), f"{name} does not depend on {key}"
            assert executed(stage, folder, {other: inputs[other] for other in inputs if other != key}), (name, key)
        assert executed(replace(stage, version=stage.version + 1), folder, inputs), name


# keys whose change reruns no stage but bundle and report, which hold the whole recipe, and why that is right
HARMLESS = {
    "name": "the folder of the run, and the name in the bundle",
    "checkpoint_minutes": "how often a training saves, which changes no result",
    **dict.fromkeys(
        (f"training.{key}" for key in ("processes", "rows_per_pass", "gradient_checkpointing")),
        "who computes, and how much at once, as a thread count: the steps are the same, but for rounding",
    ),
    **dict.fromkeys((f"label.{key}" for key in ("engine", "actors", "address")), "who labels: the same bytes"),
    "corpus.licence": "is named in the bundle alone",
    "corpus.language": "is named in the model card alone",
    "corpus.label_meanings": "are in the model card alone",
    "export.contact": "is named in the model card alone",
    "teacher.sha256": "a pin: the same weights are accepted, others are refused",
    "teacher.max_unknown": "a bound: a tokenizer that reads less is refused, and no result depends on it",
    "export.allow_worse_than_baseline": "the exit status alone: the verdict in the report is the same",
    "decisions.out_of_domain_share": "a rule of the bundle alone, fitted when it is written",
    "decisions.unreadable_share": "a rule of the bundle alone, fitted when it is written",
    "decisions.hand_over_truncated": "a rule of the bundle alone",
    "decisions.hand_over_words": "a list in the bundle alone; the content of a file of one's own counts there",
    "endpoint.url": "where the server is, which changes no answer",
    "endpoint.key_env": "who asks, which changes no answer",
    **dict.fromkeys(
        (f"endpoint.{key}" for key in ("concurrency", "retries", "timeout_s")),
        "how it is asked, which changes no answer",
    ),
    "teacher.kind": "has tables of its own, whose keys count",
    "verbaliser": "its keys count",
    "endpoint": "its keys count",
    **dict.fromkeys(("track.tensorboard", "track.mlflow", "track.wandb"), "where curves are shown: no result"),
    "search.trials": "read by distill search alone, which is not a stage",
    "search.space": "read by distill search alone, which is not a stage",
}
# keys for which no other value follows from their type
VALUES = {
    "corpus.source": "FOLDER/rows.csv",
    "corpus.label_names": "FOLDER/names.txt",
    "corpus.transfer": "FOLDER/rows.csv",
    "corpus.columns": "['labels', 'text']",
    "corpus.where": "{text = 'x'}",
    "corpus.split": "[0.7, 0.2, 0.1]",
    "corpus.encoding": "latin-1",
    "corpus.quoting": "false",
    "corpus.missing": "['NA']",
    "corpus.label_meanings": "{joy = 'Glee.'}",
    "corpus.row_id": "['id']",
    "corpus.joiner": "' / '",
    "corpus.fold": "1",
    "corpus.truncate": "question",
    "corpus.truncate.column": "question",
    "corpus.context.roles": "{client = 'C', therapist = 'T'}",
    "corpus.context": "{conversation = 'talk'}",
    "teacher.model": "FOLDER/other",
    "teacher.checkpoint": "FOLDER/other",
    "teacher.freeze": "1",
    "teacher.peft": "{method = 'bitfit'}",
    "teacher.peft.method": "bitfit",
    "teacher.peft.bottleneck": "8",
    "teacher.peft.tokens": "8",
    "seeds": "[13, 15]",
    "teacher.seeds": "[1, 3]",
    "augmentation.ways": "['cut']",
    "augmentation.masked_model": "FOLDER/other",
    "student.base": "FOLDER/other",
    "student.keep_words": "crisis",
    "verbaliser.prompt": "'To label: {text}'",
    "verbaliser.words": "{joy = ['glee']}",
    "verbaliser.definitions": "{joy = 'glee'}",
    "endpoint.url": "http://127.0.0.1:1/v1",
    "student.layers": "[0, 1]",
    "student.feed_forward": "16",
    "student.hash_buckets": "4096",
    "objective.layer_map": "[[0, 1]]",
    "export.precision": "['fp32']",
    "export.table_bits": "5",
    "decisions.recall_floor": "{joy = 0.5}",
    "decisions.precision_floor": "{joy = 0.5}",
    "decisions.never_below": "{high = 0.5}",
    "decisions.sets": "0.5",
    "label.address": "local",
    "decisions.answer_when_right": "0.5",
}
ALL_TERMS = ("decoupled", "standardised", "inter_class", "intra_class")
FEATURES = ("hidden", "relation", "embedding")
# a key matters where what it is for is asked for; one of these does
CASES = (
    FULL,
    (),
    ("teacher.seeds=[]",),
    ("corpus.task=single_label", *(f"objective.{name}_weight=1" for name in ALL_TERMS)),
    ("student.kind=layers", *(f"objective.{name}_weight=1" for name in FEATURES)),
    ("augmentation.rows=40", "augmentation.ways=['substitute']", "augmentation.masked_model=FOLDER/model"),
    ("student.kind=static", "export.table_bits=4"),
    IN_FOLDS,
    ASKED,
    ("teacher.freeze=none",),
    ("teacher.freeze=none", "teacher.peft.learning_rate=0.1"),
    TUNED,
    *((f"teacher.peft.method={method}", "teacher.freeze=none") for method in ("adapter", "prompt")),
    ("corpus.group=client",),
    ("decisions.sets=0.5", "decisions.answer_when_right=0.5"),
    TALKS,
    PAIRS,
    ("corpus.task=ordinal", "corpus.source=FOLDER/levels.csv", "corpus.label_names=['low','high']"),
    *OPEN.values(),
)


def keys_of(model: BaseModel, before: str = "") -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Every key of a recipe, its value, and its schema."""
    schema = type(model).model_json_schema()["properties"]
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from keys_of(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value, schema[name]


def another(key: str, value: Any, schema: Mapping[str, Any]) -> str:
    """A value that the key may have and has not now, as `--set` takes it."""
    options = [schema, *schema.get("anyOf", ())]
    choices = [choice for option in options for choice in option.get("enum", ()) if choice != value]
    types = {option.get("type") for option in options}
    if key in VALUES:
        return VALUES[key]
    if choices:
        return str(choices[0])
    if isinstance(value, bool):
        return str(not value).lower()
    if types & {"number", "integer"}:
        whole = "integer" in types
        return str((value or 3) + 1 if whole else (value or 0.5) * 0.9)
    return "another"


def test_every_recipe_key_reruns_a_stage_or_is_listed_as_harmless(
    stages_of: Callable[..., Stages], tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("text,labels\nhello there,0\n")
    levels = [f"text number {row},{('low', 'high')[row % 2]}\n" for row in range(400)]
    (tmp_path / "levels.csv").write_text("".join(["text,labels\n", *levels]))
    (tmp_path / "names.txt").write_text("joy\nfear\n")

    def prints(*overrides: str) -> dict[str, str]:
        stages = stages_of(*(override.replace("FOLDER", str(tmp_path)) for override in overrides))
        return {name: stage.fingerprint for name, stage in stages.items() if name not in WHOLE}

    before = {case: prints(*case) for case in CASES}

    def matters(override: str) -> bool:
        for case in CASES:
            try:
                after = prints(*case, override)
            except InputError:  # another key of the case forbids it
                continue
            if after != before[case]:
                return True
        return False

    with_tables = (TUNED, TALKS, PAIRS, (), ASKED)
    keys = {key: rest for recipe in with_tables for key, *rest in keys_of(load_recipe("smoke", list(recipe)))}
    forgotten = {key for key, rest in keys.items() if not matters(f"{key}={another(key, *rest)}")}
    assert forgotten == set(HARMLESS)
