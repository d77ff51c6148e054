"""A teacher that learns few weights: killed and resumed, and without the package that it needs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distill.export.runtime.errors import MissingExtraError
from distill.files import extras
from distill.pipeline.check import check_recipe
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Epoch, Reporter
from distill.teachers.tuning.methods import TUNINGS
from tests.support.tiny_lines import SHORT, write_body, write_rows

SIZES = {"lora": "rank=4", "adapter": "bottleneck=4", "prompt": "tokens=2"}
EPOCHS = 3


class KilledError(Exception):
    """Stands for a kill: nothing is saved that was not saved before."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("tuned")
    model = write_body("bert", folder / "model")
    # a checkpoint after every step
    return [*SHORT, write_rows(folder), f"teacher.model={model}", "checkpoint_minutes=1e-6", "teacher.patience=9"]


def taught(folder: Path, settings: list[str], on_epoch_end: Callable[[Epoch], None]) -> Path:
    recipe = load_recipe("smoke", [*settings, f"teacher.epochs={EPOCHS}"])
    run = Run(recipe, RunLayout(folder), Reporter(quiet=True), on_epoch_end=on_epoch_end)
    execute_run(run, "teach")
    return run.layout.teacher()


@pytest.mark.parametrize("method", TUNINGS)
def test_a_killed_one_resumes_and_ends_with_the_same_bytes(
    method: str, settings: list[str], tmp_path: Path
) -> None:
    tuned = [*settings, f"teacher.peft.method={method}"]
    tuned += [f"teacher.peft.{SIZES[method]}"] if method in SIZES else []
    whole = taught(tmp_path / "whole", tuned, lambda epoch: None)

    def kill(epoch: Epoch) -> None:
        if epoch.number == EPOCHS - 1:
            raise KilledError

    with pytest.raises(KilledError):
        taught(tmp_path / "killed", tuned, kill)
    seen: list[int] = []
    resumed = taught(tmp_path / "killed", tuned, lambda epoch: seen.append(epoch.number))
    assert seen == [2, 3]  # the first is not trained again
    for path in sorted(whole.rglob("*.safetensors")):
        assert (resumed / path.relative_to(whole)).read_bytes() == path.read_bytes(), path.name


def test_without_peft_it_is_one_sentence_before_anything_is_trained(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "peft" else known(name))
    tuned = [*settings, "teacher.peft.method=lora", "teacher.peft.rank=4"]
    message = r"^This needs the train extra\. Install it with .*\[train\]\"`\.$"
    with pytest.raises(MissingExtraError, match=message):
        check_recipe(load_recipe("smoke", tuned), Reporter(quiet=True))
    with pytest.raises(MissingExtraError, match=message):
        taught(tmp_path / "run", tuned, lambda epoch: None)
    assert not list((tmp_path / "run").rglob("metrics.jsonl"))
