"""Quality from arrays: F1, calibration and thresholds. numpy only, all pure.

Everywhere `scores` are float ``(N, C)`` in [0, 1], `gold` is 0/1 ``(N, C)`` and `decisions` are bool ``(N, C)``;
single-label tasks have exactly one 1 in each row of both. A ratio over nothing counts as 0.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.task import TaskKind

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelQuality:
    """One label's quality; `support` is its rows in gold, `threshold` is None for argmax."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    threshold: float | None


@dataclass(frozen=True)
class Quality:
    """A model's quality on one split; `macro_f1_at_half` is None for single-label, `accuracy` for multi-label."""

    macro_f1: float
    macro_f1_at_half: float | None
    micro_f1: float
    accuracy: float | None
    brier: float
    ece: float
    per_label: tuple[LabelQuality, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "per_label": [asdict(row) for row in self.per_label]}


def sigmoid(logits: Floats) -> Floats:
    """Independent probabilities, ``(N, C) -> (N, C)``, without overflow."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, small) / (1.0 + small), dtype=logits.dtype)


def softmax(logits: Floats) -> Floats:
    """Probabilities that add up to 1 a row, ``(N, C) -> (N, C)``."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=logits.dtype)


def scores_of(logits: Floats, kind: TaskKind) -> Floats:
    """The task's scores of logits, ``(N, C) -> (N, C)``."""
    return softmax(logits) if kind is TaskKind.SINGLE_LABEL else sigmoid(logits)


def decide(scores: Floats, thresholds: Floats | None, kind: TaskKind) -> Bools:
    """Decisions: the highest score of a row, or every score that reaches its label's threshold ``(C,)``."""
    if kind is TaskKind.SINGLE_LABEL:
        return np.asarray(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None], dtype=np.bool_)
    if thresholds is None:
        raise ValueError("a multi-label task is decided by thresholds")
    return np.asarray(scores >= thresholds, dtype=np.bool_)


def _counts(decisions: Bools, gold: Floats) -> tuple[Floats, Floats, Floats]:
    """True positives, decided and gold positives, each ``(C,)``."""
    chosen = decisions.astype(np.float64)
    return (chosen * gold).sum(axis=0), chosen.sum(axis=0), gold.sum(axis=0, dtype=np.float64)


def ratio(part: Any, whole: Any) -> Floats:
    """Part over whole, element by element; 0 where the whole is 0."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def f1_per_label(decisions: Bools, gold: Floats) -> Floats:
    """F1 of each label, ``(C,)``."""
    hit, decided, true = _counts(decisions, gold)
    return ratio(2 * hit, decided + true)


def recall_per_label(decisions: Bools, gold: Floats) -> Floats:
    """Recall of each label, ``(C,)``."""
    hit, _, true = _counts(decisions, gold)
    return ratio(hit, true)


def precision_per_label(decisions: Bools, gold: Floats) -> Floats:
    """Precision of each label, ``(C,)``."""
    hit, decided, _ = _counts(decisions, gold)
    return ratio(hit, decided)


def macro_f1(decisions: Bools, gold: Floats) -> float:
    """Mean of the labels' F1."""
    return float(f1_per_label(decisions, gold).mean())


def micro_f1(decisions: Bools, gold: Floats) -> float:
    """F1 over all cells."""
    hit, decided, true = _counts(decisions, gold)
    return float(ratio(2 * hit.sum(), (decided + true).sum()))


def accuracy(decisions: Bools, gold: Floats) -> float:
    """Share of rows decided exactly as gold."""
    return float((decisions == (gold > 0)).all(axis=1).mean())


def brier(scores: Floats, gold: Floats, kind: TaskKind) -> float:
    """Brier score (1950): mean squared error a cell for multi-label, summed over classes for single-label."""
    squared = (scores.astype(np.float64) - gold) ** 2
    return float(squared.sum(axis=1).mean() if kind is TaskKind.SINGLE_LABEL else squared.mean())


