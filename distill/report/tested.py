"""The rows that models are compared on: headlines with their intervals, and what the bundle gets wrong."""

from collections.abc import Mapping

from distill.artifacts.report import TestedRows
from distill.evaluation.comparison import Groups, estimate_under, sample_weights
from distill.evaluation.errors import confusions, f1_estimates
from distill.evaluation.evaluator import Evaluator
from distill.export.runtime.deciding.scores import Bools, Floats

CONFUSIONS = 15


def tested_rows(
    decisions: Mapping[str, Bools],
    ships: str,
    gold: Floats,
    evaluator: Evaluator,
    groups: Groups,
    *,
    seed: int,
) -> TestedRows:
    """Return what the tested rows say.

    Args:
        decisions: of every model by name, ``(N, C)``.
        ships: the name of the one in the bundle.
        gold: 0/1, ``(N, C)``.
        evaluator: the task's.
        groups: the number of each row's group, where there are groups.
        seed: of the bootstrap.
    """
    labels, weights = evaluator.task.labels, sample_weights(len(gold), groups, seed=seed)
    return TestedRows(
        rows=len(gold),
        resampled="rows" if groups is None else "groups",
        headline={name: estimate_under(weights, evaluator, decided, gold) for name, decided in decisions.items()},
        label_f1=f1_estimates(decisions[ships], gold, weights),
        confusions=confusions(decisions[ships], gold, labels, CONFUSIONS),
    )
