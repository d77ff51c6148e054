"""Thresholds of a multi-label task, from validation: the best F1, what it is drawn towards, and floors.

numpy only, all pure. `scores` are calibrated, in [0, 1], `gold` is 0/1; ``(N, C)``, or ``(N,)`` for one label.
"""

import math
from dataclasses import dataclass

import numpy as np

from distill.evaluation.metrics import macro_f1, ratio
from distill.export.runtime.deciding.scores import Bools, Floats

# a threshold of 1 would decide nothing but certainty, and a manifest refuses it
HIGHEST = float(np.nextafter(1.0, 0.0))

LOWEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Cuts:
    """Every way to cut one label's rows in two by score, the strictest first, each ``(K,)``.

    A threshold lies midway between two neighbours in order of score, so that rounding moves no row over it.
    """

    thresholds: Floats
    hits: Floats
    decided: Floats
    positives: float

    @property
    def precision(self) -> Floats:
        """Precision of each cut."""
        return ratio(self.hits, self.decided)

    @property
    def recall(self) -> Floats:
        """Recall of each cut."""
        return ratio(self.hits, np.full_like(self.hits, self.positives))

    @property
    def f1(self) -> Floats:
        """F1 of each cut."""
        return ratio(2 * self.hits, self.decided + self.positives)


def cuts_of(scores: Floats, gold: Floats) -> Cuts:
    """All cuts of one label's ``(N,)`` scores; equal scores fall on the same side of each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    following = np.append(ranked[1:], 0.0)
    cuttable = ranked > following
    return Cuts(
        thresholds=np.minimum((ranked + following) / 2, HIGHEST)[cuttable],
        hits=np.cumsum(gold[order], dtype=np.float64)[cuttable],
        decided=np.arange(1.0, len(ranked) + 1)[cuttable],
        positives=float(gold.sum()),
    )


def common_threshold(scores: Floats, gold: Floats) -> float:
    """Return the one threshold, of 99 from 0.01 to 0.99, with the highest macro-F1; the lowest on a tie."""
    grid = np.arange(1, 100) / 100
    return float(max(grid, key=lambda threshold: macro_f1(scores >= threshold, gold)))


def best_threshold(scores: Floats, gold: Floats) -> float:
    """Return the threshold with one label's highest F1, from scores and gold ``(N,)``; every cut is tried."""
    cuts = cuts_of(scores, gold)
    if not len(cuts.thresholds) or not cuts.positives:
        return 0.5
    return float(cuts.thresholds[np.argmax(cuts.f1)])


def expected_f1_threshold(scores: Floats) -> float:
    """Half of the best expected F1 of one label's ``(N,)`` scores, which is the threshold that attains it.

    Lipton, Elkan & Narayanaswamy, "Thresholding Classifiers to Maximize F1 Score" (arXiv 1402.1892), with the
    ratio of expectations for the expectation of the ratio. It needs no gold, only calibrated scores.
    """
    ranked = np.sort(scores.astype(np.float64))[::-1]
    f1 = ratio(2 * np.cumsum(ranked), np.arange(1, len(ranked) + 1) + ranked.sum())
    return float(np.clip(f1.max(initial=0.0) / 2, 1e-9, HIGHEST))


def tune_thresholds(scores: Floats, gold: Floats, *, towards: Floats | float, shrink: float) -> Floats:
    """Return a threshold per label ``(C,)`` strictly inside (0, 1): its own best, shrunk towards a steadier one.

    A label with p positives keeps p / (p + shrink) of the way to its own best threshold: rare labels have too
    few rows to choose by themselves, and unshrunk choices overfit validation.

    Args:
        scores: ``(N, C)``.
        gold: ``(N, C)``.
        towards: the steadier thresholds, one for all or ``(C,)``.
        shrink: positives at which a label's own threshold counts half.
    """
    best = np.array([best_threshold(scores[:, label], gold[:, label]) for label in range(scores.shape[1])])
    positives = gold.sum(axis=0, dtype=np.float64)
    weight = ratio(positives, positives + shrink)
    # a weight of 1 takes the label's own: the sum would round a tiny threshold to 0, which a manifest refuses
    drawn = np.where(weight < 1, towards + weight * (best - towards), best)
    return np.asarray(np.clip(drawn, LOWEST, HIGHEST), dtype=np.float64)


def least_rows(floor: float) -> int:
    """Minimum number of rows to show a floor: with fewer, a single miss falls below it, so that it means 1."""
    return math.ceil(1 / (1 - floor) - 1e-9)


def keep_recall(scores: Floats, gold: Floats, floor: float, tuned: float) -> float:
    """One label's threshold, lowered as far as the floor of recall needs.

    Where none reaches it, for a score of 0 is below every threshold, the lowest cut is given, which misses least;
    `tuned` stays without positives.
    """
    if ratio(gold[_reach(scores, tuned)].sum(dtype=np.float64), gold.sum(dtype=np.float64)) >= floor:
        return tuned
    cuts = cuts_of(scores, gold)
    if not cuts.positives or not len(cuts.thresholds):
        return tuned
    reached = np.flatnonzero(cuts.recall >= floor)
    return min(tuned, float(cuts.thresholds[reached[0] if len(reached) else -1]))


def keep_precision(scores: Floats, gold: Floats, floor: float, tuned: float) -> float:
    """One label's threshold with the best F1 among those that keep the floor of precision.

    Only thresholds that decide `least_rows` count. Where none of them keeps the floor, the one with the best
    precision is given; `tuned` stays where it keeps it, and where too few rows can be decided.
    """
    least, decided = least_rows(floor), _reach(scores, tuned)
    if decided.sum() >= least and gold[decided].sum(dtype=np.float64) / decided.sum() >= floor:
        return tuned
    cuts = cuts_of(scores, gold)
    shown = cuts.decided >= least
    if not shown.any():
        return tuned
    kept = shown & (cuts.precision >= floor)
    best = np.where(kept, cuts.f1, -1.0) if kept.any() else np.where(shown, cuts.precision, -1.0)
    return float(cuts.thresholds[np.argmax(best)])


def count_missed(scores: Floats, gold: Floats, threshold: float, *, among_decided: bool) -> tuple[int, int]:
    """Return how many rows ``(N,)`` a floor of recall is about, or of precision, and how many of these miss."""
    decided, true = _reach(scores, threshold), gold > 0
    rows, wrong = (decided, decided & ~true) if among_decided else (true, true & ~decided)
    return int(rows.sum()), int(wrong.sum())


def _reach(scores: Floats, threshold: float) -> Bools:
    """Return which of one label's ``(N,)`` scores are decided, compared as decisions compare them.

    NumPy would round a plain float to the scores' float32, and move a threshold from between two neighbours onto
    one.
    """
    return np.asarray(scores.astype(np.float64) >= threshold, dtype=np.bool_)
