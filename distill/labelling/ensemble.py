"""What the student learns from one teacher or several: one array of logits."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, logsumexp

from distill.corpora.task import TaskKind

Logits = NDArray[np.float32]

# beyond these a validation split is too small or separable
LOG_TEMPERATURE_BOUNDS = (-2.5, 2.5)

# probabilities nearer to 0 or 1 have no logit in float32 that is worth the name
EDGE = 1e-7


def average_logits(
    members: Sequence[Logits],
    temperatures: Sequence[float],
    kind: TaskKind,
    how: Literal["logits", "probabilities"],
) -> Logits:
    """The logits of an ensemble, float32 ``(N, C)``.

    Averaged probabilities come back as logits: of each label for multi-label tasks, up to a constant a row
    for single-label ones (Hinton et al., arXiv 1503.02531, section 3: arithmetic or geometric mean).

    Args:
        members: raw logits of each teacher, all ``(N, C)``.
        temperatures: one for each, above 0; 1 changes nothing.
        kind: of the task.
        how: what is averaged.
    """
    scaled = [values.astype(np.float64) / one for values, one in zip(members, temperatures, strict=True)]
    if len(scaled) == 1:
        return members[0] if temperatures[0] == 1.0 else scaled[0].astype(np.float32)
    if how == "logits":
        mean = np.mean(scaled, axis=0)
    elif kind is TaskKind.SINGLE_LABEL:
        mean = logsumexp([log_softmax(values, axis=1) for values in scaled], axis=0) - np.log(len(scaled))
    else:
        mean = logit(np.mean([expit(values) for values in scaled], axis=0).clip(EDGE, 1 - EDGE))
    return np.asarray(mean, dtype=np.float32)


def fit_temperature(logits: Logits, gold: NDArray[np.float32], kind: TaskKind) -> float:
    """The temperature with the least log loss (Guo et al., arXiv 1706.04599).

    Args:
        logits: raw, of validation, ``(N, C)``.
        gold: 0/1 ``(N, C)``.
        kind: of the task.
    """
    x, y = logits.astype(np.float64), gold.astype(np.float64)

    def loss(log_temperature: float) -> float:
        z = x / np.exp(log_temperature)
        if kind is TaskKind.SINGLE_LABEL:
            return float(-(log_softmax(z, axis=1) * y).sum(axis=1).mean())
        return float((np.logaddexp(0, z) - y * z).mean())

    found = minimize_scalar(loss, bounds=LOG_TEMPERATURE_BOUNDS, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
