"""Selective classification: answer if confidence is high, hand over the rest. numpy only, all pure.

Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks" (arXiv 1705.08500): *coverage* is the
share of rows that are answered, *risk* the share of these whose answer is not exactly gold's. Confidence is the
probability of being exactly right that the calibrated scores give, so both are about the same event.
"""

from dataclasses import dataclass

import numpy as np

from distill.evaluation.decided import DecidedRows
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.metrics import macro_f1
from distill.export.runtime.deciding.scores import Bools, Floats

CURVE_POINTS = 50


def cutoff_for(confidence: Floats, coverage: float) -> float:
    """Return the confidence below which to abstain, so that at least this share of the rows ``(N,)`` is answered.

    It lies midway between two rows' confidences, strictly inside (0, 1); rows of equal confidence stay together.
    """
    ranked = np.sort(confidence.astype(np.float64))[::-1]
    last = ranked[min(len(ranked), max(1, int(np.ceil(coverage * len(ranked) - 1e-9)))) - 1]
    lower = ranked[ranked < last]
    middle = (last + (lower[0] if len(lower) else 0.0)) / 2
    return float(np.clip(middle, np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0)))


def risk_curve(confidence: Floats, wrong: Bools) -> Floats:
    """Risk of answering the k most confident rows, for k from 1 to N, ``(N,)``.

    Rows of equal confidence count as in a random order, so the curve does not depend on the order of the rows.
    """
    _, place, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=wrong.astype(np.float64)) / counts
    ranked = share[np.sort(place)]
    return np.asarray(np.cumsum(ranked) / np.arange(1, len(ranked) + 1))


def area_under(curve: Floats) -> float:
    """Area under a risk-coverage curve (AURC), its mean; the better confidence separates errors, the lower."""
    return float(curve.mean())


def curve_points(curve: Floats, points: int = CURVE_POINTS) -> list[tuple[float, float]]:
    """Coverage and risk at evenly spread coverages, the last one 1."""
    rows = np.unique(np.ceil(np.arange(1, points + 1) / points * len(curve) - 1e-9).astype(np.int64))
    return [(float(k / len(curve)), float(curve[k - 1])) for k in rows]


@dataclass(frozen=True)
class SelectiveQuality:
    """Quality of confidence as a criterion for what to answer, on one split.

    `risk` is of answering every row; `coverage`, `selective_risk`, `selective_macro_f1` and `selective_headline`
    are under the rule to abstain below `below`: the last three are None where nothing is answered. Files of
    earlier versions have no `selective_headline`; the headline of every task was macro-F1 then.
    """

    aurc: float
    risk: float
    below: float | None
    coverage: float
    selective_risk: float | None
    selective_macro_f1: float | None
    curve: tuple[tuple[float, float], ...]
    selective_headline: float | None = None

    @property
    def answered_headline(self) -> float | None:
        """Return the headline of the answered rows; None where nothing is answered."""
        return self.selective_macro_f1 if self.selective_headline is None else self.selective_headline


def evaluate_selective(rows: DecidedRows, evaluator: Evaluator, below: float | None) -> SelectiveQuality:
    """Return risk and coverage of decided rows; `below` is the bound of the abstention rule, if there is one."""
    wrong = (rows.decisions != (rows.gold > 0)).any(axis=1)
    curve, answered = risk_curve(rows.confidence, wrong), rows.answered
    some = bool(answered.any())
    decided = (rows.decisions[answered], rows.gold[answered])
    return SelectiveQuality(
        aurc=area_under(curve),
        risk=float(wrong.mean()),
        below=below,
        coverage=float(answered.mean()),
        selective_risk=float(wrong[answered].mean()) if some else None,
        selective_macro_f1=macro_f1(*decided) if some else None,
        curve=tuple(curve_points(curve)),
        selective_headline=evaluator.score(*decided) if some else None,
    )
