"""The workload of a floor counts texts and cases, and certified thresholds hand over more than plain ones."""

import numpy as np
import pytest

from distill.evaluation.decided import decided_rows, pooled
from distill.evaluation.decision import Decision
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import measure_floors, with_workload
from distill.evaluation.workload import LADDER, FloorRows, workload_curve
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.deciding.task import Policy
from distill.export.runtime.manifest.promises import FittedFloor
from distill.recipe.shipping import DecisionsRecipe


def rows(seed: int, count: int) -> FloorRows:
    rng = np.random.default_rng(seed)
    positive = rng.uniform(size=count) < 0.2
    return FloorRows(rng.beta(np.where(positive, 4, 1), 2).astype(np.float64), positive)


def test_a_threshold_hands_over_and_misses_what_can_be_counted() -> None:
    few = FloorRows(np.array([0.9, 0.5, 0.4, 0.1]), np.array([True, False, True, True]))
    found = few.under(0.4)
    assert (found.texts, found.handed_over, found.cases, found.missed) == (4, 3, 3, 1)
    assert found.read_per_case == 1.5
    assert few.under(0.95).read_per_case is None
    low, high = found.missed_interval
    assert (low, high) == (pytest.approx(0.0084, abs=1e-4), pytest.approx(0.9057, abs=1e-4))


def test_the_curve_has_what_ships_and_each_recall_certified_where_that_can_be() -> None:
    fit, test = rows(1, 600), rows(2, 600)
    trials = np.flatnonzero(fit.positive)
    plain = workload_curve(fit, trials, test, test.scores >= 0.5, confidence=None)
    assert [point.floor for point in plain] == [None, *LADDER]
    both = workload_curve(fit, trials, test, test.scores >= 0.5, confidence=0.9)
    assert [point.confidence for point in both] == [None, None, 0.9, None, 0.9, None, 0.9]
    for uncertified, certified in zip(both[1::2], both[2::2], strict=True):
        assert certified.handed_over >= uncertified.handed_over
        assert certified.missed <= uncertified.missed
    few = workload_curve(fit, trials[:20], test, test.scores >= 0.5, confidence=0.9)
    assert [point.floor for point in few if point.confidence] == [0.8]


def test_what_ships_is_counted_as_it_is_decided_of_levels_and_in_folds() -> None:
    """A level is also reached by the threshold of a higher one, and each fold has its own thresholds."""
    task = Ordinal(("none", "some", "much"))
    evaluator, rng = evaluator_of(task), np.random.default_rng(0)
    scores, gold = rng.dirichlet((1, 1, 1), 200), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 200)]
    low, high = Policy((0.5, 0.1)), Policy((0.9, 0.9))
    test = pooled([decided_rows(scores, gold, policy, task) for policy in (low, high)])
    recipe = DecisionsRecipe(never_below={"some": 0.5})
    floors = (FittedFloor("share at or above", "some", 0.5, 0.5, 200, 0),)
    decision = Decision((1.0,) * 2, (0.0,) * 2, low.thresholds, floors=floors)
    rows = {"validation": decided_rows(scores, gold, low, task), "test": test}
    kept = measure_floors(
        recipe, evaluator, decision, {name: (one.decisions, one.gold) for name, one in rows.items()}
    )
    (floor,) = with_workload(kept, recipe, evaluator, decision, rows, None)
    ships = floor.workload[0]
    assert ships.handed_over == int(test.decisions[:, 1:].sum())
    assert 1 - ships.missed / ships.cases == pytest.approx(floor.test)
