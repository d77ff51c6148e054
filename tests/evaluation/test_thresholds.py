"""Thresholds against trying every cut, floors against what they promise."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from distill.evaluation.metrics import macro_f1
from distill.evaluation.thresholds import (
    best_threshold,
    common_threshold,
    cuts_of,
    expected_f1_threshold,
    keep_precision,
    keep_recall,
    least_rows,
    tune_thresholds,
)
from distill.export.runtime.deciding.scores import sigmoid
from tests.support.drawn_cases import MULTI, cases

floors = st.sampled_from([0.1, 0.5, 0.57, 0.7, 0.8, 0.9])


@given(cases(MULTI))
def test_best_threshold_is_as_good_as_trying_every_cut(case):
    logits, gold, _ = case
    scores, true = sigmoid(logits)[:, 0], gold[:, 0]
    threshold = best_threshold(scores, true)
    assert 0 < threshold < 1

    def f1(at):
        return oracle.f1_score(true, scores >= at, zero_division=0)

    assert f1(threshold) == pytest.approx(max(f1(at) for at in scores))
    assert threshold not in scores or not true.any()


def test_best_threshold_tells_saturated_scores_apart():
    scores = np.array([0.99998, 0.99996, 2e-5, 1e-5], dtype=np.float32)
    for positives in (1, 3):
        gold = (np.arange(4) < positives).astype(np.float32)
        assert ((scores >= best_threshold(scores, gold)) == gold).all()


def test_best_threshold_without_a_choice_is_half():
    assert best_threshold(np.zeros(3, dtype=np.float32), np.array([1.0, 0.0, 1.0])) == 0.5
    assert best_threshold(np.array([0.2, 0.7]), np.zeros(2)) == 0.5


@given(cases(MULTI))
def test_shrinking_goes_from_own_thresholds_to_the_common_one(case):
    logits, gold, _ = case
    scores = sigmoid(logits)
    common = common_threshold(scores, gold)
    at_common = oracle.f1_score(gold, scores >= common, average="macro", zero_division=0)
    for at in (0.1, 0.3, 0.5, 0.9):
        assert at_common >= macro_f1(scores >= at, gold) - 1e-9
    own = tune_thresholds(scores, gold, towards=common, shrink=0.0)
    for label in np.flatnonzero(gold.sum(axis=0)):
        assert own[label] == pytest.approx(best_threshold(scores[:, label], gold[:, label]))
    assert np.allclose(own[gold.sum(axis=0) == 0], common)
    assert np.allclose(tune_thresholds(scores, gold, towards=common, shrink=1e12), common)
    half = tune_thresholds(scores, gold, towards=common, shrink=20.0)
    assert ((half > 0) & (half < 1)).all()
    positives = gold.sum(axis=0)
    assert np.allclose(half - common, (own - common) * positives / (positives + 20.0))


@pytest.mark.parametrize("shrink", [0.0, 1e-30])
def test_thresholds_stay_inside_where_every_row_has_a_label(shrink: float) -> None:
    """Its best threshold is below its lowest score, however low that is."""
    scores = np.array([[0.2, 1.0], [1e-20, 1.0], [3e-45, 1.0]], dtype=np.float32)
    gold = np.ones((3, 2), dtype=np.float32)
    for towards in (0.01, 0.5, np.array([0.9, 1e-9])):
        found = tune_thresholds(scores, gold, towards=towards, shrink=shrink)
        assert ((found > 0) & (found < 1)).all()
        assert (scores >= found).all()


def test_each_label_is_drawn_towards_its_own_target() -> None:
    rng = np.random.default_rng(1)
    scores, gold = rng.random((50, 3)), (rng.random((50, 3)) < 0.4).astype(np.float32)
    towards = np.array([0.1, 0.5, 0.9])
    assert np.allclose(tune_thresholds(scores, gold, towards=towards, shrink=1e12), towards)


@given(cases(MULTI))
def test_expected_f1_is_best_at_half_of_itself(case):
    """Lipton et al.: deciding at half the best expected F1 attains it; all cuts are tried here, one by one."""
    logits, _, _ = case
    scores = sigmoid(logits)[:, 0].astype(np.float64)
    threshold = expected_f1_threshold(scores)

    def expected_f1(at):
        return 2 * scores[scores >= at].sum() / ((scores >= at).sum() + scores.sum())

    best = max(expected_f1(at) for at in scores)
    assert threshold == pytest.approx(best / 2)
    assert expected_f1(min(threshold, scores.max())) == pytest.approx(best)


def test_expected_f1_of_certain_scores_is_one() -> None:
    assert expected_f1_threshold(np.array([1.0, 1.0, 0.0])) == pytest.approx(0.5)
    assert 0 < expected_f1_threshold(np.zeros(3)) < 1e-6


@given(cases(MULTI))
def test_cuts_are_every_decision_that_a_threshold_can_make(case):
    logits, gold, _ = case
    scores, true = sigmoid(logits)[:, 0], gold[:, 0]
    cuts = cuts_of(scores, true)
    assert len(cuts.thresholds) == len(set(scores.tolist()))
    for at, threshold in enumerate(cuts.thresholds):
        decided = scores >= threshold
        assert (cuts.decided[at], cuts.hits[at]) == (decided.sum(), true[decided].sum())
        assert cuts.f1[at] == pytest.approx(oracle.f1_score(true, decided, zero_division=0))
        assert cuts.precision[at] == pytest.approx(oracle.precision_score(true, decided, zero_division=0))
        assert cuts.recall[at] == pytest.approx(oracle.recall_score(true, decided, zero_division=0))


@given(cases(MULTI), floors, st.floats(0.01, 0.99))
def test_a_recall_floor_always_holds_and_costs_no_more_than_it_has_to(case, floor, tuned):
    logits, gold, _ = case
    scores, true = sigmoid(logits)[:, 0], gold[:, 0]
    assume(true.any())
    threshold = keep_recall(scores, true, floor, tuned)
    assert 0 < threshold <= tuned
    decided = scores >= threshold
    assert true[decided].sum() / true.sum() >= floor
    if threshold < tuned:  # one score less would be too few
        assert true[scores > scores[decided].min()].sum() / true.sum() < floor


@given(cases(MULTI), floors, st.floats(0.01, 0.99))
def test_a_precision_floor_holds_wherever_a_threshold_can_keep_it(case, floor, tuned):
    logits, gold, _ = case
    scores, true = sigmoid(logits)[:, 0], gold[:, 0]
    threshold, least = keep_precision(scores, true, floor, tuned), least_rows(floor)
    assert 0 < threshold < 1

    def precision(at):
        return true[scores >= at].sum(dtype=np.float64) / (scores >= at).sum()

    possible = [at for at in scores if (scores >= at).sum() >= least]
    if not possible:
        assert threshold == tuned
        return
    keeping = [at for at in possible if precision(at) >= floor]
    assert (scores >= threshold).sum() >= least
    if not keeping:
        assert precision(threshold) == pytest.approx(max(precision(at) for at in possible))
        return
    assert precision(threshold) >= floor
    if threshold != tuned:
        f1 = [oracle.f1_score(true, scores >= at, zero_division=0) for at in keeping]
        assert oracle.f1_score(true, scores >= threshold, zero_division=0) == pytest.approx(max(f1))


def test_rows_that_a_floor_needs() -> None:
    assert [least_rows(floor) for floor in (0.5, 0.8, 0.9, 0.95, 0.99)] == [2, 5, 10, 20, 100]


def test_a_recall_floor_that_no_threshold_reaches_is_missed_by_as_little_as_possible() -> None:
    """A score of exactly 0 is below every threshold that a manifest takes."""
    scores = np.array([0.9, 0.6, 0.3, 0.1, 0.0, 0.0], dtype=np.float32)
    gold = np.array([1, 0, 1, 1, 1, 0], dtype=np.float32)
    threshold = keep_recall(scores, gold, 0.9, 0.5)
    assert 0 < threshold < 0.1
    assert gold[scores >= threshold].sum() == 3
    assert keep_recall(scores, np.zeros(6), 0.9, 0.5) == 0.5
    assert keep_recall(np.zeros(6), gold, 0.9, 0.5) == 0.5


@pytest.mark.parametrize(("keep", "floor"), [(keep_recall, 0.9), (keep_precision, 0.5)])
def test_floors_are_kept_by_the_decisions_that_thresholds_really_make(keep, floor) -> None:
    """With a threshold between two neighbours in float32, whose middle float32 would round to the lower one."""
    true, high = np.array([1, 0, 0, 1], dtype=np.float32), np.float32(0.7)
    low = np.nextafter(high, np.float32(0))
    middle = (float(low) + float(high)) / 2
    if np.float32(middle) == high:
        high, low = low, np.nextafter(low, np.float32(0))
        middle = (float(low) + float(high)) / 2
    assert np.float32(middle) == low
    scores = np.array([0.9, 0.8, high, low], dtype=np.float32)
    decided = scores.astype(np.float64) >= keep(scores, true, floor, middle)
    whole = true.sum() if keep is keep_recall else decided.sum()
    assert true[decided].sum() / whole >= floor
