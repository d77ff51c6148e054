"""The decisions of the baseline on the rows that a run's models are compared on, as safetensors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from distill.export.runtime.deciding.scores import Bools
from distill.files.atomic import write_whole

BASELINE_FILE = "baseline_decisions.safetensors"


def write_baseline_decisions(decisions: Bools, folder: Path) -> None:
    """Store decisions ``(N, C)`` of the test rows; of a corpus in folds, one fold after the other."""
    rows = np.ascontiguousarray(decisions)  # safetensors stores an array's memory, whatever its strides are
    write_whole(folder / BASELINE_FILE, lambda partial: save_file({"decisions": rows}, partial))


def read_baseline_decisions(folder: Path) -> Bools:
    """Return the decisions ``(N, C)`` that the bench left in its folder."""
    return np.asarray(load_file(folder / BASELINE_FILE)["decisions"], dtype=bool)
