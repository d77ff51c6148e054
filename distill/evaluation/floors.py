"""Floors of recall and precision for named labels: whether they can be shown, and whether they are kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.evaluator import Evaluator
from distill.evaluation.thresholds import least_rows
from distill.export.gate import Check
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.export.runtime.scores import Bools
from distill.recipe.shipping import FLOOR_KEYS, DecisionsRecipe


@dataclass(frozen=True)
class Floor:
    """A floor of a recipe for one label; `metric` is one of `FLOOR_KEYS`."""

    label: str
    metric: str
    floor: float


@dataclass(frozen=True)
class KeptFloor:
    """A floor with what was measured on validation, where it has to hold, and on test, where it may not."""

    label: str
    metric: str
    floor: float
    validation: float
    test: float

    @property
    def missing(self) -> float:
        """The distance from validation's value up to the floor; 0 where it is kept."""
        return max(0.0, self.floor - self.validation)


def floors_of(policy: DecisionsRecipe) -> Iterator[Floor]:
    """Return the recipe's floors."""
    for metric, table in policy.floors.items():
        for label, floor in table.items():
            yield Floor(label, metric, floor)


def check_floors(policy: DecisionsRecipe, evaluator: Evaluator, validation: NDArray[np.float32]) -> None:
    """Check that validation's gold ``(N, C)`` has enough positives for every floor, before anything is trained.

    Raises:
        InputError: a label is unknown, or has so few positives that any floor would mean 1.
    """
    labels, support = evaluator.task.labels, evaluator.floor_support(validation)
    for wanted in floors_of(policy):
        key = f"decisions.{FLOOR_KEYS[wanted.metric]}"
        if wanted.label not in labels:
            raise InputError(f"{key}: unknown label {wanted.label!r}; the labels are {', '.join(labels)}")
        positives = int(support[labels.index(wanted.label)])
        least = least_rows(wanted.floor)
        if positives < least:
            raise InputError(
                f"{key}: {wanted.label!r} has {positives} validation rows, and {wanted.floor:g} cannot be shown "
                f"with fewer than {least}; lower the floor, or add validation rows with this label"
            )


def check_kept(
    policy: DecisionsRecipe, evaluator: Evaluator, decisions: Bools, gold: NDArray[np.float32]
) -> tuple[Check, ...]:
    """Return checks for the gate: the distance by which validation's decisions ``(N, C)`` miss each floor."""
    both = {"validation": (decisions, gold), "test": (decisions, gold)}
    return tuple(
        Check(f"shortfall from a {kept.metric} of {kept.floor:g} for {kept.label!r}", kept.missing, 0.0)
        for kept in measure_floors(policy, evaluator, both)
    )


def measure_floors(
    policy: DecisionsRecipe, evaluator: Evaluator, decided: dict[str, tuple[Bools, NDArray[np.float32]]]
) -> list[KeptFloor]:
    """Return every floor with its values on validation and test, from decisions and gold ``(N, C)`` of both."""
    labels = evaluator.task.labels
    measured = {split: evaluator.floor_metrics(*both) for split, both in decided.items()}
    return [
        KeptFloor(
            wanted.label,
            wanted.metric,
            wanted.floor,
            validation=float(measured["validation"][wanted.metric][labels.index(wanted.label)]),
            test=float(measured["test"][wanted.metric][labels.index(wanted.label)]),
        )
        for wanted in floors_of(policy)
    ]


def require_floors(floors: Iterable[KeptFloor]) -> None:
    """Refuse a model that misses a floor on validation.

    Raises:
        CheckFailedError: names the label, what can be reached, and the remedy.
    """
    for floor in floors:
        if floor.missing:
            raise CheckFailedError(
                f"decisions.{FLOOR_KEYS[floor.metric]}: the best {floor.metric} that the student reaches "
                f"for {floor.label!r} on validation is {floor.validation:.3f}, below {floor.floor:g}; "
                "lower the floor, or train a student that ranks this label better"
            )
