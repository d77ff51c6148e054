"""The errors of a model on test rows: labels that it takes for others, and F1 per label with its interval."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.evaluation.comparison import Estimate
from distill.evaluation.metrics import f1_per_label, weighted_f1_per_label
from distill.export.runtime.deciding.scores import Bools, Floats


@dataclass(frozen=True)
class Confusion:
    """Rows of which one label was missed and another given instead; None where there is no such label."""

    missed: str | None
    given: str | None
    rows: int


def confusions(decisions: Bools, gold: Floats, labels: Sequence[str], most: int) -> tuple[Confusion, ...]:
    """Return the most frequent errors, the most frequent first.

    A row with several missed or several wrong labels counts once for each pair of them.

    Args:
        decisions: ``(N, C)``.
        gold: 0/1, ``(N, C)``.
        labels: names by column.
        most: the number of pairs to return.
    """
    missed, wrong = (gold > 0) & ~decisions, decisions & ~(gold > 0)
    pairs: Counter[tuple[int, int]] = Counter()
    for row in np.flatnonzero((missed | wrong).any(axis=1)).tolist():
        for at in np.flatnonzero(missed[row]).tolist() or [-1]:
            for instead in np.flatnonzero(wrong[row]).tolist() or [-1]:
                pairs[at, instead] += 1
    names = {-1: None, **dict(enumerate(labels))}
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:most]
    return tuple(Confusion(names[at], names[instead], rows) for (at, instead), rows in ranked)


def f1_estimates(decisions: Bools, gold: Floats, weights: Floats) -> tuple[Estimate, ...]:
    """Return the F1 of each label with its 95 % interval over resampled rows.

    Args:
        decisions: ``(N, C)``.
        gold: 0/1, ``(N, C)``.
        weights: how often each sample draws each row, ``(S, N)``.
    """
    low, high = np.percentile(weighted_f1_per_label(decisions, gold, weights), [2.5, 97.5], axis=0)
    rows = zip(f1_per_label(decisions, gold).tolist(), low.tolist(), high.tolist(), strict=True)
    return tuple(Estimate(*row) for row in rows)
