"""Prediction sets from validation: split conformal prediction. All pure.

Single labels: the least ambiguous sets (Sadinle, Lei & Wasserman 2019, "LAC"). Several labels: per label, so that
the expected share of its texts without it in the set is bounded (conformal risk control, arXiv 2208.02814, of one
label is this quantile). A label with enough rows has its own threshold (Mondrian); the others share one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.thresholds import HIGHEST, LOWEST
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.deciding.task import Task

# trials of a label from which on it has a threshold of its own
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
    scores: Floats,
    decisions: Bools,
    trials: Sequence[NDArray[np.int64]],
    coverage: float,
    *,
    per_label: bool,
) -> tuple[float, ...]:
    """Return a threshold per label.

    Args:
        scores: ``(N, C)``.
        decisions: ``(N, C)``; a decided label is in its set whatever its score is.
        trials: of each label, the numbers of rows that have it.
        coverage: share of these rows whose set must hold the label.
        per_label: whether labels with enough rows have thresholds of their own.
    """
    held = [np.where(decisions[rows, at], 1.0, scores[rows, at]) for at, rows in enumerate(trials)]
    own = [per_label and len(rows) >= OWN_ROWS for rows in trials]
    others = [label for label, alone in zip(held, own, strict=True) if not alone]
    shared = conformal_threshold(np.concatenate(others), coverage) if others else LOWEST
    return tuple(
        conformal_threshold(label, coverage) if alone else shared for label, alone in zip(held, own, strict=True)
    )


def evaluate_sets(task: Task, sets: Sets, scores: Floats, decisions: Bools, gold: Floats) -> SetsQuality:
    """Return how often sets hold what gold has, and how large they are; all ``(N, C)``."""
    held, true = task.possible_mask(sets.held_mask(scores, decisions)), gold > 0
    rows = true.sum(axis=0)
    by_label = (held & true).sum(axis=0)
    return SetsQuality(
        coverage=float(by_label.sum() / max(1, rows.sum())),
        mean_size=float(held.sum(axis=1).mean()),
        label_coverage=tuple(
            float(inside / of) if of else None for inside, of in zip(by_label.tolist(), rows.tolist(), strict=True)
        ),
    )
