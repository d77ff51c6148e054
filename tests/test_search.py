"""`distill search`: draws, pruning, going on, and the best trial as a recipe."""

import json
import shutil
import tomllib
from pathlib import Path

import optuna
import pytest

from distill.job import Job
from distill.progress import Reporter
from distill.recipe import Recipe, load_recipe
from distill.recipe_student import Span
from distill.search import draw, search
from export.runtime.errors import InputError
from tests.command import distill

SPACE = "search.space={'objective.temperature'={low=1.0,high=8.0,log=true},'student.epochs'=[1,2,3]}"


def job_in(folder: Path, *settings: str) -> Job:
    return Job(load_recipe("smoke", [SPACE, *settings]), folder, Reporter(quiet=True))


def near_four(job: Job, _folder: Path) -> float:
    """Best at a temperature of 4, told epoch by epoch as a training does."""
    score = 1 / (1 + abs(job.recipe.objective.temperature - 4.0))
    for epoch in range(1, job.recipe.student.epochs + 1):
        job.heard(score * epoch / job.recipe.student.epochs)
    return score


def test_the_best_trial_is_a_recipe_without_its_search(tmp_path: Path) -> None:
    found = search(job_in(tmp_path, "search.trials=12"), near_four)
    assert len(found.trials) == 12
    scores = [one["validation_macro_f1"] for one in found.trials if one["state"] == "complete"]
    assert scores == sorted(scores, reverse=True)
    best = tomllib.loads(found.best.read_text())
    assert best["objective"]["temperature"] == found.trials[0]["values"]["objective.temperature"]
    assert best["search"]["space"] == {}
    assert Recipe.model_validate(best).student.epochs == found.trials[0]["values"]["student.epochs"]
    assert not list((tmp_path / "search/trials").iterdir())


def test_two_halves_try_what_one_whole_tries(tmp_path: Path) -> None:
    whole = search(job_in(tmp_path / "a", "search.trials=8"), near_four)
    search(job_in(tmp_path / "b", "search.trials=3"), near_four)
    halves = search(job_in(tmp_path / "b", "search.trials=8"), near_four)
    assert halves.trials == whole.trials


def test_a_killed_trial_is_tried_again_first(tmp_path: Path) -> None:
    seen = []

    def killed_at_the_second(job: Job, folder: Path) -> float:
        seen.append(job.recipe.objective.temperature)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return near_four(job, folder)

    with pytest.raises(KeyboardInterrupt):
        search(job_in(tmp_path, "search.trials=3"), killed_at_the_second)
    search(job_in(tmp_path, "search.trials=3"), killed_at_the_second)
    assert seen[2] == seen[1]
    assert len(seen) == 4


def test_bad_trials_are_given_up_early(tmp_path: Path) -> None:
    found = search(job_in(tmp_path, "search.trials=15", "search.space={'student.epochs'=[2,3,9]}"), by_epoch)
    pruned = [one for one in found.trials if one["state"] == "pruned"]
    assert pruned
    assert all(one["epochs"] < one["values"]["student.epochs"] for one in pruned)


def by_epoch(job: Job, _folder: Path) -> float:
    for _ in range(job.recipe.student.epochs):
        job.heard(1 / job.recipe.student.epochs)
    return 1 / job.recipe.student.epochs


def test_values_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    space = "search.space={'student.width'=[10,64],'student.heads'=[3,2]}"
    found = search(job_in(tmp_path, "search.trials=9", space), lambda job, _: float(job.recipe.student.width))
    assert {one["state"] for one in found.trials} == {"complete", "fail"}
    best = found.trials[0]["values"]
    assert best["student.width"] % best["student.heads"] == 0


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("search.space={'student.epoch'=[1]}", "did you mean student.epochs"),
        ("search.space={'corpus.source'=[1]}", "only keys of student and objective"),
        ("search.space={'student.epochs'=[]}", "search.space"),
        ("search.space={'student.epochs'={low=3,high=1}}", "low must be below high"),
        ("search.space={'student.epochs'={low=0,high=1,log=true}}", "above 0 with log"),
    ],
)
def test_spaces_that_cannot_be_are_refused(setting: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_recipe("smoke", [setting])


def test_an_empty_space_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search\.space is empty"):
        search(Job(load_recipe("smoke"), tmp_path, Reporter(quiet=True)), near_four)


def test_whole_bounds_draw_whole_numbers() -> None:
    trial = optuna.trial.FixedTrial({"a": 3, "b": 0.5, "c": "[1, 3]"})
    space: dict[str, list[object] | Span] = {
        "a": Span(low=1, high=9),
        "b": Span(low=0.1, high=1, log=True),
        "c": [[1, 3], [0, 2]],
    }
    assert draw(trial, space) == {"a": 3, "b": 0.5, "c": [1, 3]}


def test_the_command_trains_students_of_the_run(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    settings = ["--set", "search.trials=2", "--set", "search.space={'objective.temperature'=[1.0,4.0]}"]
    done = distill("search", "smoke", "--runs", str(tmp_path), *settings)
    assert done.returncode == 0, done.stderr
    assert "labels/train: already done" in done.stderr
    assert "best recipe" in done.stdout
    trials = json.loads((tmp_path / "smoke/search/trials.json").read_text())["trials"]
    assert all(0 <= one["validation_macro_f1"] <= 1 for one in trials if one["state"] == "complete")
    again = distill("run", str(tmp_path / "smoke/search/best.toml"), "--runs", str(tmp_path))
    assert again.returncode == 0, again.stderr
