"""What the student learns from one teacher or several: one array of logits."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.evaluator import Evaluator

Logits = NDArray[np.float32]


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
        temperatures: one for each, above 0; 1 changes nothing.
        evaluator: the task's.
        how: what is averaged.
    """
    scaled = [values.astype(np.float64) / one for values, one in zip(members, temperatures, strict=True)]
    if len(scaled) == 1:
        return members[0] if temperatures[0] == 1.0 else scaled[0].astype(np.float32)
    mean = np.mean(scaled, axis=0) if how == "logits" else evaluator.average_probabilities(scaled)
    return np.asarray(mean, dtype=np.float32)
