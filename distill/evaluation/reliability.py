"""Reliability of scores: Brier scores and skill, reliability, calibration errors. numpy only, all pure.

Everywhere `scores` are float ``(N, C)`` in [0, 1] and `gold` is 0/1 ``(N, C)``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.bootstrap import Bootstrap, interval, weighted_sums
from distill.export.runtime.deciding.scores import Floats

Bin = tuple[float, float, int]

BINS = 15

# of one label, which has fewer cells than all labels together
LABEL_BINS = 10

# most cells of a task with many labels are safely near 0 and would hide what the others do
LEAST_SCORE = 0.1


def brier_of_rows(scores: Floats, gold: Floats) -> float:
    """Return the Brier score (1950) of classes: squared errors summed over the classes of a row, their mean."""
    return float(((scores.astype(np.float64) - gold) ** 2).sum(axis=1).mean())


def brier_of_cells(scores: Floats, gold: Floats) -> float:
    """Return the Brier score (1950) of independent labels: the mean squared error per cell."""
    return float(((scores.astype(np.float64) - gold) ** 2).mean())


def brier_per_label(scores: Floats, gold: Floats) -> Floats:
    """Mean squared error of each label, ``(C,)``."""
    return np.asarray(((scores.astype(np.float64) - gold) ** 2).mean(axis=0))


def brier_skill_per_label(scores: Floats, gold: Floats) -> Floats:
    """Brier skill of each label over its base rate, ``(C,)``; NaN for a label that no row or every row has.

    1 - Brier / r (1 - r), r being the label's rate in these very rows (Murphy 1973): of all constant scores that
    one has the lowest Brier score, so it is the hardest to beat, and it needs no other split.
    """
    rate = gold.mean(axis=0, dtype=np.float64)
    uncertainty = rate * (1 - rate)
    of_it = np.full_like(uncertainty, np.nan)
    np.divide(brier_per_label(scores, gold), uncertainty, out=of_it, where=uncertainty > 0)
    return np.asarray(1 - of_it)


def mean_brier_skill(scores: Floats, gold: Floats) -> float:
    """Mean Brier skill of the labels that have one; 0 if none has."""
    skill = brier_skill_per_label(scores, gold)
    return float(skill[np.isfinite(skill)].mean()) if np.isfinite(skill).any() else 0.0


def bins_of_cells(scores: Floats, gold: Floats, bins: int = BINS) -> list[Bin]:
    """Return mean score, observed rate and count of each non-empty equal-width bin of all cells' scores."""
    return _bins(scores.ravel(), gold.ravel(), bins)


def bins_of_top(scores: Floats, gold: Floats, bins: int = BINS) -> list[Bin]:
    """Return the same of the highest score of each row."""
    top = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return _bins(scores[rows, top], gold[rows, top], bins)


def reliability_per_label(scores: Floats, gold: Floats, bins: int = LABEL_BINS) -> list[list[Bin]]:
    """Return the non-empty bins of each label's own scores."""
    return [_bins(scores[:, label], gold[:, label], bins) for label in range(scores.shape[1])]


def error_of(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error (Guo et al., arXiv 1706.04599) of cells in bins; 0 without any."""
    total = sum(count for _, _, count in bins)
    return sum(count * abs(score - rate) for score, rate, count in bins) / max(total, 1)


def ece_of_cells(scores: Floats, gold: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error over equal-width bins of all cells' scores."""
    return error_of(bins_of_cells(scores, gold, bins))


def ece_of_top(scores: Floats, gold: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error over equal-width bins of each row's highest score."""
    return error_of(bins_of_top(scores, gold, bins))


def ece_above_tenth(scores: Floats, gold: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error of suggested cells: those with a score of at least 0.1.

    Over equal-width bins of all labels' cells together; 0 where there is no such cell.
    """
    residuals, counts = _suggested(scores, gold, bins)
    return float(_error(residuals.sum(axis=0), counts.sum()))


def bootstrap_ece_above_tenth(
    first: Floats, second: Floats, gold: Floats, weights: NDArray[np.float32], *, bins: int = BINS
) -> Bootstrap:
    """Return `ece_above_tenth` of `first` minus that of `second` over resampled rows; below 0 `first` is better.

    `weights` are `bootstrap.row_weights`, ``(S, N)``: drawing them costs more than everything else.
    """
    errors = []
    for scores in (first, second):
        residuals, counts = _suggested(scores, gold, bins)
        errors.append(_error(weighted_sums(weights, residuals), weighted_sums(weights, counts)))
    difference = ece_above_tenth(first, gold, bins) - ece_above_tenth(second, gold, bins)
    return interval(difference, errors[0] - errors[1])


def _bins(scores: Floats, gold: Floats, bins: int) -> list[Bin]:
    """Mean score, observed rate and count of each non-empty bin of cells ``(M,)``."""
    scores, gold = scores.astype(np.float64), gold.astype(np.float64)
    place = _place(scores, bins)
    return [
        (float(scores[place == at].mean()), float(gold[place == at].mean()), int((place == at).sum()))
        for at in range(bins)
        if (place == at).any()
    ]


def _place(scores: Floats, bins: int) -> NDArray[np.int64]:
    return np.minimum((scores * bins).astype(np.int64), bins - 1)


def _suggested(scores: Floats, gold: Floats, bins: int) -> tuple[Floats, Floats]:
    """Score minus gold summed by row and bin ``(N, B)``, and the cells of each row ``(N,)``, of suggested ones."""
    suggested = scores >= LEAST_SCORE
    difference = np.where(suggested, scores.astype(np.float64) - gold, 0.0)
    place = _place(scores.astype(np.float64), bins)
    residuals = np.stack([(difference * (place == at)).sum(axis=1) for at in range(bins)], axis=1)
    return residuals, suggested.sum(axis=1).astype(np.float64)


def _error(residuals: Floats, counts: Any) -> Floats:
    """Return summed residuals per bin ``(..., B)`` over the number of cells ``(...)``; 0 where there is none."""
    return np.asarray(np.abs(residuals).sum(axis=-1) / np.maximum(counts, 1))
