"""Rows with their scores, decisions and gold: what every metric is computed from. All pure.

The rows of a test split are decided by one model. Of a corpus in folds every row is decided by the model that did
not see its fold (Stone 1974, "Cross-validatory choice and assessment of statistical predictions").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.evaluation.decision import Decision, Logits
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy, Task


@dataclass(frozen=True)
class DecidedRows:
    """Calibrated scores, decisions and gold of N rows, all ``(N, C)``.

    `confidence` is how sure each decision is, `answered` is False where the abstention rule withholds it, both
    ``(N,)``.
    """

    scores: Floats
    decisions: Bools
    gold: Floats
    confidence: Floats
    answered: Bools


def decided_rows(scores: Floats, gold: Floats, policy: Policy, task: Task) -> DecidedRows:
    """Return rows as a policy decides them, from their calibrated scores ``(N, C)``."""
    decisions = task.decide(scores, policy)
    confidence, below = task.confidence(scores, decisions), policy.abstain_below
    return DecidedRows(scores, decisions, gold, confidence, confidence >= (0.0 if below is None else below))


def decided_logits(logits: Logits, gold: Floats, decision: Decision, task: Task) -> DecidedRows:
    """Return rows as a model's decision decides them, from its raw logits ``(N, K)``."""
    return decided_rows(decision.scores(logits, task), gold, decision.policy, task)


def pooled(parts: Sequence[DecidedRows]) -> DecidedRows:
    """Return the rows of several parts one after the other."""
    return DecidedRows(
        scores=np.concatenate([part.scores for part in parts]),
        decisions=np.concatenate([part.decisions for part in parts]),
        gold=np.concatenate([part.gold for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        answered=np.concatenate([part.answered for part in parts]),
    )
