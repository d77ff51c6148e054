"""Subgroups of test rows: fairlearn's MetricFrame as the oracle, what is too few, and what is shown first."""

import numpy as np
import pytest

from distill.corpora.corpus import Subgroup
from distill.evaluation.subgroups import (
    CALIBRATION,
    FALSE_POSITIVES,
    MIN_ROWS,
    RECALL,
    SubgroupReport,
    subgroup_report,
)
from distill.export.runtime.deciding.scores import Bools, Doubles

LABELS = ("joy", "fear")
ROWS = 600


def divided(
    numbers: np.ndarray, recall_of_first: float = 0.8, seed: int = 0
) -> tuple[SubgroupReport, Doubles, Bools, Doubles]:
    """Rows of a column, decided at random; the first value's rows with joy are found with the given chance."""
    rng = np.random.default_rng(seed)
    gold = (rng.random((ROWS, 2)) < 0.4).astype(np.float64)
    scores = rng.random((ROWS, 2))
    decided = rng.random((ROWS, 2)) < np.where(gold > 0, 0.8, 0.1)
    of_first = (numbers == 0) & (gold[:, 0] > 0)
    decided[of_first, 0] = rng.random(int(of_first.sum())) < recall_of_first
    column = Subgroup("site", ("north", "south", "west"), numbers.astype(np.int32))
    models = {"teacher": (1 - scores, ~decided), "ships": (scores, decided)}
    return subgroup_report([column], models, gold, LABELS, "ships"), scores, decided, gold


def test_rates_are_those_of_fairlearn() -> None:
    from fairlearn.metrics import MetricFrame, false_positive_rate, true_positive_rate

    numbers = np.random.default_rng(1).integers(-1, 3, ROWS)
    found, scores, decided, gold = divided(numbers)
    names = np.array(["north", "south", "west", "none"])[numbers]
    for at, label in enumerate(LABELS):
        rates = MetricFrame(
            metrics={RECALL: true_positive_rate, FALSE_POSITIVES: false_positive_rate},
            y_true=gold[:, at],
            y_pred=decided[:, at],
            sensitive_features=names,
        )
        calibration = MetricFrame(
            metrics={CALIBRATION: lambda y_true, y_pred: float(np.mean(y_pred) - np.mean(y_true))},
            y_true=gold[:, at],
            y_pred=scores[:, at],
            sensitive_features=names,
        )
        for cell in found.cells:
            if cell.label != label:
                continue
            frame = calibration if cell.metric == CALIBRATION else rates
            assert cell.found["ships"] == pytest.approx(frame.by_group.loc[cell.value or "none", cell.metric])
    assert len(found.cells) == 4 * len(LABELS) * 3
    everything = MetricFrame(
        metrics={RECALL: true_positive_rate},
        y_true=gold.ravel(),
        y_pred=decided.ravel(),
        sensitive_features=np.repeat(names, 2),
    )
    assert {row.value or "none": row.recall["ships"] for row in found.rows} == pytest.approx(
        everything.by_group[RECALL].to_dict()
    )


def test_a_value_whose_rows_are_missed_comes_first_and_is_more_than_chance() -> None:
    numbers = np.arange(ROWS) % 3
    cells = divided(numbers, recall_of_first=0.2)[0].cells
    assert (cells[0].value, cells[0].label, cells[0].metric) == ("north", "joy", RECALL)
    assert cells[0].p_values["ships"] < 0.001
    assert cells[0].worse_by == pytest.approx(cells[0].others["ships"] - cells[0].found["ships"])
    assert [cell.worse_by for cell in cells] == sorted((cell.worse_by for cell in cells), reverse=True)


def test_alike_subgroups_raise_no_alarm_in_nineteen_of_twenty_draws() -> None:
    numbers = np.arange(ROWS) % 3
    alarms = sum(
        any(p <= 0.05 for cell in divided(numbers, seed=seed)[0].cells for p in cell.p_values.values())
        for seed in range(40)
    )
    assert alarms <= 5  # of 40 at most 2 are expected per model


def test_below_thirty_rows_nothing_is_said_but_their_number() -> None:
    numbers = np.ones(ROWS, dtype=np.int32)
    numbers[: MIN_ROWS - 1] = 0
    found = divided(numbers)[0]
    few, enough = found.rows
    assert (few.value, few.rows, few.recall, few.calibration_error) == (
        "north",
        MIN_ROWS - 1,
        {"teacher": None, "ships": None},
        {"teacher": None, "ships": None},
    )
    assert enough.recall["ships"] is not None
    assert found.cells == ()
    assert found.too_few == 2 * len(LABELS) * 3


def test_a_column_of_one_value_has_no_cells() -> None:
    found = divided(np.zeros(ROWS))[0]
    assert [row.rows for row in found.rows] == [ROWS]
    assert (found.cells, found.too_few) == ((), 0)
