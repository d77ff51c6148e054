"""Quality from arrays: decisions, F1, and all that is reported. numpy only, all pure.

Everywhere `scores` are float ``(N, C)`` in [0, 1], `gold` is 0/1 ``(N, C)`` and `decisions` are bool ``(N, C)``;
single-label tasks have exactly one 1 in each row of both. A ratio whose denominator is 0 counts as 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from distill.evaluation.reliability import (
    Bin,
    brier_per_label,
    brier_skill_per_label,
    ece_above_tenth,
    mean_brier_skill,
    reliability_per_label,
)
from distill.export.runtime.deciding.scores import Bools, Doubles, Floats


@dataclass(frozen=True)
class LabelQuality:
    """One label's quality; `support` is its rows in gold, `threshold` is None for argmax.

    `brier_skill` is None where no row or every row has the label; a bin of `reliability` is mean score, observed
    rate and count.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    threshold: float | None
    brier: float
    brier_skill: float | None
    reliability: tuple[Bin, ...]


def labels_at_zero(per_label: Iterable[LabelQuality]) -> tuple[str, ...]:
    """Return the labels without rows, each of which counts 0 in macro-F1."""
    return tuple(row.label for row in per_label if not row.support)


@dataclass(frozen=True)
class Quality:
    """A model's quality on one split; `macro_f1_at_half` is None for single-label, `accuracy` for multi-label.

    `brier_skill` is the mean of the labels'; `ece_above_tenth` the calibration error of scores of at least 0.1.
    A label without rows counts 0 in `macro_f1`: `labels_without_rows` is their number, and
    `macro_f1_of_labels_with_rows` the mean over the others. `weighted_f1` weighs labels by their rows.
    `exact_match` is the share of rows decided exactly; `jaccard` the mean over rows of shared labels over all
    labels of both, None where a row has exactly one; `cohen_kappa` the agreement beyond chance, for multi-label
    the mean of the labels'. `further` are metrics of the task's kind alone.
    """

    macro_f1: float
    macro_f1_at_half: float | None
    micro_f1: float
    accuracy: float | None
    brier: float
    brier_skill: float
    ece: float
    ece_above_tenth: float
    per_label: tuple[LabelQuality, ...]
    labels_without_rows: int
    macro_f1_of_labels_with_rows: float
    weighted_f1: float
    exact_match: float
    jaccard: float | None
    cohen_kappa: float
    further: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON, the further metrics beside the others."""
        data: dict[str, object] = {
            **asdict(self),
            "per_label": [asdict(row) for row in self.per_label],
            **self.further,
        }
        del data["further"]
        return data


def _counts(decisions: Bools, gold: Floats) -> tuple[Floats, Floats, Floats]:
    """Return true positives, decided and gold positives, each ``(C,)``."""
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
    return _exact(decisions, gold)


def f1_of_labels_with_rows(decisions: Bools, gold: Floats) -> float:
    """Mean F1 of the labels that have rows in gold."""
    some = gold.sum(axis=0) > 0
    return float(f1_per_label(decisions, gold)[some].mean()) if some.any() else 0.0


def weighted_f1(decisions: Bools, gold: Floats) -> float:
    """Mean of the labels' F1, weighted by their rows in gold."""
    support = gold.sum(axis=0, dtype=np.float64)
    return float(ratio((f1_per_label(decisions, gold) * support).sum(), support.sum()))


def jaccard(decisions: Bools, gold: Floats) -> float:
    """Mean over rows of the number of shared labels over that of all labels of both; 1 if both have none."""
    true = gold > 0
    shared, either = (decisions & true).sum(axis=1), (decisions | true).sum(axis=1)
    return float(np.where(either > 0, ratio(shared, either), 1.0).mean())


def cohen_kappa(decisions: Bools, gold: Floats) -> float:
    """Cohen's kappa (1960) of one label per row; 0 if chance alone would always agree."""
    counts = gold.T.astype(np.float64) @ decisions / len(gold)  # (C, C)
    observed, chance = np.trace(counts), (counts.sum(axis=0) * counts.sum(axis=1)).sum()
    return float(ratio(observed - chance, 1 - chance))


