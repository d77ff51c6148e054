"""Thresholds that hold a floor with a confidence, by exact bounds on order statistics. All pure.

With n trials that have a label, the threshold at the (k + 1)-th lowest of their scores misses more than a share
1 - f of new ones with the probability that a binomial count of n trials at 1 - f is at most k (Wilks 1941). The
largest k for which this is at most 1 - confidence is known before any score is, so nothing is corrected for the
thresholds that might have been chosen; of several labels with floors each takes its part of 1 - confidence.
"""

from dataclasses import dataclass

import numpy as np

from distill.evaluation.binomial import at_most, lower_bound, misses_allowed
from distill.evaluation.selective import cutoff_for
from distill.evaluation.thresholds import LOWEST
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.manifest.promises import RIGHT_WHEN_ANSWERED, FittedFloor, RightWhenAnswered

# cutoffs of confidence that may be certified, evenly spread over the share of texts that is answered
COVERAGES = 50


def split_confidence(confidence: float, floors: int) -> float:
    """Return the confidence of each of several floors that together hold with a confidence (Bonferroni)."""
    return 1 - (1 - confidence) / max(1, floors)


def certified_threshold(scores: Floats, floor: float, confidence: float) -> float:
    """Return the highest threshold of which a floor is certified, from the scores ``(n,)`` of trials with a label.

    It lies midway between two of them, so that rounding moves none over it. Where there are too few trials it is
    the lowest that misses none of them.
    """
    ranked = np.sort(scores.astype(np.float64))
    if not len(ranked):
        return LOWEST
    held = ranked[misses_allowed(len(ranked), floor, confidence) or 0]
    lower = ranked[ranked < held]
    return float(max((held + (lower[-1] if len(lower) else 0.0)) / 2, LOWEST))


def certify(
    kind: str, label: str, at_least: float, confidence: float, *, scores: Floats, threshold: float
) -> FittedFloor:
    """Return what the trials' scores ``(n,)`` show of a threshold that is at most the certified one."""
    missed = int((scores.astype(np.float64) < threshold).sum())
    allowed = misses_allowed(len(scores), at_least, confidence) or 0
    bound = lower_bound(len(scores) - max(missed, allowed), len(scores), confidence)
    return FittedFloor(kind, label, at_least, threshold, len(scores), missed, confidence, bound)


@dataclass(frozen=True)
class Judged:
    """Confidence of rows, and whether each is decided exactly as gold, both ``(n,)``."""

    confidence: Floats
    right: Bools

    def answered(self, below: float) -> tuple[int, int]:
        """Return how many rows are answered under a cutoff, and how many of these are wrong."""
        kept = self.confidence.astype(np.float64) >= below
        return int(kept.sum()), int((kept & ~self.right).sum())

    def doubt(self, below: float, floor: float) -> float:
        """Return the probability of so few wrong answers if only a share of `floor` were right."""
        answered, wrong = self.answered(below)
        return at_most(wrong, answered, 1 - floor) if answered else 1.0


def certified_cutoff(
    tuning: Judged, trials: Judged, floor: float, confidence: float
) -> tuple[float, RightWhenAnswered]:
    """Return the confidence below which to abstain so that answers are right, and what shows it.

    Cutoffs come from the rows that tune, and are tested one after the other on the trials: first the one that
    those rows are surest of, then each that answers more, as long as none fails (fixed-sequence testing:
    Angelopoulos et al., "Learn then Test", arXiv 2110.01052). Where already the first fails its bound is below the
    floor.
    """
    shares = np.arange(1, COVERAGES + 1) / COVERAGES
    cutoffs = sorted({cutoff_for(tuning.confidence, float(share)) for share in shares}, reverse=True)
    first = min(range(len(cutoffs)), key=lambda at: tuning.doubt(cutoffs[at], floor))
    chosen = first
    for at in range(first, len(cutoffs)):
        if trials.doubt(cutoffs[at], floor) > 1 - confidence:
            break
        chosen = at
    answered, wrong = trials.answered(cutoffs[chosen])
    bound = lower_bound(answered - wrong, answered, confidence)
    return cutoffs[chosen], RightWhenAnswered(
        RIGHT_WHEN_ANSWERED, floor, confidence, rows=answered, wrong=wrong, bound=bound
    )
