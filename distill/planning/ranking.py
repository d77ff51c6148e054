"""What a plan measures next, when it has seen enough, and what it chooses: pure functions of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.artifacts.plan import PlannedStudent
from distill.evaluation.budget import Excess, excesses
from distill.planning.candidates import Architecture
from distill.recipe.shipping import BudgetRecipe
from distill.students.shape import Dimensions

# students that fit, each probably better than all that are not measured yet: then there is nothing left to find
ENOUGH = 3

# one whose latency fits by less may be found not to when it is measured again, and does not count
ROOM = 1.05

# cheap transformers whose times and memory tell those of all others
PILOTS = 2

# a student is left out unmeasured where a line through those measured says that it misses a bound by more; of
# sizes such a line is right to a few kilobytes, of peak memory over int8 weights to 4 % (MiniLM's students: 71 MB
# below 2 MB of weights, then 3.2 MB more a megabyte, 103 MB with all six layers)
LATENCY_MARGIN, SIZE_MARGIN, MEMORY_MARGIN = 1.3, 1.01, 1.05


@dataclass(frozen=True)
class Measured:
    """One student in one precision: latency of a text alone, its bundle's size, peak memory.

    `rss_mb` is None where it was not asked for, or the other bounds are missed already.
    """

    student: Architecture
    precision: str
    p50_ms: float
    p95_ms: float
    size_mb: float
    rss_mb: float | None = None

    def excesses(self, budget: BudgetRecipe) -> list[Excess]:
        """The bounds that it misses."""
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
        """`y`."""
        return self.intercept + self.slope * x


@dataclass(frozen=True)
class PlanConstraints:
    """What a plan has to answer: the budget, the teacher's shape, pieces in the vocabulary, tokens in a text."""

    budget: BudgetRecipe
    teacher: Dimensions
    vocabulary: int
    tokens: float
    tokenizer_bytes: int = 0

    def rank(self, student: Architecture) -> tuple[float, float, str]:
        """Sorts students, the one that is probably best first; of equally good ones the one that computes less."""
        return (-student.retention(self.teacher), student.shape.work(self.tokens), student.name)

    def least_mb(self, student: Architecture) -> float:
        """No bundle of it can be smaller."""
        return (student.least_bytes(self.vocabulary) + self.tokenizer_bytes) / 1e6


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Line | None:
    """The line through points, or None where they do not rise: too few, all at one x, or noise alone."""
    if len(set(xs)) < 2:
        return None
    x, y = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
    away = x - x.mean()
    slope = float(away @ (y - y.mean()) / (away @ away))
    return Line(float(y.mean()) - slope * float(x.mean()), slope) if slope > 0 else None


def promising(
    left: Sequence[Architecture], seen: Sequence[Measured], constraints: PlanConstraints
) -> list[Architecture]:
    """Those not measured yet that may turn out as the best choice, the probably best first."""
    kept = sorted(
        {
            one.student.name: one.student.retention(constraints.teacher)
            for one in seen
            if not replace(one, p95_ms=ROOM * one.p95_ms).excesses(constraints.budget)
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
    """Which student to measure next; None where no other could be a better choice than those seen.

    Two cheap transformers go first where latency or memory counts, and then the probably best that can still fit.
    """
    possible, budget = promising(left, seen, constraints), constraints.budget
    transformers = [student for student in possible if student.is_transformer]
    pilots = PILOTS - len({one.student.name for one in seen if one.student.is_transformer})
    if (budget.p95_ms is None and budget.rss_mb is None) or not transformers or pilots <= 0:
        return possible[0] if possible else None
    ascending = sorted(transformers, key=lambda student: student.shape.work(constraints.tokens))
    return ascending[0 if pilots == PILOTS else len(ascending) // 2]


def fitting(seen: Sequence[Measured], constraints: PlanConstraints) -> list[Measured]:
    """Those within the budget, the probably best student first, of one student the fastest precision first."""
    kept = [one for one in seen if not one.excesses(constraints.budget)]
    return sorted(kept, key=lambda one: (*constraints.rank(one.student), one.p95_ms))


def missing(seen: Sequence[Measured], constraints: PlanConstraints) -> list[Measured]:
    """Students without a precision that fits, each in the one that misses least, the nearest first."""
    within = {one.student.name for one in fitting(seen, constraints)}
    nearest: dict[str, Measured] = {}
    for one in sorted(seen, key=lambda one: _worst(one, constraints.budget)):
        if one.student.name not in within:
            nearest.setdefault(one.student.name, one)
    return list(nearest.values())


def fastest_of_each(seen: Sequence[Measured]) -> list[Measured]:
    """Of each student its fastest precision."""
    found: dict[str, Measured] = {}
    for one in sorted(seen, key=lambda one: one.p95_ms):
        found.setdefault(one.student.name, one)
    return list(found.values())


def _worst(one: Measured, budget: BudgetRecipe) -> float:
    return max((excess.share for excess in one.excesses(budget)), default=0.0)


def _ruled_out(student: Architecture, seen: Sequence[Measured], constraints: PlanConstraints) -> bool:
    """Whether it misses size for certain, or any bound by a wide margin as far as those seen tell."""
    budget, least = constraints.budget, constraints.least_mb(student)
    alike = [one for one in seen if one.student.is_transformer == student.is_transformer]
    if budget.size_mb is not None:
        sizes = [(constraints.least_mb(one.student), one.size_mb) for one in alike]
        if least > budget.size_mb or _beyond(least, sizes, SIZE_MARGIN * budget.size_mb):
            return True
    if not student.is_transformer:
        return False  # it takes about the same time whatever its width, and there are few, soon measured
    if budget.p95_ms is not None:
        times = [(one.student.shape.work(constraints.tokens), one.p95_ms) for one in fastest_of_each(alike)]
        if _beyond(student.shape.work(constraints.tokens), times, LATENCY_MARGIN * budget.p95_ms):
            return True
    if budget.rss_mb is None:
        return False
    peaks = [(one.rss_mb, one.student) for one in alike if one.rss_mb is not None]
    # of each student's precisions the one with the least stands last, and stays
    memory = {
        student.name: (constraints.least_mb(student), peak)
        for peak, student in sorted(peaks, key=lambda one: -one[0])
    }
    return _beyond(least, list(memory.values()), MEMORY_MARGIN * budget.rss_mb)


def _beyond(x: float, points: Sequence[tuple[float, float]], limit: float) -> bool:
    """Whether the line through points ``(x, y)`` is above a limit at `x`; not where there is no line."""
    line = fit_line([x for x, _ in points], [y for _, y in points])
    return line is not None and line(x) > limit
