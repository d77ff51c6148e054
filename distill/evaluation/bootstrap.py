"""The paired bootstrap over rows (Efron & Tibshirani 1993, chapter 13): weights to draw, differences to sum up."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000

# weights that are float64 at one time
CELLS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Bootstrap:
    """A difference with its 95 % interval; `p_value` is two-sided, of no difference."""

    difference: float
    low: float
    high: float
    p_value: float


def row_weights(rows: int, *, samples: int = SAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Return the draws of each row, ``(S, N)``: multinomial, so that all samples are one matrix product."""
    rng, shares = np.random.default_rng(seed), np.full(rows, 1 / rows)
    weights = np.empty((samples, rows), dtype=np.float32)
    for at in range(samples):  # all at once would take three times the memory, which matters for a long test split
        weights[at] = rng.multinomial(rows, shares)
    return weights


def weighted_sums(weights: NDArray[np.float32], values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return sums of values ``(N, ...)`` over the rows of each sample, ``(S, ...)``, in float64."""
    step = max(1, CELLS_AT_ONCE // max(1, len(values)))
    parts = [weights[at : at + step].astype(np.float64) @ values for at in range(0, len(weights), step)]
    return np.concatenate(parts)


def interval(difference: float, resampled: NDArray[np.floating[Any]]) -> Bootstrap:
    """Return the 95% interval of a difference, from the differences of the samples ``(S,)``."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    beyond = min(float((resampled <= 0).mean()), float((resampled >= 0).mean()))
    p_value = min(1.0, 2 * max(beyond, 1 / len(resampled)))
    return Bootstrap(difference=difference, low=float(low), high=float(high), p_value=p_value)
