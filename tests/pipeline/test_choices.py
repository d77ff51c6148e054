"""The recipe that a run resolved, run again: what was chosen and why is still there, nothing is measured anew."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distill.artifacts.plan import PLAN_FILE
from distill.artifacts.precision import PRECISION_FILE
from distill.artifacts.ranking import RANKING_FILE
from distill.export.precision import Precision
from distill.pipeline.choice import Choice, Outcome, choose, recall
from distill.pipeline.choices import layers_choice, plan_choice, precision_choice
from distill.pipeline.report import _benched
from distill.pipeline.runner import _write_recipe
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.runs.stage import StageRecord

LABELS = ("labels/train", "labels/validation")
CHOICES = (plan_choice, layers_choice, precision_choice)
CHOSEN = {"student.kind": "layers", "student.layers": "auto", "student.depth": 2, "budget.choose": False}
BEST = {"student": "layers, 2", "precision": "fp32", "p50_ms": 0.9, "p95_ms": 1.0, "size_mb": 9.0}
PLAN = {
    "budget": {"size_mb": 10.0, "threads": 1},
    "cpu": {"model": "a CPU", "flags": []},
    "texts": 9,
    "vocabulary": 99,
    "fits": [{**BEST, "predicted_retention": 0.98, "rss_mb": None}],
    "misses": [],
    "unmeasured": 0,
    "busy": False,
    "chosen": CHOSEN,
}
TIMED = [("fp32", 0.5, 9.0), ("int8-static", 0.3, 3.0), ("int8-weights", 0.9, 3.0)]


def begin(recipe: str, folder: Path, *settings: str, corpus: str = "same") -> Run:
    """A run whose stages before the choices are done; those of `export` are done for every precision."""
    run = Run(load_recipe(recipe, list(settings)), RunLayout(folder), Reporter(quiet=True))
    for name in ("corpus", "teacher", *LABELS, *(f"export/{precision}" for precision in Precision), "bundle"):
        digest = corpus if name == "corpus" else name
        run.records[name] = StageRecord(name, {name: digest}, 0.0, skipped=True)
    run.__dict__["corpus"] = None  # nothing that is patched below looks at it
    return run


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """A run's folder after it has chosen everything that can be left open; what it has measured is made up."""
    forms = [{"name": name, "passed": True, "p50_ms": ms, "p95_ms": ms, "size_mb": mb} for name, ms, mb in TIMED]
    cpu = {"model": "a CPU", "flags": []}
    left = {
        plan_choice: (PLAN_FILE, PLAN),
        layers_choice: (RANKING_FILE, {"ranking": [ranked([0, 5]), ranked([0, 1])]}),
        precision_choice: (
            PRECISION_FILE,
            {"cpu": cpu, "texts": 9, "rounds": 1, "forms": forms, "refused": {}},
        ),
    }
    run = begin("smoke", tmp_path, "budget.size_mb=10", "export.precision=auto")
    for choice_of, (file, data) in left.items():

        def measure(folder: Path, file: str = file, data: object = data) -> None:
            (folder / file).write_text(json.dumps(data))

        choose(run, replace(choice_of(run), measure=measure))
    return tmp_path


def recalled(folder: Path, *settings: str, corpus: str = "same") -> set[str]:
    run = begin(str(folder / "recipe.toml"), folder, *settings, corpus=corpus)
    before = set(run.records)
    recall_all(run)
    return set(run.records) - before


def recall_all(run: Run) -> None:
    for choice_of in CHOICES:
        recall(run, choice_of(run))


def ranked(layers: list[int]) -> dict[str, Any]:
    return {"layers": layers, "divergence": 0.1, "macro_f1": 0.5, "steps": 9}


