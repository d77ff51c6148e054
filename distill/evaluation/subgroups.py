"""Recall, false-positive rate and calibration per subgroup of rows. All pure, without scipy.

The numbers are those of fairlearn's MetricFrame, which a test holds beside them. Summed per subgroup once for all
labels they take a millisecond, where a frame per label, column and model takes half a second.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.drift import compare_shares, holm
from distill.evaluation.reliability import ece_of_cells
from distill.export.runtime.deciding.scores import Bools, Doubles, Floats

if TYPE_CHECKING:  # what reads a stored report needs no corpus
    from distill.corpora.corpus import Subgroup

# fewer rows tell nothing: with 30 the 95 % interval of a share of a half is 36 points wide
MIN_ROWS = 30

# cells that are kept, the worst first, beside all whose difference is more than chance
WORST = 100

ALPHA = 0.05

RECALL, FALSE_POSITIVES, CALIBRATION = "recall", "false-positive rate", "score minus rate"


@dataclass(frozen=True)
class SubgroupRow:
    """One value of a column over all labels together, per model; None of a model where there are too few rows.

    `value` is None for the rows that do not state one. `recall` is over all gold labels of the rows,
    `false_positive_rate` over all labels that they do not have, `calibration_error` over all scores.
    """

    column: str
    value: str | None
    rows: int
    recall: Mapping[str, float | None]
    false_positive_rate: Mapping[str, float | None]
    calibration_error: Mapping[str, float | None]


@dataclass(frozen=True)
class SubgroupCell:
    """One value of a column and one label: a metric of the value's rows beside that of the column's other rows.

    `rows` is the number of rows that the metric is over: those with the label for recall, those without it for
    the false-positive rate, all for calibration. `p_values` are Fisher's, adjusted by Holm's rule for all cells of
    a model; calibration has none. `worse_by` is by how much the value is worse off in what ships.
    """

    column: str
    value: str | None
    label: str
    metric: str
    rows: int
    found: Mapping[str, float]
    others: Mapping[str, float]
    p_values: Mapping[str, float]
    worse_by: float


@dataclass(frozen=True)
class SubgroupReport:
    """Subgroups of the test rows, the worst cells of what ships first; no text is in it.

    `too_few` counts the cells that have fewer than `min_rows` rows on either side, which are not in `cells`.
    """

    models: tuple[str, ...]
    ships: str
    min_rows: int
    rows: tuple[SubgroupRow, ...]
    cells: tuple[SubgroupCell, ...]
    too_few: int


@dataclass(frozen=True)
class _Sums:
    """Sums of a model per value of a column and label, all ``(V, C)``; `rows` is ``(V,)``."""

    rows: Doubles
    positives: Doubles
    hits: Doubles
    false_alarms: Doubles
    scores: Doubles

    def counts(self, metric: str, at: int, label: int) -> tuple[float, float, float, float]:
        """Return what is counted and of how many rows, of one value and of all others."""
        part, whole = {
            RECALL: (self.hits, self.positives),
            FALSE_POSITIVES: (self.false_alarms, self.rows[:, None] - self.positives),
            CALIBRATION: (self.scores - self.positives, np.broadcast_to(self.rows[:, None], self.scores.shape)),
        }[metric]
        mine, of_mine = float(part[at, label]), float(whole[at, label])
        return mine, of_mine, float(part[:, label].sum()) - mine, float(whole[:, label].sum()) - of_mine


def subgroup_report(
    columns: "Sequence[Subgroup]",
    models: Mapping[str, tuple[Floats, Bools]],
    gold: Floats,
    labels: Sequence[str],
    ships: str,
) -> SubgroupReport:
    """Return what the columns divide.

    Args:
        columns: that divide the rows.
        models: calibrated scores and decisions by name, each ``(N, C)``.
        gold: 0/1, ``(N, C)``.
        labels: in the order of the scores.
        ships: the name of the model in the bundle.
    """
    rows: list[SubgroupRow] = []
    cells: list[SubgroupCell] = []
    too_few = 0
    for column in columns:
        present, places = np.unique(column.numbers, return_inverse=True)
        values = [None if number < 0 else column.values[number] for number in present.tolist()]
        sums = {
            name: _sums(places, len(values), scores, decided, gold) for name, (scores, decided) in models.items()
        }
        for at, value in enumerate(values):
            rows.append(_row(column.column, value, at, places == at, sums, models, gold))
        for cell in _cells(column.column, values, sums, labels, ships):
            too_few += cell is None
            cells += [] if cell is None else [cell]
    cells = _with_p_values(cells, models)
    cells.sort(key=lambda cell: -cell.worse_by)
    kept = [
        cell for rank, cell in enumerate(cells) if rank < WORST or min(cell.p_values.values(), default=1) <= ALPHA
    ]
    return SubgroupReport(tuple(models), ships, MIN_ROWS, tuple(rows), tuple(kept), too_few)


def _sums(places: NDArray[np.int64], values: int, scores: Floats, decided: Bools, gold: Floats) -> _Sums:
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(values))

    def per_value(cells: Floats) -> Doubles:
        return np.asarray(np.add.reduceat(cells[order].astype(np.float64), starts, axis=0))

    return _Sums(
        np.bincount(places, minlength=values).astype(np.float64),
        per_value(gold),
        per_value(decided * gold),
        per_value(decided * (1 - gold)),
        per_value(scores),
    )


def _row(
    column: str,
    value: str | None,
    at: int,
    chosen: Bools,
    sums: Mapping[str, _Sums],
    models: Mapping[str, tuple[Floats, Bools]],
    gold: Floats,
) -> SubgroupRow:
    count = int(chosen.sum())
    enough = count >= MIN_ROWS

    def rate(part: Doubles, whole: Doubles) -> float | None:
        total = float(whole[at].sum())
        return float(part[at].sum()) / total if enough and total >= MIN_ROWS else None

    return SubgroupRow(
        column,
        value,
        count,
        {name: rate(each.hits, each.positives) for name, each in sums.items()},
        {name: rate(each.false_alarms, each.rows[:, None] - each.positives) for name, each in sums.items()},
        {
            name: ece_of_cells(scores[chosen], gold[chosen]) if enough else None
            for name, (scores, _) in models.items()
        },
    )


def _cells(
    column: str, values: Sequence[str | None], sums: Mapping[str, _Sums], labels: Sequence[str], ships: str
) -> Iterator[SubgroupCell | None]:
    """Yield each value's cells, None for one of too few rows; a column of one value divides nothing."""
    for at, value in enumerate(values if len(values) > 1 else ()):
        for label, name in enumerate(labels):
            for metric in (RECALL, FALSE_POSITIVES, CALIBRATION):
                counted = {model: each.counts(metric, at, label) for model, each in sums.items()}
                _, rows, _, other_rows = counted[ships]
                if min(rows, other_rows) < MIN_ROWS:
                    yield None
                    continue
                found = {model: part / rows for model, (part, _, _, _) in counted.items()}
                others = {model: part / other_rows for model, (_, _, part, _) in counted.items()}
                p_values = (
                    {}
                    if metric == CALIBRATION
                    else {
                        model: compare_shares(*(round(number) for number in each)).p_value
                        for model, each in counted.items()
                    }
                )
                worse_by = _worse_by(metric, found[ships], others[ships])
                yield SubgroupCell(column, value, name, metric, round(rows), found, others, p_values, worse_by)


def _worse_by(metric: str, found: float, others: float) -> float:
    """Return by how much a value is worse off than the others."""
    return {
        RECALL: others - found,
        FALSE_POSITIVES: found - others,
        CALIBRATION: math.fabs(found) - math.fabs(others),
    }[metric]


def _with_p_values(
    cells: Sequence[SubgroupCell], models: Mapping[str, tuple[Floats, Bools]]
) -> list[SubgroupCell]:
    """Return the cells with p-values adjusted for their number."""
    tested = [cell for cell in cells if cell.p_values]
    adjusted = {model: iter(holm([cell.p_values[model] for cell in tested])) for model in models}
    return [replace(cell, p_values={model: next(adjusted[model]) for model in cell.p_values}) for cell in cells]
