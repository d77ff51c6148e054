"""Two models on the same rows: the gain of one over the other, and their agreement. All pure.

`decisions` and `gold` are those of `distill.evaluation.decided.DecidedRows`: ``(N, C)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.bootstrap import SAMPLES, Bootstrap, interval, row_weights
from distill.evaluation.decided import DecidedRows, pooled
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluator import Evaluator
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Task

# the number of each row's group, ``(N,)``; None where every row stands for itself
Groups = NDArray[np.int32] | None


@dataclass(frozen=True)
class Agreement:
    """Share of rows, and of (row, label) cells, that two models decide alike."""

    rows: float
    cells: float


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FoldScores:
    """A model's headline out of fold: of all rows, with its interval, and of the rows of each fold."""

    all_rows: Estimate
    folds: tuple[float, ...]


def agreement(first: Bools, second: Bools) -> Agreement:
    """Return how often two models decide alike."""
    same = first == second
    return Agreement(rows=float(same.all(axis=1).mean()), cells=float(same.mean()))


def paired_bootstrap(
    evaluator: Evaluator,
    first: Sequence[Bools],
    second: Sequence[Bools],
    gold: Floats,
    groups: Groups = None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Return the mean headline of `first` minus that of `second` over resampled rows, or whole groups of them.

    Args:
        evaluator: the task's.
        first: decisions of one model, or of one per seed.
        second: those of the model, or models, to compare with, on the same rows.
        gold: 0/1.
        groups: the number of each row's group, ``(N,)``; rows of one conversation are not independent draws.
        samples: how often rows or groups are drawn.
        seed: of the draws.
    """
    weights = sample_weights(len(gold), groups, samples=samples, seed=seed)  # (S, N)
    resampled = [
        np.mean([evaluator.resampled(decisions, gold, weights) for decisions in models], axis=0)
        for models in (first, second)
    ]
    whole = [
        float(np.mean([evaluator.score(decisions, gold) for decisions in models])) for models in (first, second)
    ]
    return interval(whole[0] - whole[1], resampled[0] - resampled[1])


def estimate(
    evaluator: Evaluator,
    decisions: Bools,
    gold: Floats,
    groups: Groups = None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the headline with its 95 % interval over resampled rows, or over whole groups of them.

    Args:
        evaluator: the task's.
        decisions: ``(N, C)``.
        gold: 0/1, ``(N, C)``.
        groups: the number of each row's group, ``(N,)``; rows of one conversation are not independent draws.
        samples: how often rows or groups are drawn.
        seed: of the draws.
    """
    weights = sample_weights(len(gold), groups, samples=samples, seed=seed)  # (S, N)
    return estimate_under(weights, evaluator, decisions, gold)


def estimate_under(weights: Floats, evaluator: Evaluator, decisions: Bools, gold: Floats) -> Estimate:
    """Return the headline with its 95 % interval under draws ``(S, N)`` that several models share."""
    low, high = np.percentile(evaluator.resampled(decisions, gold, weights), [2.5, 97.5])
    return Estimate(evaluator.score(decisions, gold), float(low), float(high))


def sample_weights(rows: int, groups: Groups, *, samples: int = SAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each sample draws each row, ``(S, N)``; rows of one group are drawn together."""
    if groups is None:
        return row_weights(rows, samples=samples, seed=seed)
    _, number = np.unique(groups, return_inverse=True)
    return row_weights(int(number.max()) + 1, samples=samples, seed=seed)[:, number]


def fold_scores(evaluator: Evaluator, parts: Sequence[DecidedRows], groups: Groups, *, seed: int) -> FoldScores:
    """Return the headline of all folds' rows with its interval, and of each fold's.

    Args:
        evaluator: the task's.
        parts: the rows of each fold.
        groups: the number of each row's group, fold after fold; None where rows are drawn.
        seed: of the bootstrap.
    """
    whole = pooled(parts)
    return FoldScores(
        estimate(evaluator, whole.decisions, whole.gold, groups, seed=seed),
        tuple(evaluator.score(part.decisions, part.gold) for part in parts),
    )


def fidelity(variant: Logits, reference: Logits, decision: Decision, task: Task) -> dict[str, float]:
    """Flips and noise of raw logits against a reference, both ``(N, C)``.

    Args:
        variant: logits of the quantized graph.
        reference: logits of the student in fp32.
        decision: the variant's, applied to both, as the gate does.
        task: the kind and its labels.
    """
    flipped = decision.decide(variant, task) != decision.decide(reference, task)
    return {
        "label_flip_rate": float(flipped.mean()),
        "row_flip_rate": float(flipped.any(axis=1).mean()),
        "logit_noise": float((variant - reference).std()),
    }
