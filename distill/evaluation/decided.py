"""Rows with their scores, decisions and gold: what every metric is computed from. All pure.

The rows of a test split are decided by one model. Of a corpus in folds every row is decided by the model that did
not see its fold (Stone 1974, "Cross-validatory choice and assessment of statistical predictions").
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.evaluation.decision import Decision, Logits
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy, Task


@dataclass(frozen=True)
class DecidedRows:
    """Calibrated scores, decisions and gold of N rows, all ``(N, C)``.

    `confidence` is how sure each decision is, `answered` is False where the abstention rule withholds it, both
    ``(N,)``. `possible` are the labels in each prediction set, ``(N, C)``; None where there are no sets.
    """

    scores: Floats
    decisions: Bools
    gold: Floats
    confidence: Floats
    answered: Bools
    possible: Bools | None = None


def decided_rows(scores: Floats, gold: Floats, policy: Policy, task: Task) -> DecidedRows:
    """Return rows as a policy decides them, from their calibrated scores ``(N, C)``."""
    decisions = task.decide(scores, policy)
    confidence, below = task.confidence(scores, decisions), policy.abstain_below
    return DecidedRows(scores, decisions, gold, confidence, confidence >= (0.0 if below is None else below))


def decided_logits(logits: Logits, gold: Floats, decision: Decision, task: Task) -> DecidedRows:
    """Return rows as a model's decision decides them, from its raw logits ``(N, K)``."""
    rows = decided_rows(decision.scores(logits, task), gold, decision.policy, task)
    if decision.sets is None:
        return rows
    return replace(rows, possible=task.possible_mask(decision.sets.held_mask(rows.scores, rows.decisions)))


def pooled(parts: Sequence[DecidedRows]) -> DecidedRows:
    """Return the rows of several parts one after the other."""
    possible = [part.possible for part in parts if part.possible is not None]
    return DecidedRows(
        scores=np.concatenate([part.scores for part in parts]),
        decisions=np.concatenate([part.decisions for part in parts]),
        gold=np.concatenate([part.gold for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        answered=np.concatenate([part.answered for part in parts]),
        possible=np.concatenate(possible) if len(possible) == len(parts) else None,
    )
