"""What a plan measures next, when it has seen enough, and what it chooses: pure functions of what was measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from distill.budget import Excess, excesses
from distill.plan_candidates import Body, Dimensions
from distill.recipe_shipping import BudgetRecipe

# students that fit, each probably better than all that are not measured yet: then there is nothing left to find
ENOUGH = 3
# one whose latency fits by less may be found not to when it is measured again, and does not count
ROOM = 1.05
# cheap transformers whose times tell those of all others
PILOTS = 2
# a student is left out unmeasured where a line through those measured says that it misses a bound by more; of
# sizes such a line is right to a few kilobytes
LATENCY_MARGIN, SIZE_MARGIN = 1.3, 1.01


@dataclass(frozen=True)
class Measured:
    """One student in one precision: latency of a text alone, its bundle's size, peak memory where it was asked."""

    body: Body
    precision: str
    p50_ms: float
    p95_ms: float
    size_mb: float
    rss_mb: float | None = None

    def excesses(self, budget: BudgetRecipe) -> list[Excess]:
        """The bounds that it misses."""
        numbers = {"p95_ms": self.p95_ms, "size_mb": self.size_mb}
        return excesses(numbers if self.rss_mb is None else {**numbers, "rss_mb": self.rss_mb}, budget)

    def to_dict(self, teacher: Dimensions) -> dict[str, Any]:
        """Plain data, with the retention that is expected of it."""
        numbers = {key: value for key, value in asdict(self).items() if key != "body"}
        return {"student": self.body.name, "predicted_retention": self.body.retention(teacher), **numbers}


@dataclass(frozen=True)
class Line:
    """``y = intercept + slope * x``, fitted by least squares."""

    intercept: float
    slope: float

    def __call__(self, x: float) -> float:
        """`y`."""
        return self.intercept + self.slope * x


@dataclass(frozen=True)
class Question:
    """What a plan has to answer: the budget, the teacher's shape, pieces in the vocabulary, tokens in a text."""

    budget: BudgetRecipe
    teacher: Dimensions
    vocabulary: int
    tokens: float
    tokenizer_bytes: int = 0

    def rank(self, body: Body) -> tuple[float, float, str]:
        """Sorts students, the one that is probably best first; of equally good ones the one that computes less."""
        return (-body.retention(self.teacher), body.shape.work(self.tokens), body.name)

    def least_mb(self, body: Body) -> float:
        """No bundle of it can be smaller."""
        return (body.least_bytes(self.vocabulary) + self.tokenizer_bytes) / 1e6


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Line | None:
    """The line through points, or None where they do not rise: too few, all at one x, or noise alone."""
    if len(set(xs)) < 2:
        return None
    x, y = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
    away = x - x.mean()
    slope = float(away @ (y - y.mean()) / (away @ away))
    return Line(float(y.mean()) - slope * float(x.mean()), slope) if slope > 0 else None


def promising(left: Sequence[Body], seen: Sequence[Measured], question: Question) -> list[Body]:
    """Those not measured yet that may turn out as the best choice, the probably best first."""
    kept = sorted(
        {
            one.body.name: one.body.retention(question.teacher)
            for one in seen
            if not replace(one, p95_ms=ROOM * one.p95_ms).excesses(question.budget)
        }.values()
    )
    enough = kept[-ENOUGH] if len(kept) >= ENOUGH else float("-inf")
    possible = (body for body in left if not _ruled_out(body, seen, question))
    return sorted((body for body in possible if body.retention(question.teacher) > enough), key=question.rank)


def next_body(left: Sequence[Body], seen: Sequence[Measured], question: Question) -> Body | None:
    """Which student to measure next; None where no other could be a better choice than those seen.

    Two cheap transformers go first where latency counts, and then the probably best that can still fit.
    """
    possible = promising(left, seen, question)
    transformers = [body for body in possible if body.is_transformer]
    pilots = PILOTS - len({one.body.name for one in seen if one.body.is_transformer})
    if question.budget.p95_ms is None or not transformers or pilots <= 0:
        return possible[0] if possible else None
    ascending = sorted(transformers, key=lambda body: body.shape.work(question.tokens))
    return ascending[0 if pilots == PILOTS else len(ascending) // 2]


def fitting(seen: Sequence[Measured], question: Question) -> list[Measured]:
    """Those within the budget, the probably best student first, of one student the fastest precision first."""
    kept = [one for one in seen if not one.excesses(question.budget)]
    return sorted(kept, key=lambda one: (*question.rank(one.body), one.p95_ms))


def missing(seen: Sequence[Measured], question: Question) -> list[Measured]:
    """Students without a precision that fits, each in the one that misses least, the nearest first."""
    within = {one.body.name for one in fitting(seen, question)}
    nearest: dict[str, Measured] = {}
    for one in sorted(seen, key=lambda one: _worst(one, question.budget)):
        if one.body.name not in within:
            nearest.setdefault(one.body.name, one)
    return list(nearest.values())


def fastest_of_each(seen: Sequence[Measured]) -> list[Measured]:
    """Of each student its fastest precision."""
    found: dict[str, Measured] = {}
    for one in sorted(seen, key=lambda one: one.p95_ms):
        found.setdefault(one.body.name, one)
    return list(found.values())


def _worst(one: Measured, budget: BudgetRecipe) -> float:
    return max((excess.share for excess in one.excesses(budget)), default=0.0)


def _ruled_out(body: Body, seen: Sequence[Measured], question: Question) -> bool:
    """Whether it misses size for certain, or size or latency by a wide margin as far as those seen tell."""
    budget = question.budget
    if budget.size_mb is not None:
        least = question.least_mb(body)
        if least > budget.size_mb:
            return True
        sizes = [one for one in seen if one.body.is_transformer == body.is_transformer]
        line = fit_line([question.least_mb(one.body) for one in sizes], [one.size_mb for one in sizes])
        if line is not None and line(least) > SIZE_MARGIN * budget.size_mb:
            return True
    if budget.p95_ms is None or not body.is_transformer:
        return False  # a static student takes about the same whatever its width
    times = [one for one in fastest_of_each(seen) if one.body.is_transformer]
    line = fit_line([one.body.shape.work(question.tokens) for one in times], [one.p95_ms for one in times])
    return line is not None and line(body.shape.work(question.tokens)) > LATENCY_MARGIN * budget.p95_ms
