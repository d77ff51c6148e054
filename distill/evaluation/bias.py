"""Differences of scores between texts that differ in one identity term alone. All pure, without scipy.

Counterfactual fairness of a classifier (Garg et al. 2019, arXiv:1809.10610). A gap's p-value is that of random
signs of the templates' differences: if two terms are alike to a model, a template's difference is as likely the
other way around. An interval is a bootstrap over templates, so that it holds for texts of the same kind.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.comparison import Estimate
from distill.evaluation.drift import FEW_AS_FAR, draws_for, holm
from distill.export.runtime.deciding.scores import Bools, Doubles

# draws of signs: the smallest p-value is 1 / (SIGNS + 1), unless a smaller one is asked for
SIGNS = 39_999

RESAMPLES = 2000

# cells whose sums are computed at once
_AT_ONCE = 64

# signs that are in memory at once
_SIGNS_AT_ONCE = 2**24


@dataclass(frozen=True)
class Cell:
    """Two groups of an axis, one label: score of `group` minus that of `other`, per model.

    `p_values` are adjusted for all cells of the model (Holm); `flips` are shares of texts whose decision on the
    label differs. `amplification` is the mean absolute gap of each model minus the reference's, with an interval
    by template.
    """

    axis: str
    group: str
    other: str
    label: str
    gaps: Mapping[str, float]
    p_values: Mapping[str, float]
    flips: Mapping[str, float]
    amplification: Mapping[str, Estimate]


@dataclass(frozen=True)
class AxisAudit:
    """One axis over all of its groups and all labels, per model.

    `gap` is the mean absolute difference of scores, `flipped` the share of texts for which any decision differs,
    and `shown` the number of cells whose gap is more than chance. `unread` is the share of pairs of texts that
    what ships reads alike or cannot read, so that no difference can show; files of earlier versions lack it.
    """

    axis: str
    templates: int
    texts: int
    gap: Mapping[str, float]
    flipped: Mapping[str, float]
    shown: Mapping[str, int]
    amplification: Mapping[str, Estimate]
    unread: float = 0.0


@dataclass(frozen=True)
class Audit:
    """Changes of scores and decisions by identity terms; no text is in it.

    `models` are in the order given; the first one that is a teacher, if any, is the `reference` of amplification.
    """

    models: tuple[str, ...]
    reference: str | None
    labels: tuple[str, ...]
    axes: tuple[AxisAudit, ...]
    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def gaps(scores: Doubles, first: int, second: int) -> Doubles:
    """Return each template's mean difference of two groups' scores: ``(T, K, G, C) -> (T, C)``.

    T templates, K terms of each group, G groups, C labels.
    """
    return np.asarray((scores[:, :, first] - scores[:, :, second]).mean(axis=1))


def absolute_gaps(scores: Doubles, first: int, second: int) -> Doubles:
    """Return each template's mean absolute difference of two groups' scores: ``(T, K, G, C) -> (T, C)``."""
    return np.asarray(np.abs(scores[:, :, first] - scores[:, :, second]).mean(axis=1))


def flips(decided: Bools, first: int, second: int) -> Doubles:
    """Return the share of each label's decisions that differ: ``(T, K, G, C) -> (C,)``."""
    return np.asarray((decided[:, :, first] != decided[:, :, second]).mean(axis=(0, 1)))


def rows_flipped(decided: Bools, first: int, second: int) -> float:
    """Return the share of texts for which any label is decided differently."""
    return float((decided[:, :, first] != decided[:, :, second]).any(axis=2).mean())


def templates_needed(cells: int, alpha: float) -> int:
    """Return the fewest templates of which one cell of many can be told from chance, all having the same sign."""
    return math.ceil(math.log2(2 * cells / alpha) - 1e-9)


def sign_p_values(
    differences: Doubles, rng: np.random.Generator, signs: int = SIGNS, *, smallest: float = 1.0
) -> Doubles:
    """Return two-sided p-values of means of zero by random signs of the rows: ``(T, M) -> (M,)``.

    Args:
        differences: of T templates.
        rng: for the draws.
        signs: their number.
        smallest: p-value that must be possible; cells of which few draws are as large get more of them.
    """
    as_large = _as_large(differences, rng, signs)
    found, more = (1 + as_large) / (signs + 1), draws_for(smallest) - signs
    few = as_large < FEW_AS_FAR
    if more > 0 and few.any():
        as_large[few] += _as_large(differences[:, few], rng, more)
        found[few] = (1 + as_large[few]) / (signs + more + 1)
    return np.asarray(found)


def _as_large(differences: Doubles, rng: np.random.Generator, signs: int) -> NDArray[np.int64]:
    """Return how many draws of signs give a sum that is as far from zero, ``(M,)``."""
    rows, cells = differences.shape
    as_large = np.zeros(cells, dtype=np.int64)
    together = max(4, _SIGNS_AT_ONCE // max(rows, 1) // 4 * 4)  # whole words of the generator: the same draws
    for first in range(0, signs, together):
        shape = min(together, signs - first), rows
        drawn = rng.integers(0, 2, size=shape, dtype=np.int8).astype(np.float32) * 2 - 1
        for start in range(0, cells, _AT_ONCE):
            block = differences[:, start : start + _AT_ONCE].astype(np.float32)
            sums = np.abs(drawn @ block)  # (signs, M)
            # rounding must not make a draw that repeats what was found smaller
            here = np.abs(block.sum(axis=0)) * (1 - 1e-5) - 1e-12
            as_large[start : start + _AT_ONCE] += (sums >= here).sum(axis=0)
    return as_large


def adjusted(p_values: Doubles) -> Doubles:
    """Return p-values adjusted for their number by Holm's rule, in the same shape."""
    return np.array(holm(p_values.ravel().tolist())).reshape(p_values.shape)


def mean_interval(values: Doubles, rng: np.random.Generator) -> Estimate:
    """Return the mean of templates' values ``(T,)`` with a bootstrap over templates."""
    drawn = values[rng.integers(0, len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))
