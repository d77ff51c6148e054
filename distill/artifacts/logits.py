"""Logits of a model per split, as safetensors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from distill.evaluation.decision import Logits
from distill.files.atomic import write_whole

LOGITS_FILE = "logits.safetensors"

BEFORE_TUNING_FILE = "logits_before_tuning.safetensors"


def write_logits_file(logits: Mapping[str, Logits], path: Path) -> None:
    """Store raw logits ``(N, C)`` of validation and test, whole or not at all."""
    arrays = {split: np.ascontiguousarray(values) for split, values in logits.items()}
    write_whole(path, lambda partial: save_file(arrays, partial))  # whatever an array's strides are, as in memory


def read_logits_file(folder: Path, name: str = LOGITS_FILE) -> dict[str, Logits]:
    """Return the raw logits ``(N, C)`` of validation and test that a model or a variant left in its folder."""
    return dict(load_file(folder / name))
