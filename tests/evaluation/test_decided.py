"""Rows of several folds, each as its own model decides them, as if one model had decided them all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.comparison import estimate
from distill.evaluation.decided import decided_rows, pooled
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.selective import evaluate_selective
from distill.export.runtime.deciding.task import Policy
from tests.support.drawn_cases import MULTI, ORDINAL, SINGLE, cases, scores_of, task_for


@given(cases() | cases(ORDINAL), st.integers(0, 50), st.floats(0.05, 0.95))
def test_parts_under_one_policy_are_the_whole(case, cut, below):
    logits, gold, kind = case
    scores, task = scores_of(logits, kind), task_for(kind, gold.shape[1])
    policy = Policy((0.5,) * task.num_thresholds or None, below)
    whole = decided_rows(scores, gold, policy, task)
    cut %= len(gold) + 1
    ends = [(0, cut), (cut, len(gold))]
    parts = pooled([decided_rows(scores[a:b], gold[a:b], policy, task) for a, b in ends if b > a])
    evaluator = evaluator_of(task)
    assert evaluator.evaluate(parts, policy) == evaluator.evaluate(whole, policy)
    assert evaluate_selective(parts, evaluator, below) == evaluate_selective(whole, evaluator, below)


def test_each_part_keeps_the_decisions_of_its_own_policy():
    task, scores = task_for(MULTI, 1), np.array([[0.4], [0.6]])
    gold = np.array([[1.0], [1.0]], dtype=np.float32)
    low, high = (decided_rows(scores, gold, Policy((bound,)), task) for bound in (0.3, 0.7))
    quality = evaluator_of(task).evaluate(pooled([low, high]), Policy((0.3,)))
    assert quality.per_label[0].recall == pytest.approx(0.5)


def test_an_interval_over_groups_draws_whole_groups():
    """Against a bootstrap that picks groups one by one; groups that are all right or all wrong widen it."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(12), 10).astype(np.int32)
    gold = np.eye(2, dtype=np.float32)[rng.integers(2, size=120)]
    right = np.repeat(rng.random(12) < 0.7, 10)
    decisions = np.where(right[:, None], gold > 0, gold == 0)
    evaluator = evaluator_of(task_for(SINGLE, 2))
    drawn = []
    for _ in range(2000):
        picked = np.concatenate([np.flatnonzero(groups == group) for group in rng.integers(12, size=12)])
        drawn.append(evaluator.score(decisions[picked], gold[picked]))
    by_group = estimate(evaluator, decisions, gold, groups, samples=2000)
    by_row = estimate(evaluator, decisions, gold, samples=2000)
    assert by_group.value == by_row.value == pytest.approx(evaluator.score(decisions, gold))
    assert [by_group.low, by_group.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.03)
    assert by_group.high - by_group.low > 1.5 * (by_row.high - by_row.low)
