"""Errors of a model: pairs of labels against a loop, and F1 per label against scikit-learn, with intervals."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from distill.evaluation.comparison import sample_weights
from distill.evaluation.errors import Confusion, confusions, f1_estimates

LABELS = ("a", "b", "c")
CELLS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.just(3)))


@given(CELLS, st.randoms(use_true_random=False))
def test_confusions_are_those_of_a_loop(gold: np.ndarray, random: object) -> None:
    decisions = np.random.default_rng(random.randrange(99)).random(gold.shape) < 0.5
    expected: Counter[tuple[str | None, str | None]] = Counter()
    for row in range(len(gold)):
        missed = [LABELS[at] for at in range(3) if gold[row, at] and not decisions[row, at]]
        wrong = [LABELS[at] for at in range(3) if decisions[row, at] and not gold[row, at]]
        if missed or wrong:
            expected.update((a, b) for a in missed or [None] for b in wrong or [None])
    found = confusions(decisions, gold.astype(np.float32), LABELS, 99)
    assert {(pair.missed, pair.given): pair.rows for pair in found} == dict(expected)
    assert [pair.rows for pair in found] == sorted(expected.values(), reverse=True)
    assert confusions(decisions, gold.astype(np.float32), LABELS, 1) == found[:1]


def test_of_a_single_label_each_error_is_one_pair() -> None:
    gold, decisions = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]], np.eye(3, dtype=bool)[[1, 1, 1, 0]]
    assert confusions(decisions, gold, LABELS, 9) == (Confusion("a", "b", 2), Confusion("c", "a", 1))


def test_f1_is_scikit_learns_and_few_rows_have_wide_intervals() -> None:
    draw = np.random.default_rng(0)
    gold = draw.random((400, 3)) < (0.5, 0.3, 0.02)
    decisions = np.where(draw.random(gold.shape) < 0.2, ~gold, gold)
    found = f1_estimates(decisions, gold.astype(np.float32), sample_weights(400, None, seed=1))
    np.testing.assert_allclose([row.value for row in found], f1_score(gold, decisions, average=None))
    assert all(row.low < row.value < row.high for row in found)
    widths = [(row.high - row.low) / row.value for row in found]
    assert widths[0] < widths[1] < widths[2]
    groups = np.repeat(np.arange(20, dtype=np.int32), 20)
    assert f1_estimates(decisions, gold.astype(np.float32), sample_weights(400, groups, seed=1)) != found
