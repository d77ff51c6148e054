"""Checkpoints of a training under way, so that one that was killed goes on where it was.

transformers writes the weights, the optimizer and the random states; a marker that is written last tells a whole
checkpoint from one that was cut short.
"""

import json
import shutil
from pathlib import Path

MARKER = "whole"
PREFIX = "checkpoint-"  # transformers' own


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where transformers writes the checkpoint of a step."""
    return folder / f"{PREFIX}{step}"


def mark_whole(checkpoint: Path) -> None:
    """Say that nothing more comes."""
    (checkpoint / MARKER).touch()


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a training; what was cut short is removed."""
    found = sorted(folder.glob(f"{PREFIX}*"), key=lambda path: int(path.name.removeprefix(PREFIX)))
    whole = []
    for path in found:
        if (path / MARKER).is_file():
            whole.append(path)
        else:
            shutil.rmtree(path)
    return whole[-1] if whole else None


def remove_checkpoints(folder: Path) -> None:
    """Take them all away: the training is done."""
    for path in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(path)


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(PREFIX))


def cut_metrics(path: Path, last_step: int) -> None:
    """Keep the lines of a metrics.jsonl up to a step: what came after it will come again."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # the last line of a killed process may be half a line
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= last_step]
    path.write_text("".join(kept), encoding="utf-8")
