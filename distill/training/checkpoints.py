"""Checkpoints of a training, so that one that was killed resumes where it was.

transformers writes the weights, the optimizer and the random states; a marker with the hashes of all files is
written last, and tells a complete checkpoint from one that was cut short or damaged.
"""

import json
from pathlib import Path

from distill.export.runtime.manifest.records import file_record
from distill.files.atomic import discard, write_text
from distill.files.json_files import read_json, write_json

MARKER = "whole.json"

PREFIX = "checkpoint-"  # transformers' own

KEPT = 2


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return the folder in which transformers writes the checkpoint of a step."""
    return folder / f"{PREFIX}{step}"


def mark_complete(checkpoint: Path) -> None:
    """Mark a checkpoint as complete, and remove all but the last two."""
    write_json(_hashes(checkpoint), checkpoint / MARKER)
    for path in _newest_first(checkpoint.parent)[KEPT:]:
        discard(path)


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint; newer ones that were cut short or damaged are removed."""
    for path in _newest_first(folder):
        if _is_complete(path):
            return path
        discard(path)
    return None


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(PREFIX))


def cut_metrics(path: Path, last_step: int, *, keep_scores: bool) -> None:
    """Keep the lines of a metrics.jsonl up to a step: later ones will be written again.

    Args:
        path: the file; may be missing.
        last_step: the step after which the training resumes.
        keep_scores: whether the scores of that very step stay as well.
    """
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            data = json.loads(line)
            again = data["step"] > last_step or (
                data["step"] == last_step and "loss" not in data and not keep_scores
            )
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a killed process may be half a line
        if line.endswith("\n") and not again:
            kept.append(line)
    write_text(path, "".join(kept))


def _newest_first(folder: Path) -> list[Path]:
    checkpoints = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(checkpoints, key=step_of, reverse=True)


def _is_complete(checkpoint: Path) -> bool:
    try:
        return read_json(checkpoint / MARKER) == _hashes(checkpoint)
    except (OSError, ValueError, TypeError):
        return False


def _hashes(checkpoint: Path) -> dict[str, str]:
    """Return the sha256 of all files but the marker, by name."""
    return {path.name: file_record(path).sha256 for path in sorted(checkpoint.iterdir()) if path.name != MARKER}
