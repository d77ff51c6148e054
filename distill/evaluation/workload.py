"""Workload of a floor: the number of texts that somebody reads, and of cases that are still missed. All pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.binomial import interval, misses_allowed
from distill.evaluation.certificates import certified_threshold
from distill.evaluation.thresholds import HIGHEST, keep_recall
from distill.export.runtime.deciding.scores import Bools, Floats

# recall at which the workload is reported beside that of the threshold that ships
LADDER = (0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Workload:
    """Test texts that are handed over, and cases among all test texts that are missed, under one threshold.

    `floor` is the recall that the threshold was fitted for, None for the threshold that ships; `confidence` is
    None where it is not certified.
    """

    floor: float | None
    confidence: float | None
    texts: int
    handed_over: int
    cases: int
    missed: int

    @property
    def missed_interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the share of cases that are missed."""
        return interval(self.missed, self.cases, 0.95)

    @property
    def read_per_case(self) -> float | None:
        """Return the number of texts read per case found; None where none is found."""
        found = self.cases - self.missed
        return self.handed_over / found if found else None


@dataclass(frozen=True)
class FloorRows:
    """Scores that a floor's threshold is compared with, and which rows have the label, both ``(N,)``."""

    scores: Floats
    positive: Bools

    def under(self, threshold: float, floor: float | None = None, confidence: float | None = None) -> Workload:
        """Return the workload of a threshold on these rows."""
        return self.flagged(self.scores.astype(np.float64) >= threshold, floor, confidence)

    def flagged(self, flagged: Bools, floor: float | None = None, confidence: float | None = None) -> Workload:
        """Return the workload of decisions ``(N,)`` on these rows."""
        return Workload(
            floor,
            confidence,
            texts=len(flagged),
            handed_over=int(flagged.sum()),
            cases=int(self.positive.sum()),
            missed=int((self.positive & ~flagged).sum()),
        )


def workload_curve(
    fit: FloorRows, trials: NDArray[np.int64], test: FloorRows, decided: Bools, *, confidence: float | None
) -> tuple[Workload, ...]:
    """Return the workload on test of what ships, and of the thresholds for each recall of LADDER.

    A threshold alone does not say what ships: a level is also reached by a higher one's, and each fold of a corpus
    has its own.

    Args:
        fit: validation.
        trials: its rows that certify, by number; those with the label.
        test: the rows that tell.
        decided: which of them are decided so, ``(N,)``.
        confidence: of the floor; None where it is not certified.
    """
    points = [test.flagged(decided)]
    of_trials, gold = fit.scores[trials], fit.positive.astype(np.float32)
    for floor in LADDER:
        points.append(test.under(keep_recall(fit.scores, gold, floor, HIGHEST), floor))
        if confidence is not None and misses_allowed(len(trials), floor, confidence) is not None:
            certified = certified_threshold(of_trials, floor, confidence)
            points.append(test.under(certified, floor, confidence))
    return tuple(points)
