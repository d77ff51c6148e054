"""`distill search`: draws, pruning, resuming, and the best trial as a recipe."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from distill.artifacts.trials import TRIALS_FILE, Trials, read_trials, score_key
from distill.export.runtime.errors import DistillError, InputError, ResourceError
from distill.pipeline.search import label_digests
from distill.recipe.load import load_recipe
from distill.recipe.recipe import Recipe
from distill.recipe.student import Span
from distill.runs.interrupts import StopRequest
from distill.runs.progress import Reporter
from distill.search.space import check_space
from distill.search.trials import Search, TrialTraining, draw
from tests.support.command import run_cli
from tests.support.finished import reopen
from tests.support.tiny_models import tiny_classifier

SPACE = "search.space={'objective.temperature'={low=1.0,high=8.0,log=true},'student.epochs'=[1,2,3]}"


Report = Callable[[float], None]


def search_in(folder: Path, train: TrialTraining, *settings: str, **labels: str) -> Trials:
    recipe = load_recipe("smoke", [SPACE, *settings])
    return Search(folder, recipe, train, Reporter(quiet=True), StopRequest()).run(labels)


def near_four(recipe: Recipe, _folder: Path, on_epoch_end: Report) -> float:
    """Best at a temperature of 4, told epoch by epoch as a training does."""
    score = 1 / (1 + abs(recipe.objective.temperature - 4.0))
    for epoch in range(1, recipe.student.epochs + 1):
        on_epoch_end(score * epoch / recipe.student.epochs)
    return score


def by_epoch(recipe: Recipe, _folder: Path, on_epoch_end: Report) -> float:
    for _ in range(recipe.student.epochs):
        on_epoch_end(1 / recipe.student.epochs)
    return 1 / recipe.student.epochs


def test_the_best_trial_is_a_recipe_without_its_search(tmp_path: Path) -> None:
    found = search_in(tmp_path, near_four, "search.trials=12")
    assert len(found.trials) == 12
    scores = [one.score for one in found.trials if one.state == "complete"]
    assert scores == sorted(scores, reverse=True)
    best = tomllib.loads((tmp_path / "best.toml").read_text())
    assert best["objective"]["temperature"] == found.trials[0].values["objective.temperature"]
    assert best["search"]["space"] == {}
    assert Recipe.model_validate(best).student.epochs == found.trials[0].values["student.epochs"]
    assert not list((tmp_path / "trials").iterdir())


def test_two_halves_try_what_one_whole_tries(tmp_path: Path) -> None:
    whole = search_in(tmp_path / "a", near_four, "search.trials=8")
    search_in(tmp_path / "b", near_four, "search.trials=3")
    halves = search_in(tmp_path / "b", near_four, "search.trials=8")
    assert halves.trials == whole.trials


def test_a_killed_trial_is_tried_again_first(tmp_path: Path) -> None:
    seen = []

    def killed_at_the_second(recipe: Recipe, folder: Path, on_epoch_end: Report) -> float:
        seen.append(recipe.objective.temperature)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return near_four(recipe, folder, on_epoch_end)

    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path, killed_at_the_second, "search.trials=3")
    search_in(tmp_path, killed_at_the_second, "search.trials=3")
    assert seen[2] == seen[1]
    assert len(seen) == 4


def test_a_kill_changes_nothing_of_what_comes_after_it(tmp_path: Path) -> None:
    whole = search_in(tmp_path / "a", near_four, "search.trials=14")
    calls = 0

    def killed(recipe: Recipe, folder: Path, on_epoch_end: Report) -> float:
        nonlocal calls
        calls += 1
        if calls in (2, 3, 6):
            raise KeyboardInterrupt
        return near_four(recipe, folder, on_epoch_end)

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search_in(tmp_path / "b", killed, "search.trials=14")
    assert list((tmp_path / "b/trials").iterdir())
    found = search_in(tmp_path / "b", killed, "search.trials=14")
    ended = [one for one in found.trials if one.state != "fail"]
    assert [one.values for one in ended] == [one.values for one in whole.trials]
    assert not list((tmp_path / "b/trials").iterdir())


def test_a_line_that_was_half_written_is_cut_off(tmp_path: Path) -> None:
    search_in(tmp_path / "a", near_four, "search.trials=2")
    with (tmp_path / "a/journal.log").open("ab") as journal:
        journal.write(b'{"op_code":4,"wor')
    for trials in (3, 4):  # the second reads what the first has written behind it
        assert len(search_in(tmp_path / "a", near_four, f"search.trials={trials}").trials) == trials


def test_bad_trials_are_given_up_early(tmp_path: Path) -> None:
    space = "search.space={'student.epochs'={low=2,high=99}}"
    found = search_in(tmp_path, by_epoch, "search.trials=15", space)
    pruned = [one for one in found.trials if one.state == "pruned"]
    assert pruned
    assert all(one.epochs < one.values["student.epochs"] for one in pruned)


def test_values_that_were_tried_before_are_not_trained_again(tmp_path: Path) -> None:
    trained = []

    def count(recipe: Recipe, folder: Path, on_epoch_end: Report) -> float:
        trained.append(recipe.student.epochs)
        return by_epoch(recipe, folder, on_epoch_end)

    found = search_in(tmp_path, count, "search.trials=12", "search.space={'student.epochs'=[2,3]}")
    assert sorted(trained) == [2, 3]
    scores = {one.values["student.epochs"]: one.score for one in found.trials}
    assert scores == {2: 1 / 2, 3: 1 / 3}
    assert all(one.epochs == one.values["student.epochs"] for one in found.trials)


def test_a_training_that_diverges_is_a_failed_trial_and_counts_as_one(tmp_path: Path) -> None:
    def diverges(recipe: Recipe, folder: Path, on_epoch_end: Report) -> float:
        if recipe.objective.temperature < 3:
            raise DistillError("the loss is not finite at step 3. Lower the learning rates")
        return near_four(recipe, folder, on_epoch_end)

    found = search_in(tmp_path, diverges, "search.trials=8")
    failed = [one for one in found.trials if one.state == "fail"]
    assert len(found.trials) == 8
    assert failed
    assert all("not finite" in one.complaint for one in failed)
    assert list(found.trials[-len(failed) :]) == failed
    assert search_in(tmp_path, diverges, "search.trials=8").trials == found.trials
    halves = [search_in(tmp_path / "b", diverges, f"search.trials={trials}") for trials in (3, 8)]
    assert halves[-1].trials == found.trials


def test_a_full_disk_stops_the_search_and_fails_no_trial(tmp_path: Path) -> None:
    def full(*_: object) -> float:
        raise ResourceError("The disk is full")

    with pytest.raises(ResourceError):
        search_in(tmp_path, full, "search.trials=2")
    assert len(search_in(tmp_path, near_four, "search.trials=2").trials) == 3


def test_a_score_of_zero_is_a_score(tmp_path: Path) -> None:
    def zero_after_a_failure(recipe: Recipe, folder: Path, on_epoch_end: Report) -> float:
        if not list(folder.parent.glob("0001")):
            raise InputError("no")
        return 0.0

    found = search_in(tmp_path, zero_after_a_failure, "search.trials=2")
    assert [one.state for one in found.trials] == ["complete", "fail"]


def test_a_search_without_any_result_says_the_last_complaint(tmp_path: Path) -> None:
    def fails(*_: object) -> float:
        raise InputError("the width is odd")

    with pytest.raises(InputError, match=r"No trial could be trained to its end: the width is odd .*remove"):
        search_in(tmp_path, fails, "search.trials=2")


@pytest.mark.parametrize("place", ["labels/train", "labels-2/train"])
def test_other_labels_of_any_teacher_are_another_question(tmp_path: Path, place: str) -> None:

    def labelled(**shas: str) -> dict[str, str]:
        for name in ("labels/train", "labels-2/train"):
            record = {"fingerprint": "", "outputs": {"part": shas.get(name.partition("/")[0], "0")}, "seconds": 0}
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "stage.json").write_text(json.dumps(record))
        return label_digests(reopen(tmp_path, "teacher.seeds=[1,2]").records)

    def forbidden(*_: object) -> float:
        raise AssertionError

    before = labelled()
    assert before.keys() == {"labels/train", "labels-2/train"}
    search_in(tmp_path, near_four, "search.trials=2", **before)
    search_in(tmp_path, forbidden, "search.trials=2", **before)
    with pytest.raises(AssertionError):
        search_in(tmp_path, forbidden, "search.trials=2", **labelled(**{place.partition("/")[0]: "1"}))


def test_values_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    space = "search.space={'student.width'=[10,64],'student.heads'=[3,2]}"
    found = search_in(tmp_path, lambda recipe, *_: float(recipe.student.width), "search.trials=9", space)
    assert {one.state for one in found.trials} == {"complete", "fail"}
    best = found.trials[0].values
    assert best["student.width"] % best["student.heads"] == 0


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("search.space={'student.epoch'=[1]}", "Did you mean student.epochs"),
        ("search.space={'corpus.source'=[1]}", "Name keys of student and objective"),
        ("search.space={'student.epochs'=[]}", "search.space"),
        ("search.space={'student.epochs'={low=3,high=1}}", "low end must be below high"),
        ("search.space={'student.epochs'={low=0,high=1,log=true}}", "above 0 with log"),
    ],
)
def test_spaces_that_cannot_be_are_refused(setting: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_recipe("smoke", [setting])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ([], r"search\.space is empty"),
        (["search.space={'student.epochs'=[1,'two']}"], "student.epochs cannot be 'two'. Input should be"),
        (["search.space={'student.epochs'=[1979-05-27]}"], "student.epochs cannot be datetime"),
        (["search.space={'student.epochs'={low=1.0,high=3.0}}"], "student.epochs cannot be 1.6"),
        (["search.space={'objective.soft_weight'={low=0.5,high=1.5}}"], "soft_weight cannot be 1.5"),
        (["search.space={'student.kind'={low=1,high=3}}"], "student.kind cannot be 1"),
        (["search.space={'student.layers'=[[0,1],'auto']}"], "student.layers cannot be 'auto'"),
        (["search.space={'student.width'=[10,32],'student.heads'=[2,4,7]}"], "No trial .* student.heads = 7"),
        (["search.space={'objective.decoupled_weight'=[0.0,1.0]}"], "decoupled_weight = 1.0.* single_label"),
        (["search.space={'student.layers'=[[0,1],[0,3]]}", "student.kind=layers"], r"layers = \[0, 3\].*0 to 2"),
        (
            ["search.space={'student.kind'=['layers','compact']}", "student.layers=auto"],
            "search.space has student.kind",
        ),
        (
            ["search.space={'student.depth'=[1,2]}", "student.layers=auto", "student.kind=layers"],
            "search.space has student.depth",
        ),
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_is_trained(settings: list[str], says: str) -> None:
    shape = ["student.width=16", "student.start=embeddings"]
    with pytest.raises(InputError, match=says):
        check_space(load_recipe("smoke", [*shape, *settings]), tiny_classifier().config)


@pytest.mark.parametrize(
    "settings",
    [
        ["search.space={'student.width'=[10,16],'student.heads'=[5,2]}"],
        ["search.space={'student.body_learning_rate'={low=1e-5,high=1e-2,log=true}}"],
        ["search.space={'student.layers'=[[0,1],[0,2]]}", "student.layers=auto", "student.kind=layers"],
        ["search.space={'student.epochs'=[1,2]}", "student.layers=auto", "student.kind=layers"],
        [
            "search.space={'student.kind'=['static','compact']}",
            "student.layers=auto",
            "student.window_channels=16",
        ],
    ],
)
def test_values_that_can_be_are_left_in_peace(settings: list[str]) -> None:
    shape = ["student.width=16", "student.start=embeddings"]
    check_space(load_recipe("smoke", [*shape, *settings]), tiny_classifier().config)


def test_whole_bounds_draw_whole_numbers() -> None:
    trial = optuna.trial.FixedTrial({"a": 3, "b": 0.5, "c": "[1, 3]"})
    space: dict[str, list[object] | Span] = {
        "a": Span(low=1, high=9),
        "b": Span(low=0.1, high=1, log=True),
        "c": [[1, 3], [0, 2]],
    }
    assert draw(trial, space) == {"a": 3, "b": 0.5, "c": [1, 3]}


def test_the_command_refuses_a_wrong_value_before_there_is_a_run(tmp_path: Path) -> None:
    done = run_cli("search", "smoke", "--runs", str(tmp_path), "--set", "search.space={'student.epochs'=[0]}")
    assert done.returncode == 2
    assert "student.epochs cannot be 0" in done.stderr
    assert not (tmp_path / "smoke").exists()


def test_the_command_trains_students_of_the_run(runs: Path, small_teacher: str, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    space = "search.space={'objective.temperature'=[1.0,4.0]}"
    settings = [part for one in (small_teacher, "search.trials=2", space) for part in ("--set", one)]
    done = run_cli("search", "smoke", "--runs", str(tmp_path), *settings)
    assert done.returncode == 0, done.stderr
    assert "labels/train: already done" in done.stderr
    assert "best recipe" in done.stdout
    trials = json.loads((tmp_path / "smoke/search/trials.json").read_text())["trials"]
    assert all(0 <= one["validation_macro_f1"] <= 1 for one in trials if one["state"] == "complete")
    again = run_cli("run", str(tmp_path / "smoke/search/best.toml"), "--runs", str(tmp_path))
    assert again.returncode == 0, again.stderr


def test_layers_that_are_left_open_are_chosen_before_the_first_trial(
    runs: Path, small_teacher: str, tmp_path: Path
) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    settings = [
        small_teacher,
        "student.kind=layers",
        "student.layers=auto",
        "student.depth=3",
        "layer_search.rows=20",
    ]
    settings += ["search.trials=2", "student.epochs=1", "search.space={'objective.temperature'=[1.0]}"]
    done = run_cli(
        "search", "smoke", "--runs", str(tmp_path), *(part for one in settings for part in ("--set", one))
    )
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((tmp_path / "smoke/search/best.toml").read_text())["student"]["layers"] == list(range(3))


def test_a_score_is_stored_under_the_headline_of_its_task(tmp_path: Path) -> None:
    trial = {"number": 0, "state": "complete", "epochs": 1, "values": {}, "complaint": None}
    for headline in ("macro_f1", "quadratic_weighted_kappa"):
        stored = {"trials": [{**trial, score_key(headline): 0.5}]}
        (tmp_path / TRIALS_FILE).write_text(json.dumps(stored))
        trials = read_trials(tmp_path)
        assert trials.trials[0].score == 0.5
        trials.write(tmp_path)
        assert json.loads((tmp_path / TRIALS_FILE).read_text()) == stored
