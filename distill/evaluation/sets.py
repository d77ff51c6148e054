"""Prediction sets from validation: split conformal prediction. All pure.

Single labels: the least ambiguous sets (Sadinle, Lei & Wasserman 2019, "LAC"). Several labels: per label, so that
the expected share of its texts without it in the set is bounded (conformal risk control, arXiv 2208.02814, of one
label is this quantile). A label with enough rows has its own threshold (Mondrian); the others share one. Rows of
one group are one trial: one of them, picked at random.
"""

from dataclasses import dataclass

import numpy as np

from distill.evaluation.thresholds import HIGHEST, LOWEST, least_rows
from distill.evaluation.trials import Parts
from distill.export.runtime.deciding.scores import Bools, Floats

# trials of a label from which on it has a threshold of its own, if that can exclude it at all
OWN_ROWS = 50


@dataclass(frozen=True)
class SetsQuality:
    """Sets on one split: the share of gold labels that they hold, overall and per label, and labels per set.

    A label without rows has no coverage, None.
    """

    coverage: float
    mean_size: float
    label_coverage: tuple[float | None, ...]


def conformal_threshold(scores: Floats, coverage: float) -> float:
    """Return the threshold that a new score like these ``(n,)`` reaches with a probability of `coverage`."""
    ranked = np.sort(scores.astype(np.float64))
    excluded = int(np.floor((len(ranked) + 1) * (1 - coverage) + 1e-9))
    return float(np.clip(ranked[excluded - 1], LOWEST, HIGHEST)) if excluded else LOWEST


def fit_thresholds_of_sets(
    scores: Floats, decisions: Bools, gold: Floats, parts: Parts, coverage: float, *, per_label: bool
) -> tuple[float, ...]:
    """Return a threshold per label.

    Args:
        scores: ``(N, C)``.
        decisions: ``(N, C)``; a decided label is in its set whatever its score is.
        gold: 0/1, ``(N, C)``.
        parts: which of the rows are trials.
        coverage: share of the trials that have a label whose set must hold it.
        per_label: whether labels with enough rows have thresholds of their own.
    """
    held, has = np.where(decisions, 1.0, scores), gold > 0
    trials = [parts.trials(has[:, at]) for at in range(has.shape[1])]
    least = max(OWN_ROWS, least_rows(coverage) - 1)  # with fewer trials no score is low enough to be excluded
    own = np.array([per_label and len(rows) >= least for rows in trials])
    rows = parts.trials(np.asarray(has[:, ~own].any(axis=1)))
    shared = conformal_threshold(held[rows][:, ~own][has[rows][:, ~own]], coverage)
    return tuple(
        conformal_threshold(held[of_label, at], coverage) if own[at] else shared
        for at, of_label in enumerate(trials)
    )


def evaluate_sets(possible: Bools, gold: Floats) -> SetsQuality:
    """Return how often sets hold what gold has, and how large they are; both ``(N, C)``."""
    held, true = possible, gold > 0
    rows = true.sum(axis=0)
    by_label = (held & true).sum(axis=0)
    return SetsQuality(
        coverage=float(by_label.sum() / max(1, rows.sum())),
        mean_size=float(held.sum(axis=1).mean()),
        label_coverage=tuple(
            float(inside / of) if of else None for inside, of in zip(by_label.tolist(), rows.tolist(), strict=True)
        ),
    )