def reliability_bins(
    scores: Floats, gold: Floats, kind: TaskKind, bins: int = 15
) -> list[tuple[float, float, int]]:
    """Mean score, observed rate and count of each non-empty equal-width bin of confidence.

    Multi-label: over all cells; single-label: over the highest score of each row.
    """
    if kind is TaskKind.SINGLE_LABEL:
        top = scores.argmax(axis=1)
        rows = np.arange(len(scores))
        confidence, correct = scores[rows, top], gold[rows, top]
    else:
        confidence, correct = scores.ravel(), gold.ravel()
    confidence, correct = confidence.astype(np.float64), correct.astype(np.float64)
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        (float(confidence[place == at].mean()), float(correct[place == at].mean()), int((place == at).sum()))
        for at in range(bins)
        if (place == at).any()
    ]


def ece(scores: Floats, gold: Floats, kind: TaskKind, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., arXiv 1706.04599) over equal-width bins."""
    found = reliability_bins(scores, gold, kind, bins)
    total = sum(count for _, _, count in found)
    return sum(count * abs(score - rate) for score, rate, count in found) / max(total, 1)


def common_threshold(scores: Floats, gold: Floats) -> float:
    """The one threshold, of 99 from 0.01 to 0.99, with the highest macro-F1; the lowest of equals."""
    grid = np.arange(1, 100) / 100
    return float(max(grid, key=lambda threshold: macro_f1(scores >= threshold, gold)))


def best_threshold(scores: Floats, gold: Floats) -> float:
    """The threshold with one label's highest F1, from ``(N,)`` scores and gold: midway between two scores.

    Exact: every cut between different neighbours in order of score is tried, by cumulative sums.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.cumsum(gold[order], dtype=np.float64)
    f1 = ratio(2 * hits, np.arange(1, len(ranked) + 1) + gold.sum())
    following = np.append(ranked[1:], 0.0)
    cuttable = ranked > following  # equal scores fall on the same side of any threshold
    if not cuttable.any() or gold.sum() == 0:
        return 0.5
    best = int(np.argmax(np.where(cuttable, f1, -1.0)))
    return float(np.clip((ranked[best] + following[best]) / 2, 1e-9, 1 - 1e-9))


def tune_thresholds(scores: Floats, gold: Floats, *, shrink: float) -> Floats:
    """A threshold a label, ``(C,)``, strictly inside (0, 1): its own best, drawn towards the common one.

    A label with p positives keeps p / (p + shrink) of the way to its own best threshold: rare labels have too
    few rows to choose by themselves, and unshrunk choices overfit validation.
    """
    common = common_threshold(scores, gold)
    own = np.array([best_threshold(scores[:, label], gold[:, label]) for label in range(scores.shape[1])])
    positives = gold.sum(axis=0, dtype=np.float64)
    weight = ratio(positives, positives + shrink)
    return np.asarray(common + weight * (own - common), dtype=np.float64)


def evaluate(
    scores: Floats, gold: Floats, thresholds: Floats | None, kind: TaskKind, labels: tuple[str, ...]
) -> Quality:
    """Everything that is reported of calibrated scores ``(N, C)``."""
    decisions = decide(scores, thresholds, kind)
    multi_label = kind is TaskKind.MULTI_LABEL
    values = zip(
        labels,
        precision_per_label(decisions, gold),
        recall_per_label(decisions, gold),
        f1_per_label(decisions, gold),
        gold.sum(axis=0),
        thresholds if thresholds is not None else [None] * len(labels),
        strict=True,
    )
    return Quality(
        macro_f1=macro_f1(decisions, gold),
        macro_f1_at_half=macro_f1(scores >= 0.5, gold) if multi_label else None,
        micro_f1=micro_f1(decisions, gold),
        accuracy=None if multi_label else accuracy(decisions, gold),
        brier=brier(scores, gold, kind),
        ece=ece(scores, gold, kind),
        per_label=tuple(
            LabelQuality(label, float(p), float(r), float(f), int(n), None if t is None else float(t))
            for label, p, r, f, n, t in values
        ),
    )
