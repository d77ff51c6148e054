"""Recipes from Python: what is resolved, and what a callback is told. Training itself is tested elsewhere."""

import copy
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import distill
from distill.api import training
from distill.artifacts.report import write_report_file
from distill.recipe.load import load_recipe, parse_recipe
from distill.runs.progress import Epoch
from tests.support.tiny_report import report_data, tiny_report


def test_overrides_are_plain_values() -> None:
    values = {"student.depth": 2, "seeds": [1, 2], "corpus.where": {"split": "train"}}
    resolved = training.resolve("smoke", values)
    assert (resolved.student.depth, resolved.seeds, resolved.corpus.where) == (2, [1, 2], {"split": "train"})
    assert training.resolve(load_recipe("smoke"), values) == resolved
    with pytest.raises(distill.InputError, match="Did you mean student.depth"):
        training.resolve("smoke", {"student.dept": 2})
    with pytest.raises(distill.InputError, match=r"overrides\['seed.x'\]: 'seed' is a value, not a table"):
        training.resolve("smoke", {"seed.x": 2})


def test_the_pipeline_is_given_what_the_caller_gave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def execute(run: Any, until: str) -> None:
        seen.update(run=run, until=until)
        run.on_epoch_end(Epoch("student", 1, "macro_f1", 0.5))

    monkeypatch.setattr("distill.pipeline.runner.execute_run", execute)
    epochs: list[Epoch] = []
    run = distill.train(
        load_recipe("smoke"),
        overrides={"seed": 4},
        runs=tmp_path,
        until="train",
        on_epoch=epochs.append,
        quiet=True,
    )
    assert run.folder == tmp_path / "smoke"
    assert (seen["until"], seen["run"].recipe.seed) == ("train", 4)
    assert epochs == [Epoch("student", 1, "macro_f1", 0.5)]


def test_a_bundle_that_tfidf_beats_is_refused_as_by_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verdict = report_data()["verdict"] | {"failures": ["the bundle is below TF-IDF on test rows"]}

    def execute(run: Any, until: str) -> None:
        run.layout.folder.mkdir()
        write_report_file(tiny_report(verdict=verdict), run.layout.folder)

    monkeypatch.setattr("distill.pipeline.runner.execute_run", execute)
    worse = {"name": "worse", "export.allow_worse_than_baseline": False}
    with pytest.raises(distill.CheckFailedError, match="below TF-IDF on test rows. The bundle was written"):
        distill.train("smoke", overrides=worse, runs=tmp_path, quiet=True)
    assert distill.Run(tmp_path / "worse").report.verdict is not None
    accepted = {"name": "accepted", "export.allow_worse_than_baseline": True}
    assert distill.train("smoke", overrides=accepted, runs=tmp_path, quiet=True).folder == tmp_path / "accepted"


def test_controls_hand_the_callback_down() -> None:
    from distill.pipeline.state import Run
    from distill.runs.layout import RunLayout
    from distill.runs.progress import Reporter

    heard: list[Epoch] = []
    run = Run(load_recipe("smoke"), RunLayout(Path("x")), Reporter(quiet=True), on_epoch_end=heard.append)
    run.controls().on_epoch_end(Epoch("twin", 2, "macro_f1", 0.1))
    assert heard == [Epoch("twin", 2, "macro_f1", 0.1)]


def test_the_training_callback_counts_epochs(tmp_path: Path) -> None:
    from torch import nn

    from distill.training.callback import TrainingCallback, TrainingSchedule

    heard: list[tuple[int, float]] = []
    callback = TrainingCallback(
        nn.Linear(1, 1),
        lambda: {"macro_f1": 0.25},
        TrainingSchedule(max_steps=5, steps_per_epoch=2, batch_size=1, warmup=0.0, patience=9, seed=1),
        tmp_path,
        on_epoch_end=lambda number, score: heard.append((number, score)),
    )
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    for step in range(1, 6):
        callback.on_step_end(None, SimpleNamespace(global_step=step), control)
    assert heard == [(1, 0.25), (2, 0.25), (3, 0.25)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"corpus": {"task": "multi_label", "max_tokens": 5000}}, "corpus.max_tokens is 5000. Input should be"),
        (
            {"corpus": {"task": "multi_label", "max_token": 5}},
            "unknown key corpus.max_token. Did you mean ",
        ),
        ({}, "The key corpus is missing. Add it."),
        ({"corpus": {"task": "multi_label"}, "seeds": [1, 1]}, "The seeds must differ. List each once."),
    ],
)
def test_a_wrong_recipe_is_refused_as_by_the_command(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(distill.InputError) as refused:
        distill.Recipe(name="mine", **wrong)
    with pytest.raises(distill.InputError) as by_command:
        parse_recipe({"name": "mine", **wrong}, "mine.toml")
    sentence = str(refused.value).removeprefix("Recipe: ")
    assert said in sentence
    assert str(by_command.value) == f"mine.toml: {sentence}"


def test_a_recipe_is_copied_and_pickled() -> None:
    recipe = distill.Recipe(name="mine", corpus={"task": "multi_label"})
    assert pickle.loads(pickle.dumps(recipe)) == copy.deepcopy(recipe) == recipe
