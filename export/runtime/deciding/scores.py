"""Functions of logits and scores, in numpy alone: this file ships."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

Doubles = npt.NDArray[np.float64]

Bools = npt.NDArray[np.bool_]

_ONE, _MINUS_ONE = np.float32(1), np.float32(-1)


def sigmoid(logits: Floats) -> Floats:
    """Return independent probabilities, without overflow: ``(N, C) -> (N, C)``, dtype as given.

    The fewest calls that neither overflow nor lose the small ones: one text's logits are so few that each counts.
    """
    small = np.exp(np.copysign(logits, _MINUS_ONE))
    return np.asarray(np.maximum(small, np.heaviside(logits, _ONE)) / (small + _ONE))


def softmax(logits: Floats) -> Floats:
    """Return probabilities that add up to 1 per row: ``(N, C) -> (N, C)``, dtype as given."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def one_hot(chosen: npt.NDArray[np.integer[Any]], num_labels: int) -> Bools:
    """Return decisions for one label of each row: ``(N,) -> (N, C)``."""
    return np.asarray(np.arange(num_labels) == chosen[:, None], dtype=np.bool_)
