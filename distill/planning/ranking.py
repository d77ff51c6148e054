"""Order, end and outcome of a plan's measurements: pure functions of what was measured so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.artifacts.plan import PlannedStudent
from distill.evaluation.budget import Excess, excesses
from distill.planning.candidates import Architecture
from distill.recipe.budget import BudgetRecipe
from distill.students.shape import Dimensions

# the search ends once this many students fit that are each probably better than every unmeasured one
ENOUGH = 3

# a student counts as fitting with this factor on its latency, because a second measurement may be slower
ROOM = 1.05

# cheap transformers that are measured first, to predict latency and memory of all others
PILOTS = 2

# A student is skipped without measuring it if a line through the measured ones predicts that it exceeds a bound by
# more than this factor. Such a line is accurate to a few kilobytes for sizes, and to 4 % for peak memory over int8
# weights (MiniLM's students: 71 MB below 2 MB of weights, then 3.2 MB per megabyte, 103 MB with all six layers).
LATENCY_MARGIN, SIZE_MARGIN, MEMORY_MARGIN = 1.3, 1.01, 1.05


@dataclass(frozen=True)
class Measured:
    """The measurements of one student in one precision.

    Attributes:
        student: its shape.
        precision: of its export.
        p50_ms: median latency of single texts, in milliseconds.
        p95_ms: 95th percentile of the same.
        size_mb: size of its bundle, in MB (10^6 bytes).
        rss_mb: peak resident memory, in MB (10^6 bytes); None if no bound asks for it, or another bound is missed.
    """

    student: Architecture
    precision: str
    p50_ms: float
    p95_ms: float
    size_mb: float
    rss_mb: float | None = None

    def excesses(self, budget: BudgetRecipe) -> list[Excess]:
        """Return the bounds that it misses."""
        numbers = {"p95_ms": self.p95_ms, "size_mb": self.size_mb}
        return excesses(numbers if self.rss_mb is None else {**numbers, "rss_mb": self.rss_mb}, budget)

    def record(self, constraints: "PlanConstraints") -> PlannedStudent:
        """Return the measurement as `plan.json` has it, with the retention that is expected of the student."""
        over = tuple(map(str, self.excesses(constraints.budget)))
        return PlannedStudent(
            student=self.student.name,
            predicted_retention=self.student.retention(constraints.teacher),
            precision=self.precision,
            p50_ms=self.p50_ms,
            p95_ms=self.p95_ms,
            size_mb=self.size_mb,
            rss_mb=self.rss_mb,
            over=over or None,
        )


@dataclass(frozen=True)
class Line:
    """``y = intercept + slope * x``, fitted by least squares."""

    intercept: float
    slope: float

    def __call__(self, x: float) -> float:
        """Return `y` at `x`."""
        return self.intercept + self.slope * x


@dataclass(frozen=True)
class PlanConstraints:
    """The conditions that all students of a plan share.

    Attributes:
        budget: the bounds.
        teacher: its dimensions.
        vocabulary: the number of tokens in the students' vocabulary.
        tokens: the mean number of tokens in a text.
        tokenizer_bytes: the size of the students' tokenizer file.
    """

    budget: BudgetRecipe
    teacher: Dimensions
    vocabulary: int
    tokens: float
    tokenizer_bytes: int = 0

    def rank(self, student: Architecture) -> tuple[float, float, str]:
        """Return a sort key: the student that is probably best first; on a tie, the one that computes less."""
        return (-student.retention(self.teacher), student.shape.work(self.tokens), student.name)

    def least_mb(self, student: Architecture) -> float:
        """Return a lower bound on the size of a student's bundle, in MB (10^6 bytes)."""
        return (student.least_bytes(self.vocabulary) + self.tokenizer_bytes) / 1e6


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Line | None:
    """Return the line through points; None if they do not rise, or are fewer than two at different `x`."""
    if len(set(xs)) < 2:
        return None
    x, y = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
    away = x - x.mean()
    slope = float(away @ (y - y.mean()) / (away @ away))
    return Line(float(y.mean()) - slope * float(x.mean()), slope) if slope > 0 else None


