"""Decisions of the recipe's policies on validation: what they promise, and that they survive their record."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.evaluation.decided import decided_logits
from distill.evaluation.decision import Decision
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import precision_per_label, recall_per_label
from distill.evaluation.thresholds import expected_f1_threshold
from distill.recipe.shipping import DecisionsRecipe
from tests.evaluation.test_calibration import MULTI, SINGLE, drawn


@pytest.mark.parametrize("calibration", ["temperature", "platt", "platt-per-label", "none"])
def test_decisions_follow_calibrated_scores_and_survive_their_record(
    calibration: Literal["temperature", "platt", "platt-per-label", "none"],
) -> None:
    logits, gold = drawn(MULTI, np.array([0.5, 0.8, 1.2]), -1.0, rows=500)
    policy = DecisionsRecipe(calibration=calibration, abstain_coverage=0.8)
    decision = evaluator_of(MULTI).fit(logits, gold, policy)
    assert Decision.from_dict(decision.to_dict()) == decision
    calibrated = logits * np.array(decision.scale, dtype=np.float32) + np.array(decision.bias, dtype=np.float32)
    by_hand = 1 / (1 + np.exp(-calibrated.astype(np.float64))) >= np.array(decision.thresholds)
    assert (decision.decide(logits, MULTI) == by_hand).mean() > 0.999
    alike = len(set(zip(decision.scale, decision.bias, strict=True))) == 1
    assert alike == (calibration != "platt-per-label")


def test_multi_label_is_calibrated_by_label_and_single_label_by_temperature() -> None:
    multi, single = drawn(MULTI, 0.5, -1.0, rows=500), drawn(SINGLE, 2.0, 0.0, rows=500)
    by_label = evaluator_of(MULTI).fit(*multi, DecisionsRecipe(calibration="platt-per-label"))
    assert evaluator_of(MULTI).fit(*multi, DecisionsRecipe()) == by_label
    decision = evaluator_of(SINGLE).fit(*single, DecisionsRecipe())
    assert decision == evaluator_of(SINGLE).fit(*single, DecisionsRecipe(calibration="temperature"))
    assert decision.bias == (0.0, 0.0, 0.0)


def test_infinite_shrink_is_the_common_platt() -> None:
    logits, gold = drawn(MULTI, np.array([0.5, 0.8, 1.2]), -1.0, rows=300)
    far = evaluator_of(MULTI).fit(logits, gold, DecisionsRecipe(calibration_shrink=1e15))
    common = evaluator_of(MULTI).fit(logits, gold, DecisionsRecipe(calibration="platt"))
    assert far.scale == pytest.approx(common.scale)
    assert far.bias == pytest.approx(common.bias)


def test_thresholds_are_drawn_towards_what_the_recipe_says() -> None:
    logits, gold = drawn(MULTI, np.array([0.5, 0.8, 1.2]), -2.0, rows=300)
    common = evaluator_of(MULTI).fit(logits, gold, DecisionsRecipe(threshold_shrink=1e15))
    assert common.thresholds == pytest.approx((common.thresholds or (0.0,))[0:1] * 3)
    expected = evaluator_of(MULTI).fit(
        logits, gold, DecisionsRecipe(threshold_shrink=1e15, threshold_towards="expected-f1")
    )
    scores = expected.scores(logits, MULTI)
    assert expected.thresholds == pytest.approx([expected_f1_threshold(scores[:, label]) for label in range(3)])


def test_a_single_label_is_the_highest_whatever_the_calibration() -> None:
    logits, gold = drawn(SINGLE, 2.0, 0.0, rows=500)
    decision = evaluator_of(SINGLE).fit(logits, gold, DecisionsRecipe())
    assert decision.thresholds is None
    assert (decision.decide(logits, SINGLE).argmax(axis=1) == logits.argmax(axis=1)).all()
    rows = decided_logits(logits, gold, decision, SINGLE)
    right = float((logits.argmax(axis=1) == gold.argmax(axis=1)).mean())
    assert evaluator_of(SINGLE).evaluate(rows, decision.policy).accuracy == pytest.approx(right)


floors = st.sampled_from([0.5, 0.75, 0.9, 0.95])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), floors, floors, st.sampled_from(["common", "expected-f1"]))
def test_floors_hold_on_validation(seed: int, recall: float, precision: float, towards: Any) -> None:
    rng = np.random.default_rng(seed)
    gold = (rng.random((120, 3)) < 0.4).astype(np.float32)
    # a model that is sometimes wrong, and certain of its best 20 rows of the label `b`
    logits = (gold * 2 - 1 + rng.normal(0, 1.5, gold.shape)).astype(np.float32)
    sure = np.flatnonzero(gold[:, 1])[:20]
    logits[sure, 1] = 9 + rng.random(len(sure))
    policy = DecisionsRecipe(
        recall_floor={"c": recall}, precision_floor={"b": precision}, threshold_towards=towards
    )
    decision = evaluator_of(MULTI).fit(logits, gold, policy)
    decided = decision.decide(logits, MULTI)
    assert recall_per_label(decided, gold)[2] >= recall
    assert precision_per_label(decided, gold)[1] >= precision
    plain = evaluator_of(MULTI).fit(logits, gold, DecisionsRecipe(threshold_towards=towards))
    assert decision.thresholds is not None
    assert plain.thresholds is not None
    assert decision.thresholds[0] == plain.thresholds[0]
    assert decision.thresholds[2] <= plain.thresholds[2]


@pytest.mark.parametrize("task", [MULTI, SINGLE])
def test_the_rule_to_abstain_answers_its_share_of_validation(task: Any) -> None:
    logits, gold = drawn(task, 0.7, 0.0, rows=1000)
    assert evaluator_of(task).fit(logits, gold, DecisionsRecipe()).abstain_below is None
    assert evaluator_of(task).fit(logits, gold, DecisionsRecipe(abstain_below=0.4)).abstain_below == 0.4
    decision = evaluator_of(task).fit(logits, gold, DecisionsRecipe(abstain_coverage=0.9))
    scores = decision.scores(logits, task)
    confidence = task.confidence(scores, decision.decide(logits, task))
    assert decision.abstain_below is not None
    assert (confidence >= decision.abstain_below).sum() == 900
