"""A bundle's floors on somebody's own rows: whether they are broken, by an exact test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.evaluation.binomial import at_most, interval
from distill.evaluation.decided import DecidedRows
from distill.evaluation.drift import holm
from distill.evaluation.evaluator import Evaluator, Groups
from distill.evaluation.trials import SEED, Parts
from distill.export.runtime.errors import CheckFailedError
from distill.export.runtime.manifest.optional import Objects
from distill.export.runtime.manifest.promises import PRECISION, FittedFloor, RightWhenAnswered

# probability of calling any floor broken if all are kept
FALSE_ALARM = 0.05


@dataclass(frozen=True)
class TestedFloor:
    """A floor of a bundle on labelled rows: of `rows` that it is about `missed` are on its wrong side.

    Rows of one group are one. `label` is None for the share of answers that are right.

    `p_value` is the probability of as many or more misses if the floor were just kept, and `adjusted` the same for
    all floors together (Holm); `low` and `high` are the metric's 95 % interval.
    """

    __test__ = False  # pytest would take the name for a test's

    label: str | None
    metric: str
    at_least: float
    confidence: float | None
    rows: int
    missed: int
    low: float
    high: float
    p_value: float
    adjusted: float

    @property
    def broken(self) -> bool:
        """Return whether these rows show that the floor is not kept."""
        return self.adjusted <= FALSE_ALARM

    def __str__(self) -> str:
        certified = "not certified" if self.confidence is None else f"certified at {self.confidence:g}"
        about = "" if self.label is None else f" for {self.label!r}"
        wanted = f"{self.metric} of {self.at_least:g}{about} ({certified})"
        if not self.rows:
            return f"floor: {wanted}: no row to test it on"
        reached = f"{1 - self.missed / self.rows:.3f} ({self.low:.3f} to {self.high:.3f}) on {self.rows} rows"
        return f"floor: {wanted}: {'BROKEN' if self.broken else 'not broken'}, {reached}, p = {self.p_value:.2g}"


def require_unbroken(floors: Sequence[TestedFloor]) -> None:
    """Refuse a bundle with a broken floor.

    Raises:
        CheckFailedError: names the labels.
    """
    broken = ["the answers" if floor.label is None else repr(floor.label) for floor in floors if floor.broken]
    if broken:
        raise CheckFailedError(
            f"The floor of {', '.join(broken)} is broken on these rows. Train again with rows like "
            "them, or lower the floor."
        )


def tested_floors(
    objects: Objects, rows: DecidedRows, evaluator: Evaluator, groups: Groups
) -> tuple[TestedFloor, ...]:
    """Return every floor, tested on decided rows; of a group, one row that it is about, picked at random."""
    every = np.ones(len(rows.gold), dtype=np.bool_)
    parts = Parts(~every, every, np.random.default_rng(SEED).permutation(len(every)), groups)
    promised: list[tuple[str | None, FittedFloor | RightWhenAnswered, tuple[int, int]]] = [
        (floor.label, floor, _misses(floor, rows, evaluator, parts)) for floor in objects.floors or ()
    ]
    if objects.answers is not None:
        answered, wrong = parts.trials(rows.answered), (rows.decisions != (rows.gold > 0)).any(axis=1)
        promised.append((None, objects.answers, (len(answered), int(wrong[answered].sum()))))
    found = []
    for label, floor, (count, missed) in promised:
        low, high = interval(count - missed, count, 0.95)
        p_value = at_most(count - missed, count, floor.at_least)
        stated = (label, floor.kind, floor.at_least, floor.confidence)
        found.append(TestedFloor(*stated, count, missed, low, high, p_value, p_value))
    # one without a row is not tested, and takes nothing from the others
    adjusted = iter(holm([floor.p_value for floor in found if floor.rows]))
    return tuple(replace(floor, adjusted=next(adjusted)) if floor.rows else floor for floor in found)


def _misses(floor: FittedFloor, rows: DecidedRows, evaluator: Evaluator, parts: Parts) -> tuple[int, int]:
    """Return the number of trials that a floor is about, and of those of them on its wrong side."""
    at = evaluator.task.labels.index(floor.label)
    true, decided = evaluator.floor_rows(rows.gold), evaluator.floor_rows(rows.decisions.astype(np.float32))
    of, reached = true[:, at], decided[:, at]
    if floor.kind == PRECISION:
        of, reached = reached, of
    trials = parts.trials(of)
    return len(trials), int((~reached[trials]).sum())
