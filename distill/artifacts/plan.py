"""`plan.json`: the students that a plan measured, and the recipe values that it chose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.artifacts.records import read_record, stored, to_dict, write_record

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class PlanBudget:
    """The bounds of the plan; bounds that were not asked for are omitted from the file.

    Attributes:
        p95_ms: latency of single texts, in milliseconds.
        size_mb: size of the whole bundle, in MB (10^6 bytes).
        rss_mb: peak resident memory of a process that answers one text, in MB (10^6 bytes).
        threads: number of onnxruntime threads.
    """

    p95_ms: float | None = field(default=None, metadata=stored(omit_none=True))
    size_mb: float | None = field(default=None, metadata=stored(omit_none=True))
    rss_mb: float | None = field(default=None, metadata=stored(omit_none=True))
    threads: int = 1

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that were asked for, by recipe key."""
        bounds = {"p95_ms": self.p95_ms, "size_mb": self.size_mb, "rss_mb": self.rss_mb}
        return {key: bound for key, bound in bounds.items() if bound is not None}


@dataclass(frozen=True)
class PlanCpu:
    """The machine that the plan measured on: its name, and the instruction sets that int8 depends on."""

    model: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class PlannedStudent:
    """One student in one precision, measured with random weights.

    Attributes:
        student: its name in tables.
        predicted_retention: share of the teacher's test headline that it is expected to keep.
        precision: precision of its export.
        p50_ms: median latency of single texts, in milliseconds.
        p95_ms: 95th percentile of the same.
        size_mb: size of its bundle, in MB (10^6 bytes).
        rss_mb: peak resident memory, in MB (10^6 bytes); None if no bound needed it.
        over: one sentence per bound that it misses; None for a student that fits.
    """

    student: str
    predicted_retention: float
    precision: str
    p50_ms: float
    p95_ms: float
    size_mb: float
    rss_mb: float | None = None
    over: tuple[str, ...] | None = field(default=None, metadata=stored(omit_none=True))


@dataclass(frozen=True)
class Plan:
    """The measurements and the outcome of a plan.

    Attributes:
        budget: the bounds.
        cpu: the machine.
        texts: the number of texts that latency was measured on.
        vocabulary: the number of tokens in the students' vocabulary.
        fits: students within the budget, most promising first.
        misses: students over the budget, nearest first.
        unmeasured: the number of students that might have been better but that there was no time for.
        busy: whether other work on the machine stretched the latencies.
        chosen: the recipe values of the best student; None if nothing fits.
    """

    budget: PlanBudget
    cpu: PlanCpu
    texts: int
    vocabulary: int
    fits: tuple[PlannedStudent, ...]
    misses: tuple[PlannedStudent, ...]
    unmeasured: int
    busy: bool
    chosen: Mapping[str, Any] | None

    def prediction(self, precision: str) -> PlannedStudent | None:
        """Return the measurement of the best student in the precision that ships; None if it did not fit."""
        best = self.fits[0].student
        return next((fit for fit in self.fits if (fit.student, fit.precision) == (best, precision)), None)

    def to_dict(self) -> dict[str, object]:
        """Return plain data, as the file has them."""
        return to_dict(self)


def read_plan(folder: Path) -> Plan:
    """Read the plan that a stage made in a folder."""
    return read_record(Plan, folder / PLAN_FILE)


def write_plan(plan: Plan, folder: Path) -> None:
    """Write a plan into its stage's folder."""
    write_record(plan, folder / PLAN_FILE)
