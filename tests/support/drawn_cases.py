"""Logits and gold that hypothesis draws, for tests of metrics, thresholds and reliability."""

import numpy as np
from hypothesis import strategies as st

from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.deciding.tasks import task_of

SINGLE, MULTI, ORDINAL = "single_label", "multi_label", "ordinal"


def task_for(kind: str, num_labels: int) -> Task:
    """A task of this kind with so many labels."""
    return task_of(kind, tuple("abcdefgh"[:num_labels]))


def scores_of(logits, kind):
    """A kind's scores of logits ``(N, C)``."""
    return task_for(kind, logits.shape[1]).scores(logits)


def decide(scores, thresholds, kind):
    """A kind's decisions on scores ``(N, C)``."""
    policy = Policy(None if thresholds is None else tuple(map(float, thresholds)))
    return task_for(kind, scores.shape[1]).decide(scores, policy)


@st.composite
def cases(draw, kind=None, max_rows=40):
    """Logits, gold and kind; coarse logits, so that equal scores occur."""
    kind = kind or draw(st.sampled_from([SINGLE, MULTI]))
    rows, labels = draw(st.integers(1, max_rows)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.integers(-6, 7, (rows, labels)).astype(np.float32) / 2
    if kind in (SINGLE, ORDINAL):
        gold = np.eye(labels, dtype=np.float32)[rng.integers(0, labels, rows)]
    else:
        gold = (rng.random((rows, labels)) < draw(st.sampled_from([0.0, 0.1, 0.5]))).astype(np.float32)
    return logits, gold, kind