def mean_label_kappa(decisions: Bools, gold: Floats) -> float:
    """Mean of the kappas of each label against all others, of those that have one; 0 where none has."""
    kappas = label_kappas(decisions, gold)
    some = ~np.isnan(kappas)
    return float(kappas[some].mean()) if some.any() else 0.0


def label_kappas(decisions: Bools, gold: Floats) -> Doubles:
    """Return the kappa of each label against all others, ``(C,)``; NaN where chance alone would always agree."""
    true, chosen = gold.mean(axis=0, dtype=np.float64), decisions.mean(axis=0)
    observed, chance = (decisions == (gold > 0)).mean(axis=0), true * chosen + (1 - true) * (1 - chosen)
    return np.asarray(np.where(chance < 1, ratio(observed - chance, 1 - chance), np.nan))


def weighted_macro_f1(decisions: Bools, gold: Floats, weights: Floats) -> Floats:
    """Return macro-F1 under each row of weights: ``(S, N) -> (S,)``."""
    return np.asarray(weighted_f1_per_label(decisions, gold, weights).mean(axis=1))


def weighted_f1_per_label(decisions: Bools, gold: Floats, weights: Floats) -> Floats:
    """Return the F1 of each label under each row of weights: ``(S, N) -> (S, C)``."""
    chosen, true = decisions.astype(np.float32), gold.astype(np.float32)
    hit, decided, positive = weights @ (chosen * true), weights @ chosen, weights @ true  # (S, C)
    return ratio(2 * hit, decided + positive)


def quality_of_labels(
    scores: Floats,
    decisions: Bools,
    gold: Floats,
    labels: tuple[str, ...],
    *,
    brier: float,
    ece: float,
    thresholds: tuple[float, ...] | None = None,
    macro_f1_at_half: float | None = None,
    accuracy: float | None = None,
    jaccard: float | None = None,
    kappa: float,
    further: Mapping[str, float] | None = None,
) -> Quality:
    """Return everything that is reported of calibrated scores ``(N, C)``; what differs between kinds is given."""
    return Quality(
        macro_f1=macro_f1(decisions, gold),
        macro_f1_at_half=macro_f1_at_half,
        micro_f1=micro_f1(decisions, gold),
        accuracy=accuracy,
        brier=brier,
        brier_skill=mean_brier_skill(scores, gold),
        ece=ece,
        ece_above_tenth=ece_above_tenth(scores, gold),
        per_label=_by_label(scores, decisions, gold, thresholds, labels),
        labels_without_rows=int((gold.sum(axis=0) == 0).sum()),
        macro_f1_of_labels_with_rows=f1_of_labels_with_rows(decisions, gold),
        weighted_f1=weighted_f1(decisions, gold),
        exact_match=_exact(decisions, gold),
        jaccard=jaccard,
        cohen_kappa=kappa,
        further=further or {},
    )


def _exact(decisions: Bools, gold: Floats) -> float:
    return float((decisions == (gold > 0)).all(axis=1).mean())


def _by_label(
    scores: Floats, decisions: Bools, gold: Floats, thresholds: tuple[float, ...] | None, labels: tuple[str, ...]
) -> tuple[LabelQuality, ...]:
    columns = (
        precision_per_label(decisions, gold),
        recall_per_label(decisions, gold),
        f1_per_label(decisions, gold),
        gold.sum(axis=0),
        brier_per_label(scores, gold),
        brier_skill_per_label(scores, gold),
    )
    reliability = reliability_per_label(scores, gold)
    qualities = []
    for at, label in enumerate(labels):
        precision, recall, f1, support, error, skill = (float(column[at]) for column in columns)
        qualities.append(
            LabelQuality(
                label=label,
                precision=precision,
                recall=recall,
                f1=f1,
                support=int(support),
                threshold=None if thresholds is None else thresholds[at],
                brier=error,
                brier_skill=skill if np.isfinite(skill) else None,
                reliability=tuple(reliability[at]),
            )
        )
    return tuple(qualities)
