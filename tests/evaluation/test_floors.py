"""Floors that cannot be shown or kept are sentences with label, bound and remedy."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distill.evaluation.decision import Decision
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import KeptFloor, check_floors, check_kept, measure_floors, require_kept
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.recipe.shipping import DecisionsRecipe

TASK = MultiLabel(("joy", "grief"))
GOLD = np.array([[1, 1]] * 10 + [[1, 0]] * 10 + [[0, 0]] * 20, dtype=np.float32)
# joy: 18 of 20 found, nothing else decided; grief: 6 of 10, and 2 of 8 decided are wrong
PLAIN = Decision((1.0, 1.0), (0.0, 0.0), (0.5, 0.5))
DECIDED = np.array([[1, 1]] * 6 + [[1, 0]] * 12 + [[0, 1]] * 2 + [[0, 0]] * 20, dtype=bool)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            DecisionsRecipe(recall_floor={"jay": 0.9}),
            "decisions.recall_floor: The label 'jay' is unknown. The labels are",
        ),
        (DecisionsRecipe(precision_floor={"jay": 0.9}), "decisions.precision_floor: The label 'jay' is unknown"),
        (
            DecisionsRecipe(recall_floor={"grief": 0.95}),
            "'grief' has 10 validation rows, and 0.95 cannot be shown with fewer than 20. Lower the floor",
        ),
        (DecisionsRecipe(precision_floor={"joy": 0.99}), "0.99 cannot be shown with fewer than 100"),
    ],
)
def test_a_floor_that_cannot_be_shown_is_refused_before_training(policy: DecisionsRecipe, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_floors(policy, evaluator_of(TASK), GOLD)
    assert said in str(caught.value)


def test_floors_that_can_be_shown_are_not_refused() -> None:
    check_floors(DecisionsRecipe(recall_floor={"joy": 0.95, "grief": 0.9}), evaluator_of(TASK), GOLD)
    check_floors(DecisionsRecipe(), evaluator_of(TASK), GOLD)


def test_what_validation_and_test_give_is_reported() -> None:
    policy = DecisionsRecipe(recall_floor={"joy": 0.9}, precision_floor={"grief": 0.8})
    recall, precision = measure_floors(
        policy, evaluator_of(TASK), PLAIN, {"validation": (DECIDED, GOLD), "test": (GOLD > 0, GOLD)}
    )
    assert (recall.metric, recall.validation, recall.test, recall.missing) == ("recall", 0.9, 1.0, 0.0)
    assert (precision.validation, precision.test) == (0.75, 1.0)
    assert precision.missing == pytest.approx(0.05)


def test_a_missed_floor_fails_the_gate_and_the_student() -> None:
    policy = DecisionsRecipe(recall_floor={"joy": 0.9}, precision_floor={"grief": 0.8})
    kept, missed = check_kept(policy, evaluator_of(TASK), PLAIN, DECIDED, GOLD)
    assert kept.passed
    assert not missed.passed
    assert "precision of 0.8 for 'grief'" in missed.name
    floor = KeptFloor("grief", "precision", floor=0.8, validation=0.75, test=1.0)
    with pytest.raises(CheckFailedError) as caught:
        require_kept([floor], PLAIN)
    assert str(caught.value).startswith("decisions.precision_floor: The best precision that the student reaches")
    assert "'grief' on validation is 0.750, below 0.8. Lower the floor" in str(caught.value)
    require_kept([replace(floor, validation=0.8)], PLAIN)


CERTIFIED = {"at_least": 0.95, "confidence": 0.9}


@pytest.mark.parametrize(
    ("policy", "groups", "said"),
    [
        (
            {"recall_floor": {"grief": CERTIFIED}},
            None,
            "decisions.recall_floor: 'grief' has 5 validation rows that certify, and 0.95 cannot be certified at "
            "a confidence of 0.9 with fewer than 45. With 5 at most 0.630 can be. Lower the floor",
        ),
        (
            # each of two floors has half of what is left to chance
            {"recall_floor": {"grief": CERTIFIED, "joy": CERTIFIED}},
            None,
            "at a confidence of 0.95 with fewer than 59. With 5 at most 0.549 can be",
        ),
        ({"recall_floor": {"joy": CERTIFIED}}, 4, "'joy' has 1 validation groups that certify"),
        (
            {"answer_when_right": 0.9},
            None,
            "There are 20 validation rows that certify, and 0.9 cannot",
        ),
        ({"sets": 0.99}, None, "decisions.sets: Validation has 20 rows that certify, and with fewer than 99"),
    ],
)
def test_what_cannot_be_certified_is_refused_with_what_it_needs_and_what_can_be_had(
    policy: dict[str, Any], groups: int | None, said: str
) -> None:
    numbers = None if groups is None else (np.arange(len(GOLD)) * groups // len(GOLD)).astype(np.int32)
    with pytest.raises(InputError) as caught:
        check_floors(DecisionsRecipe(**policy), evaluator_of(TASK), GOLD, numbers)
    assert said in str(caught.value)


def test_a_certified_floor_that_can_be_had_is_fitted_and_kept() -> None:
    rng = np.random.default_rng(3)
    gold = (rng.uniform(size=(800, 2)) < 0.3).astype(np.float32)
    logits = (4 * gold - 2 + rng.normal(size=gold.shape)).astype(np.float32)
    floor = {"at_least": 0.9, "confidence": 0.9}
    policy = DecisionsRecipe(recall_floor={"joy": floor, "grief": 0.9}, answer_when_right=0.8, sets=0.9)
    evaluator = evaluator_of(TASK)
    check_floors(policy, evaluator, gold)
    decision = evaluator.fit(logits, gold, policy)
    joy, grief = decision.floors
    assert (joy.confidence, grief.confidence) == (0.9, None)
    assert joy.bound is not None
    assert joy.bound >= 0.9
    assert decision.thresholds is not None
    assert (joy.threshold, grief.threshold) == decision.thresholds
    assert decision.answers is not None
    assert decision.answers.bound >= 0.8
    decided = decision.decide(logits, TASK)
    assert all(check.passed for check in check_kept(policy, evaluator, decision, decided, gold))
    assert Decision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision
    both = {"validation": (decided, gold), "test": (decided, gold)}
    kept = measure_floors(policy, evaluator, decision, both)
    require_kept(kept, decision)
    missed = replace(kept[0], certificate=replace(joy, bound=0.85))
    with pytest.raises(
        CheckFailedError, match="The best recall that can be certified for 'joy' on validation is 0.85"
    ):
        require_kept([missed], decision)
    with pytest.raises(CheckFailedError, match="which certifies 0.700 and not 0.8. Lower it"):
        require_kept([], replace(decision, answers=replace(decision.answers, bound=0.7)))