def promising(
    left: Sequence[Architecture], seen: Sequence[Measured], constraints: PlanConstraints
) -> list[Architecture]:
    """Return the unmeasured students that may be the best choice, most promising first.

    Args:
        left: students that are not measured yet.
        seen: the measurements so far.
        constraints: budget and teacher.
    """
    kept = sorted(
        {
            measurement.student.name: measurement.student.retention(constraints.teacher)
            for measurement in seen
            if not replace(measurement, p95_ms=ROOM * measurement.p95_ms).excesses(constraints.budget)
        }.values()
    )
    enough = kept[-ENOUGH] if len(kept) >= ENOUGH else float("-inf")
    possible = (student for student in left if not _ruled_out(student, seen, constraints))
    return sorted(
        (student for student in possible if student.retention(constraints.teacher) > enough),
        key=constraints.rank,
    )


def next_student(
    left: Sequence[Architecture], seen: Sequence[Measured], constraints: PlanConstraints
) -> Architecture | None:
    """Return the student to measure next; None if no other could be a better choice than those seen.

    Where latency or memory is bounded, two cheap transformers come first. Then comes the most promising student
    that may still fit.
    """
    possible, budget = promising(left, seen, constraints), constraints.budget
    transformers = [student for student in possible if student.is_transformer]
    pilots = PILOTS - len({measurement.student.name for measurement in seen if measurement.student.is_transformer})
    if (budget.p95_ms is None and budget.rss_mb is None) or not transformers or pilots <= 0:
        return possible[0] if possible else None
    ascending = sorted(transformers, key=lambda student: student.shape.work(constraints.tokens))
    return ascending[0 if pilots == PILOTS else len(ascending) // 2]


def fitting(seen: Sequence[Measured], constraints: PlanConstraints) -> list[Measured]:
    """Return the measurements within the budget, most promising student first and its fastest precision first."""
    kept = [measurement for measurement in seen if not measurement.excesses(constraints.budget)]
    return sorted(kept, key=lambda measurement: (*constraints.rank(measurement.student), measurement.p95_ms))


def missing(seen: Sequence[Measured], constraints: PlanConstraints) -> list[Measured]:
    """Return each student that fits in no precision, in the one that misses least; the nearest first."""
    within = {measurement.student.name for measurement in fitting(seen, constraints)}
    nearest: dict[str, Measured] = {}
    for measurement in sorted(seen, key=lambda measurement: _worst(measurement, constraints.budget)):
        if measurement.student.name not in within:
            nearest.setdefault(measurement.student.name, measurement)
    return list(nearest.values())


def fastest_of_each(seen: Sequence[Measured]) -> list[Measured]:
    """Return the fastest precision of each student."""
    fastest: dict[str, Measured] = {}
    for measurement in sorted(seen, key=lambda measurement: measurement.p95_ms):
        fastest.setdefault(measurement.student.name, measurement)
    return list(fastest.values())


def _worst(measurement: Measured, budget: BudgetRecipe) -> float:
    return max((excess.share for excess in measurement.excesses(budget)), default=0.0)


def _ruled_out(student: Architecture, seen: Sequence[Measured], constraints: PlanConstraints) -> bool:
    """Return whether a student certainly misses the size, or is predicted to miss any bound by a wide margin."""
    budget, least = constraints.budget, constraints.least_mb(student)
    similar = [measurement for measurement in seen if measurement.student.is_transformer == student.is_transformer]
    if budget.size_mb is not None:
        sizes = [(constraints.least_mb(measurement.student), measurement.size_mb) for measurement in similar]
        if least > budget.size_mb or _beyond(least, sizes, SIZE_MARGIN * budget.size_mb):
            return True
    if not student.is_transformer:
        return False  # its latency barely depends on its width, and the few such students are measured quickly
    if budget.p95_ms is not None:
        times = [
            (measurement.student.shape.work(constraints.tokens), measurement.p95_ms)
            for measurement in fastest_of_each(similar)
        ]
        if _beyond(student.shape.work(constraints.tokens), times, LATENCY_MARGIN * budget.p95_ms):
            return True
    if budget.rss_mb is None:
        return False
    peaks = [
        (measurement.rss_mb, measurement.student) for measurement in similar if measurement.rss_mb is not None
    ]
    # sorted so that the precision with the least memory overwrites the student's others
    memory = {
        student.name: (constraints.least_mb(student), peak)
        for peak, student in sorted(peaks, key=lambda peak: -peak[0])
    }
    return _beyond(least, list(memory.values()), MEMORY_MARGIN * budget.rss_mb)


def _beyond(x: float, points: Sequence[tuple[float, float]], limit: float) -> bool:
    """Return whether the line through points ``(x, y)`` exceeds a limit at `x`; False if there is no line."""
    line = fit_line([x for x, _ in points], [y for _, y in points])
    return line is not None and line(x) > limit
