"""Confidence, risk and coverage against closed forms and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.decided import decided_rows
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1
from distill.evaluation.selective import (
    area_under,
    curve_points,
    cutoff_for,
    evaluate_selective,
    risk_curve,
)
from distill.export.runtime.deciding.task import Policy
from tests.support.drawn_cases import MULTI, ORDINAL, SINGLE, cases, decide, scores_of, task_for

levels = st.lists(st.integers(1, 8).map(lambda n: n / 8), min_size=1, max_size=40)


def test_confidence_of_many_labels_is_the_chance_of_the_exact_set() -> None:
    rng = np.random.default_rng(5)
    scores = np.array([[0.9, 0.2, 0.4]])
    decided = scores >= 0.3
    drawn = (rng.random((200_000, 3)) < scores) == decided
    assert task_for(MULTI, 3).confidence(scores, decided)[0] == pytest.approx(0.9 * 0.8 * 0.4)
    assert drawn.all(axis=1).mean() == pytest.approx(0.9 * 0.8 * 0.4, abs=0.005)


@given(cases(SINGLE))
def test_confidence_of_one_label_is_its_score(case):
    logits, _, kind = case
    scores, task = scores_of(logits, kind), task_for(kind, logits.shape[1])
    assert task.confidence(scores, decide(scores, None, kind)).tolist() == scores.max(axis=1).tolist()


@given(levels, st.floats(0.01, 0.99))
def test_a_cutoff_answers_at_least_its_coverage_and_no_level_more(values, coverage):
    confidence = np.array(values)
    below = cutoff_for(confidence, coverage)
    assert 0 < below < 1
    answered = confidence[confidence >= below]
    assert len(answered) >= coverage * len(values) - 1e-9
    if (confidence > answered.min()).any():
        assert (confidence > answered.min()).sum() < coverage * len(values)


@given(levels, st.randoms())
def test_the_curve_matches_a_slow_loop_and_knows_no_order_of_equals(values, random):
    rows = [(value, random.random() < 0.5) for value in values]
    confidence, wrong = np.array([c for c, _ in rows]), np.array([w for _, w in rows])
    curve = risk_curve(confidence, wrong)
    assert curve[-1] == pytest.approx(wrong.mean())
    for k in range(1, len(rows) + 1):
        last = sorted(values, reverse=True)[k - 1]
        above = [w for c, w in rows if c > last]
        level = [w for c, w in rows if c == last]
        expected = (sum(above) + (k - len(above)) * sum(level) / len(level)) / k
        assert curve[k - 1] == pytest.approx(expected)
    random.shuffle(rows)
    shuffled = risk_curve(np.array([c for c, _ in rows]), np.array([w for _, w in rows]))
    assert curve == pytest.approx(shuffled)
    points = curve_points(curve, 7)
    assert points[-1] == (1.0, pytest.approx(curve[-1]))
    assert [c for c, _ in points] == sorted({c for c, _ in points})


def test_the_area_is_lowest_where_confidence_tells_right_from_wrong() -> None:
    confidence, wrong = np.arange(10) / 10, np.arange(10) < 4
    best = area_under(risk_curve(confidence, wrong))
    assert best == pytest.approx(sum((k - 6) / k for k in range(7, 11)) / 10)
    assert area_under(risk_curve(-confidence, wrong)) > area_under(risk_curve(np.zeros(10), wrong)) > best


@given(cases() | cases(ORDINAL), st.floats(0.05, 0.95))
def test_what_is_reported_under_a_rule_is_of_the_answered_rows(case, below):
    logits, gold, kind = case
    scores = scores_of(logits, kind)
    evaluator = evaluator_of(task_for(kind, gold.shape[1]))
    task = evaluator.task
    thresholds = (0.5,) * task.num_thresholds or None
    decided = task.decide(scores, Policy(thresholds))
    confidence = task.confidence(scores, decided)
    rows = decided_rows(scores, gold, Policy(thresholds, below), task)
    found = evaluate_selective(rows, evaluator, below)
    answered = confidence >= below
    assert found.coverage == pytest.approx(answered.mean())
    if answered.any():
        wrong = [(d != (g > 0)).any() for d, g in zip(decided[answered], gold[answered], strict=True)]
        assert found.selective_risk == pytest.approx(np.mean(wrong))
        assert found.selective_macro_f1 == pytest.approx(macro_f1(decided[answered], gold[answered]))
        assert found.answered_headline == pytest.approx(evaluator.score(decided[answered], gold[answered]))
    else:
        assert (found.selective_risk, found.selective_macro_f1, found.answered_headline) == (None, None, None)
    free = evaluate_selective(decided_rows(scores, gold, Policy(thresholds), task), evaluator, None)
    assert (free.coverage, free.selective_risk) == (1.0, pytest.approx(free.risk))
