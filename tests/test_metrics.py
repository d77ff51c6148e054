"""Metrics against scikit-learn, brute force and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from corpora.metrics import (
    accuracy,
    best_threshold,
    brier,
    common_threshold,
    decide,
    ece,
    evaluate,
    f1_per_label,
    macro_f1,
    micro_f1,
    precision_per_label,
    recall_per_label,
    reliability_bins,
    scores_of,
    sigmoid,
    softmax,
    tune_thresholds,
)
from corpora.task import TaskKind

SINGLE, MULTI = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL


@st.composite
def cases(draw, kind=None, max_rows=40):
    """Logits, gold and kind; coarse logits, so that equal scores occur."""
    kind = kind or draw(st.sampled_from([SINGLE, MULTI]))
    rows, labels = draw(st.integers(1, max_rows)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.integers(-6, 7, (rows, labels)).astype(np.float32) / 2
    if kind is SINGLE:
        gold = np.eye(labels, dtype=np.float32)[rng.integers(0, labels, rows)]
    else:
        gold = (rng.random((rows, labels)) < draw(st.sampled_from([0.0, 0.1, 0.5]))).astype(np.float32)
    return logits, gold, kind


@given(cases())
def test_f1_precision_recall_and_accuracy_match_scikit_learn(case):
    logits, gold, kind = case
    thresholds = None if kind is SINGLE else np.full(gold.shape[1], 0.5)
    decisions = decide(scores_of(logits, kind), thresholds, kind)
    for ours, theirs in (
        (f1_per_label, oracle.f1_score),
        (precision_per_label, oracle.precision_score),
        (recall_per_label, oracle.recall_score),
    ):
        assert np.allclose(ours(decisions, gold), theirs(gold, decisions, average=None, zero_division=0))
    assert macro_f1(decisions, gold) == pytest.approx(
        oracle.f1_score(gold, decisions, average="macro", zero_division=0)
    )
    assert micro_f1(decisions, gold) == pytest.approx(
        oracle.f1_score(gold, decisions, average="micro", zero_division=0)
    )
    assert accuracy(decisions, gold) == pytest.approx(oracle.accuracy_score(gold, decisions))


@given(cases())
def test_scores_are_probabilities_and_decisions_follow_them(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind)
    assert scores.dtype == logits.dtype
    assert ((scores >= 0) & (scores <= 1)).all()
    if kind is SINGLE:
        assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
        decisions = decide(scores, None, kind)
        assert (decisions.sum(axis=1) == 1).all()
        assert (decisions.argmax(axis=1) == logits.argmax(axis=1)).all()
    else:
        assert (decide(scores, np.full(gold.shape[1], 0.5), kind) == (logits >= 0)).all()


def test_activations_do_not_overflow():
    extreme = np.array([[-1e4, 0.0, 1e4]], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        assert sigmoid(extreme).tolist() == [[0.0, 0.5, 1.0]]
        assert softmax(extreme).tolist() == [[0.0, 0.0, 1.0]]


def test_a_multi_label_task_needs_thresholds():
    with pytest.raises(ValueError, match="thresholds"):
        decide(np.zeros((1, 2)), None, MULTI)


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
    own = tune_thresholds(scores, gold, shrink=0.0)
    for label in np.flatnonzero(gold.sum(axis=0)):
        assert own[label] == pytest.approx(best_threshold(scores[:, label], gold[:, label]))
    assert np.allclose(own[gold.sum(axis=0) == 0], common)
    assert np.allclose(tune_thresholds(scores, gold, shrink=1e12), common)
    half = tune_thresholds(scores, gold, shrink=20.0)
    assert ((half > 0) & (half < 1)).all()
    positives = gold.sum(axis=0)
    assert np.allclose(half - common, (own - common) * positives / (positives + 20.0))


@given(cases())
def test_brier_matches_scikit_learn(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind)
    per_label = [np.mean((gold[:, i] - scores[:, i].astype(np.float64)) ** 2) for i in range(gold.shape[1])]
    one = oracle.brier_score_loss(np.r_[gold[:, 0], 0, 1], np.r_[scores[:, 0], 0, 1]) * (len(gold) + 2)
    assert one / len(gold) == pytest.approx(per_label[0], abs=1e-6)
    expected = sum(per_label) if kind is SINGLE else np.mean(per_label)
    assert brier(scores, gold, kind) == pytest.approx(expected, abs=1e-6)


@given(cases(), st.integers(1, 20))
def test_ece_matches_a_slow_loop(case, bins):
    logits, gold, kind = case
    scores = scores_of(logits, kind).astype(np.float64)
    if kind is SINGLE:
        cells = [(row.max(), true[row.argmax()]) for row, true in zip(scores, gold, strict=True)]
    else:
        cells = list(zip(scores.ravel(), gold.ravel(), strict=True))
    expected = 0.0
    for at in range(bins):
        inside = [(s, g) for s, g in cells if at == min(int(s * bins), bins - 1)]
        if inside:
            expected += abs(sum(s for s, _ in inside) - sum(g for _, g in inside)) / len(cells)
    assert ece(scores, gold, kind, bins) == pytest.approx(expected, abs=1e-9)
    assert sum(count for _, _, count in reliability_bins(scores, gold, kind, bins)) == len(cells)


def test_ece_of_scores_that_keep_their_word_is_zero():
    scores = np.array([[0.25], [0.25], [0.25], [0.25]])
    gold = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert ece(scores, gold, MULTI) == 0
    assert ece(1 - scores, gold, MULTI) == pytest.approx(0.5)


def test_evaluate_reports_multi_label_quality():
    logits = np.array([[2.0, -2.0], [2.0, -2.0], [-2.0, 0.5]])
    gold = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    quality = evaluate(scores_of(logits, MULTI), gold, np.array([0.5, 0.7]), MULTI, ("a", "b"))
    assert quality.accuracy is None
    assert quality.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert quality.macro_f1_at_half == pytest.approx((2 / 3 + 2 / 3) / 2)
    first, second = quality.to_dict()["per_label"]
    assert first == {
        "label": "a",
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
        "threshold": 0.5,
    }
    assert (second["support"], second["threshold"], second["f1"]) == (2, 0.7, 0.0)


def test_evaluate_reports_single_label_quality():
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    gold = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    quality = evaluate(scores_of(logits, SINGLE), gold, None, SINGLE, ("a", "b"))
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.macro_f1_at_half is None
    assert [row.threshold for row in quality.per_label] == [None, None]
    assert quality.micro_f1 == pytest.approx(quality.accuracy)