def test_what_the_resolved_recipe_was_chosen_by_is_recalled(chosen: Path) -> None:
    resolved = load_recipe(str(chosen / "recipe.toml"))
    assert resolved.student.layers == [0, 5]
    assert resolved.export.precision == ["int8-static", "fp32"]
    assert not resolved.budget.choose
    assert recalled(chosen) == {"plan", "layers", "precision"}


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        ("budget.size_mb=11", {"layers", "precision"}),
        ("student.layers=[0,1]", {"plan", "precision"}),
        ("student.kind=compact", {"precision"}),
        ("export.precision=['fp32','int8-static']", {"plan", "layers"}),
        ("corpus.max_tokens=20", {"layers", "precision"}),
    ],
)
def test_a_choice_that_the_recipe_does_not_come_from_is_not(chosen: Path, setting: str, left: set[str]) -> None:
    assert recalled(chosen, setting) == left


def test_nor_is_one_of_another_corpus_or_one_that_somebody_changed(chosen: Path) -> None:
    assert recalled(chosen, corpus="another") == set()
    (chosen / "plan" / PLAN_FILE).write_text(json.dumps(PLAN, indent=1))
    (chosen / "layers" / "stage.json").write_text("{")
    assert recalled(chosen) == {"precision"}


def test_the_comment_on_what_was_chosen_stays_with_the_recipe_that_it_is_of(chosen: Path) -> None:
    path = chosen / "recipe.toml"
    before = path.read_text()
    assert before.startswith("# export.precision was measured; int8-static: 0.3 ms against 0.5 in fp32")
    _write_recipe(begin(str(path), chosen).recipe, path)
    assert path.read_text() == before
    other = begin(str(path), chosen, "student.epochs=9")
    _write_recipe(other.recipe, path)
    assert path.read_text() == other.recipe.to_toml()


def test_a_bench_depends_on_the_forms_of_the_recipe_and_not_on_how_they_were_chosen(chosen: Path) -> None:
    """A run that chose among all forms times those that it names, as the resolved recipe does."""
    again = begin(str(chosen / "recipe.toml"), chosen)
    recall_all(again)
    assert _benched(again) == ["corpus", "teacher", *LABELS, "export/int8-static", "export/fp32", "bundle"]


OPEN = {
    plan_choice: "budget.size_mb=10",
    layers_choice: "student.layers=auto",
    precision_choice: "export.precision=auto",
}


@pytest.mark.parametrize("choice_of", CHOICES)
def test_a_choice_is_measured_once_and_again_for_each_other_input(
    choice_of: Callable[[Run], Choice], tmp_path: Path
) -> None:
    measured = []

    def measurements(**changed: Any) -> int:
        def measure(folder: Path) -> None:
            measured.append(folder)
            (folder / "measurement.json").write_text("{}")

        run = begin("smoke", tmp_path, "student.kind=layers", OPEN[choice_of])
        before = len(measured)
        choice = replace(choice_of(run), measure=measure, outcome=lambda _: Outcome({"student.epochs": 7}, ""))
        choose(run, replace(choice, **{name: (lambda inputs=inputs: inputs) for name, inputs in changed.items()}))
        assert run.recipe.student.epochs == 7
        assert load_recipe(str(tmp_path / "recipe.toml")).student.epochs == 7
        return len(measured) - before

    choice = choice_of(begin("smoke", tmp_path, "student.kind=layers", OPEN[choice_of]))
    assert (measurements(), measurements()) == (1, 0)
    for name, inputs in (
        ("identifying_inputs", choice.identifying_inputs()),
        ("further_inputs", choice.further_inputs()),
    ):
        for key in inputs:
            assert measurements(**{name: {**inputs, key: "something else"}}) == 1, f"{name}: {key}"


@pytest.mark.parametrize("choice_of", CHOICES)
def test_a_value_that_is_named_is_not_measured(choice_of: Callable[[Run], Choice], tmp_path: Path) -> None:
    def measure(_folder: Path) -> None:
        raise AssertionError("measured")

    run = begin("smoke", tmp_path, "student.kind=layers")
    before = run.recipe
    choose(run, replace(choice_of(run), measure=measure))
    assert run.recipe is before
    assert set(run.records) == set(begin("smoke", tmp_path).records)
