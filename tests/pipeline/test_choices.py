"""The recipe that a run resolved, run again: what was chosen and why is still there, nothing is measured anew."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.artifacts.choices import MEASURED_FILE, RANKING_FILE
from distill.artifacts.plan import PLAN_FILE
from distill.pipeline.choices import choose_layers, choose_precision, plan_stage, recall_choices
from distill.pipeline.report import _benched
from distill.pipeline.runner import _leave_recipe
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.context import Job
from distill.runs.progress import Reporter
from distill.runs.stage import StageRecord
from distill.variants.variant import FORMS

LABELS = ("labels/train", "labels/validation", "labels/test")
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
    """A run whose stages before the choices are done; those of `export` are done for every form."""
    under_way = Run(Job(load_recipe(recipe, list(settings)), folder, Reporter(quiet=True)), trains_student=True)
    for name in ("corpus", "teacher", *LABELS, *(f"export/{form}" for form in FORMS), "bundle"):
        digest = corpus if name == "corpus" else name
        under_way.records[name] = StageRecord(name, {name: digest}, 0.0, skipped=True)
    return under_way


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder after it has chosen everything that can be left open; what it has measured is made up."""
    forms = [{"name": name, "passed": True, "p50_ms": ms, "p95_ms": ms, "size_mb": mb} for name, ms, mb in TIMED]
    cpu = {"model": "a CPU", "flags": []}
    left = {
        "planning.plan.plan_stored_corpus": (PLAN_FILE, PLAN),
        "training.layer_search.rank_layers": (RANKING_FILE, {"ranking": [{"layers": [0, 5]}, {"layers": [0, 1]}]}),
        "variants.precision_bench.measure_forms": (MEASURED_FILE, {"cpu": cpu, "forms": forms}),
    }
    for work, (file, data) in left.items():

        def leave(*arguments: Any, file: str = file, data: object = data) -> None:
            (arguments[-1] / file).write_text(json.dumps(data))

        monkeypatch.setattr(f"distill.{work}", leave)
    monkeypatch.setattr("distill.pipeline.choices.choose_variant", lambda _: "fp32")
    under_way = begin("smoke", tmp_path, "budget.size_mb=10", "export.precision=auto")
    for step in (plan_stage, choose_layers, choose_precision):
        step(under_way)
    return tmp_path


def recalled(folder: Path, *settings: str, corpus: str = "same") -> set[str]:
    under_way = begin(str(folder / "recipe.toml"), folder, *settings, corpus=corpus)
    before = set(under_way.records)
    recall_choices(under_way)
    return set(under_way.records) - before


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
    _leave_recipe(begin(str(path), chosen).job)
    assert path.read_text() == before
    other = begin(str(path), chosen, "student.epochs=9").job
    _leave_recipe(other)
    assert path.read_text() == other.recipe.to_toml()


def test_a_bench_depends_on_the_forms_of_the_recipe_and_not_on_how_they_were_chosen(chosen: Path) -> None:
    """A run that chose among all forms times those that it names, as the resolved recipe does."""
    again = begin(str(chosen / "recipe.toml"), chosen)
    recall_choices(again)
    assert _benched(again) == ["corpus", "teacher", *LABELS, "export/int8-static", "export/fp32", "bundle"]
