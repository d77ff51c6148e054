"""Floors that cannot be shown or kept are sentences with label, bound and remedy."""

from dataclasses import replace

import numpy as np
import pytest

from distill.evaluation.decision import Decision
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import KeptFloor, check_floors, check_kept, measure_floors, require_kept
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.export.runtime.kinds.multi_label import MultiLabel
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
            "decisions.recall_floor: unknown label 'jay'; the labels are",
        ),
        (DecisionsRecipe(precision_floor={"jay": 0.9}), "decisions.precision_floor: unknown label 'jay'"),
        (
            DecisionsRecipe(recall_floor={"grief": 0.95}),
            "'grief' has 10 validation rows, and 0.95 cannot be shown with fewer than 20; lower the floor",
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
    assert str(caught.value).startswith("decisions.precision_floor: the best precision that the student reaches")
    assert "'grief' on validation is 0.750, below 0.8; lower the floor" in str(caught.value)
    require_kept([replace(floor, validation=0.8)], PLAIN)
