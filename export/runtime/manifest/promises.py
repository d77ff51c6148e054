"""Promises of a bundle's decisions, and the number of rows behind each; objects of a manifest.

A promise with a confidence is certified: the bound is Clopper & Pearson's, from rows that nothing else was fitted
on. One without is kept on validation, where its threshold was fitted, and new texts may fall below it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from distill.export.runtime.deciding.task import Task
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields

RECALL: Final = "recall"

PRECISION: Final = "precision"

RIGHT_WHEN_ANSWERED: Final = "right when answered"

# rows of a corpus; a larger number would be no count
MAX_ROWS = 2**40

MAX_FLOORS = 20_000  # two for each of as many labels as a manifest may have


@dataclass(frozen=True)
class FittedFloor:
    """A floor of one label as it was fitted: of `rows`, at most `missed` were on the wrong side of `threshold`.

    `kind` is the metric that the floor is of, one of `Task.floor_kinds`. `confidence` and `bound`,
    the least that the metric is with this confidence, are None where the floor is not certified.
    """

    kind: str
    label: str
    at_least: float
    threshold: float
    rows: int
    missed: int
    confidence: float | None = None
    bound: float | None = None

    @property
    def stated(self) -> str:
        """Return the floor in a phrase, with whether it is certified."""
        wanted = f"{self.kind} of {self.at_least:g}"
        if self.confidence is None:
            return f"{wanted}, not certified"
        shown = f"{self.missed} of {self.rows} missed, at least {self.bound or 0.0:.3f}"
        return f"{wanted}, certified at {self.confidence:.4g} ({shown})"


@dataclass(frozen=True)
class RightWhenAnswered:
    """The rule to abstain as it was certified: of `rows` that were answered, `wrong` were not decided exactly."""

    kind: str
    at_least: float
    confidence: float
    rows: int
    wrong: int
    bound: float

    @classmethod
    def from_dict(cls, data: object, where: str, task: Task) -> "RightWhenAnswered":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        rows = fields.integer("rows", 0, MAX_ROWS)
        return cls(
            kind=fields.choice("kind", (RIGHT_WHEN_ANSWERED,)),
            at_least=fields.number("at_least", 0.0, 1.0),
            confidence=fields.number("confidence", 0.0, 1.0),
            rows=rows,
            wrong=fields.integer("wrong", 0, rows),
            bound=fields.share("bound"),
        )


def floors_from_list(data: object, where: str, task: Task) -> tuple[FittedFloor, ...]:
    """Check and build the floors of a manifest; a kind of task without floors can have none."""
    if not task.floor_kinds:
        raise Fields({"floors": data}, where, ("floors",)).error("floors", f"missing where task is {task.kind}")
    if not isinstance(data, list) or not 0 < len(data) <= MAX_FLOORS:
        raise Fields({"floors": data}, where, ("floors",)).error("floors", f"a list of 1 to {MAX_FLOORS} objects")
    return tuple(_floor(item, f"{where}[{at}]", task) for at, item in enumerate(data))


def _floor(data: object, where: str, task: Task) -> FittedFloor:
    fields = Fields(data, where, names_of(FittedFloor))
    certified = fields.raw("confidence") is not None
    if certified is (fields.raw("bound") is None):
        raise fields.error("bound", "a number where the floor has a confidence, and null where it has none")
    rows = fields.integer("rows", 0, MAX_ROWS)
    return FittedFloor(
        kind=fields.choice("kind", task.floor_kinds),
        label=fields.choice("label", task.labels),
        at_least=fields.number("at_least", 0.0, 1.0),
        threshold=fields.number("threshold", 0.0, 1.0),
        rows=rows,
        missed=fields.integer("missed", 0, rows),
        confidence=fields.number("confidence", 0.0, 1.0) if certified else None,
        bound=fields.share("bound") if certified else None,
    )


def check_thresholds(floors: Iterable[FittedFloor], thresholds: Iterable[float], fields: Fields) -> None:
    """Refuse a floor whose threshold is none of those that decide.

    Raises:
        BundleError: names the field and the rule.
    """
    if not {floor.threshold for floor in floors} <= set(thresholds):
        raise fields.error("floors", "a list whose thresholds are among those that decide")
