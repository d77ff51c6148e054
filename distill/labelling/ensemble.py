"""The logits that a student learns from one teacher or several."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import LOGITS_FILE, read_logits_file, write_logits_file
from distill.artifacts.training import TrainingSummary, read_training
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.task import Task
from distill.files.json_files import write_json

Logits = NDArray[np.float32]

TEMPERATURES_FILE = "temperatures.json"


def average_logits(
    members: Sequence[Logits],
    temperatures: Sequence[float],
    evaluator: Evaluator,
    how: Literal["logits", "probabilities"],
) -> Logits:
    """Return the logits of an ensemble, float32 ``(N, C)``.

    Averaged probabilities come back as logits (Hinton et al., arXiv 1503.02531, section 3: arithmetic or geometric
    mean).

    Args:
        members: raw logits of each teacher, all ``(N, C)``.
        temperatures: one per member, above 0; 1 changes nothing.
        evaluator: the task's.
        how: what is averaged.
    """
    scaled = [
        logits.astype(np.float64) / temperature for logits, temperature in zip(members, temperatures, strict=True)
    ]
    if len(scaled) == 1:
        return members[0] if temperatures[0] == 1.0 else scaled[0].astype(np.float32)
    mean = np.mean(scaled, axis=0) if how == "logits" else evaluator.average_probabilities(scaled)
    return np.asarray(mean, dtype=np.float32)


def write_average(
    folder: Path,
    teachers: Sequence[Path],
    task: Task,
    temperatures: Sequence[float],
    how: Literal["logits", "probabilities"],
) -> None:
    """Write an ensemble's logits of validation and test, its temperatures, and its number of weights.

    Args:
        folder: of the ensemble.
        teachers: folders of its members.
        task: the corpus's.
        temperatures: one per member.
        how: what is averaged.
    """
    logits = [read_logits_file(teacher) for teacher in teachers]
    evaluator = evaluator_of(task)
    averaged = {
        split: average_logits([member[split] for member in logits], temperatures, evaluator, how)
        for split in logits[0]
    }
    write_logits_file(averaged, folder / LOGITS_FILE)
    write_json({"temperatures": list(temperatures)}, folder / TEMPERATURES_FILE)
    TrainingSummary(sum(read_training(teacher).parameters or 0 for teacher in teachers)).write(folder)
