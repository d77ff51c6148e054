"""Trackers get a training's name and numbers, and neither its model nor a place; one that is missing is named."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distill.export.runtime.errors import MissingExtraError
from distill.recipe.load import load_recipe
from distill.recipe.recipe import Recipe
from distill.recipe.track import TrackRecipe
from distill.runs.fingerprints import recipe_hash
from distill.training import tracking
from distill.training.callback import TrainingCallback, TrainingSchedule
from distill.training.tracking import TRACKERS, Trackers, require_trackers


class Seen:
    """An integration that remembers what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []

    def __getattr__(self, event: str) -> Any:
        return lambda args, state, control, **more: self.calls.append((event, args, more))


def test_a_training_is_reported_by_its_name_and_numbers_alone(tmp_path: Path) -> None:
    seen, model = Seen(), torch.nn.Linear(2, 2)
    callback = TrainingCallback(
        model,
        lambda: {"macro_f1": 0.25},
        TrainingSchedule(2, 2, 4, 0.0, 1, 0),
        tmp_path,
        trackers=Trackers([seen], "student", [lambda: seen.calls.append(("finish", args, {}))]),
    )
    args = SimpleNamespace(output_dir="/home/somebody", logging_dir="here", run_name="/home/somebody", max_steps=2)
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    state = SimpleNamespace(global_step=2)
    callback.begin()
    callback.on_train_begin(args, state, control, model=model)
    callback.on_log(args, state, control, logs={"loss": 0.5, "learning_rate": 0.1}, model=model)
    callback.on_step_end(args, state, control, model=model)
    callback.on_train_end(args, state, control, model=model)
    events = ["on_train_begin", "on_log", "on_log", "on_train_end", "finish"]
    assert [event for event, _, _ in seen.calls] == events
    assert [more for _, _, more in seen.calls] == [
        {},
        {"logs": {"loss": 0.5, "learning_rate": 0.1}},
        {"logs": {"eval_macro_f1": 0.25}},
        {},
        {},
    ]
    for _, given, _ in seen.calls[:-1]:
        assert vars(given) == dict.fromkeys(("output_dir", "logging_dir", "run_name"), "student") | {
            "max_steps": 2
        }
    assert args.output_dir == "/home/somebody"


def test_a_tracker_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    require_trackers(())
    with pytest.raises(MissingExtraError, match=r"track.wandb: The package wandb is not .* `pip install wandb`"):
        require_trackers(("wandb",))


def test_every_tracker_of_a_recipe_is_known_and_changes_no_result() -> None:
    assert set(TrackRecipe.model_fields) == set(TRACKERS)
    plain, tracked = load_recipe("smoke"), load_recipe("smoke", ["track.wandb=true", "track.tensorboard=true"])
    assert (plain.track.names, tracked.track.names) == ((), ("tensorboard", "wandb"))
    assert recipe_hash(plain) == recipe_hash(tracked)
    assert isinstance(tracked, Recipe)
