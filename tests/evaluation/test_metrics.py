"""Metrics against scikit-learn, brute force and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics as oracle

from distill.evaluation.decided import decided_rows
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import (
    accuracy,
    cohen_kappa,
    f1_of_labels_with_rows,
    f1_per_label,
    jaccard,
    macro_f1,
    mean_label_kappa,
    micro_f1,
    precision_per_label,
    recall_per_label,
    weighted_f1,
)
from distill.export.runtime.deciding.scores import sigmoid, softmax
from distill.export.runtime.deciding.task import Policy
from tests.support.drawn_cases import MULTI, SINGLE, cases, decide, scores_of, task_for


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
def test_weighted_f1_jaccard_and_kappa_match_scikit_learn(case):
    logits, gold, kind = case
    decisions = decide(scores_of(logits, kind), None if kind is SINGLE else np.full(gold.shape[1], 0.5), kind)
    assert weighted_f1(decisions, gold) == pytest.approx(
        oracle.f1_score(gold, decisions, average="weighted", zero_division=0)
    )
    assert jaccard(decisions, gold) == pytest.approx(
        oracle.jaccard_score(gold, decisions, average="samples", zero_division=1)
    )
    some = np.flatnonzero(gold.sum(axis=0))
    expected = oracle.f1_score(gold, decisions, average="macro", labels=some, zero_division=0) if len(some) else 0
    assert f1_of_labels_with_rows(decisions, gold) == pytest.approx(expected)
    with np.errstate(invalid="ignore"):
        if kind is SINGLE:
            found = oracle.cohen_kappa_score(gold.argmax(axis=1), decisions.argmax(axis=1))
            assert cohen_kappa(decisions, gold) == pytest.approx(np.nan_to_num(found))
        pairs = zip(gold.T, decisions.T, strict=True)
        kappas = np.array([oracle.cohen_kappa_score(true, chosen) for true, chosen in pairs])
    kappas = kappas[np.isfinite(kappas)]
    assert mean_label_kappa(decisions, gold) == pytest.approx(kappas.mean() if len(kappas) else 0.0)


def test_labels_without_rows_are_counted_and_the_others_have_a_mean_of_their_own():
    gold = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    scores = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]], dtype=np.float32)
    task = task_for(SINGLE, 3)
    quality = evaluator_of(task).evaluate(decided_rows(scores, gold, Policy(), task), Policy())
    assert quality.labels_without_rows == 1
    assert quality.macro_f1_of_labels_with_rows == pytest.approx(quality.macro_f1 * 3 / 2)
    assert (quality.exact_match, quality.jaccard) == (0.75, None)
    assert quality.cohen_kappa == pytest.approx(0.5)


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


def test_evaluate_reports_multi_label_quality():
    logits = np.array([[2.0, -2.0], [2.0, -2.0], [-2.0, 0.5]])
    gold = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    task, policy = task_for(MULTI, 2), Policy((0.5, 0.7))
    quality = evaluator_of(task).evaluate(decided_rows(scores_of(logits, MULTI), gold, policy, task), policy)
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
        "brier": pytest.approx(quality.per_label[0].brier),
        "brier_skill": pytest.approx(1 - quality.per_label[0].brier / (1 / 3 * 2 / 3)),
        "reliability": (
            (pytest.approx(0.1192, abs=1e-4), 0.0, 1),
            (pytest.approx(0.8808, abs=1e-4), 0.5, 2),
        ),
    }
    squares = (scores_of(logits, MULTI) - gold)[:, 0] ** 2
    assert first["brier"] == pytest.approx(squares.mean())
    assert quality.brier_skill == pytest.approx((first["brier_skill"] + second["brier_skill"]) / 2)
    assert (second["support"], second["threshold"], second["f1"]) == (2, 0.7, 0.0)


def test_evaluate_reports_single_label_quality():
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    gold = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    task = task_for(SINGLE, 2)
    quality = evaluator_of(task).evaluate(decided_rows(scores_of(logits, SINGLE), gold, Policy(), task), Policy())
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.macro_f1_at_half is None
    assert [row.threshold for row in quality.per_label] == [None, None]
    assert quality.micro_f1 == pytest.approx(quality.accuracy)
