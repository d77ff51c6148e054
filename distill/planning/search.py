"""The measuring of a plan under a clock: students one by one on a few texts, then those that count together."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from distill.planning.candidates import Architecture
from distill.planning.measure import (
    LEAST_ROUNDS,
    TimedBundle,
    Workbench,
    make_bundles,
    measured,
    time_bundles,
    times_of_texts,
    with_memory,
)
from distill.planning.ranking import (
    ENOUGH,
    Measured,
    PlanConstraints,
    fastest_of_each,
    next_student,
    promising,
)
from distill.recipe.recipe import Recipe
from distill.recipe.shipping import BudgetRecipe
from distill.runs.progress import Reporter

# the comparison at the end has its part of these, and of a machine that is late at least a little
SECONDS, SECONDS_TO_COMPARE, LEAST_TO_COMPARE = 50.0, 7.0, 2.0

# of a transformer before one was timed
SECONDS_A_STUDENT = 4.0

# are measured however late it is, or there would be no answer
AT_LEAST = 3

SCREENING_TEXTS, SCREENING_ROUNDS = 50, 5

MOST_ROUNDS = 7

LEAST_TEXTS = 50

# a student whose latency missed by no more on a few texts is measured on all of them
TOLERANCE = 0.1


class PlanSearch:
    """What was made and measured so far.

    Args:
        bench: what students are made with.
        constraints: the budget.
        students: those that are possible, each with the recipe that makes it.
        reporter: hears of the progress.
        started: when the time that there is began, of `time.monotonic`.
    """

    def __init__(
        self,
        bench: Workbench,
        constraints: PlanConstraints,
        students: Sequence[tuple[Architecture, Recipe]],
        reporter: Reporter,
        started: float,
    ) -> None:
        self._bench, self._constraints, self._reporter, self._started = bench, constraints, reporter, started
        self._recipes: Mapping[str, Recipe] = {student.name: recipe for student, recipe in students}
        self._left = [student for student, _ in students]
        self._made: dict[tuple[str, str], TimedBundle] = {}
        self._seen: list[Measured] = []
        self.unmeasured = 0  # that might have been the best, had there been time
        self.busy = False  # whether other work made times longer, those of students that were left out included

    def screen(self) -> None:
        """Measure students on a few texts, until no other could be a better choice or the time is up."""
        slowest, count = SECONDS_A_STUDENT, 0
        with self._reporter.bar("measure students", len(self._left)) as advance:
            while (student := next_student(self._left, self._seen, self._constraints)) is not None:
                begun = time.monotonic()
                if count >= AT_LEAST and begun + slowest > self._started + SECONDS - SECONDS_TO_COMPARE:
                    self.unmeasured = len(promising(self._left, self._seen, self._constraints))
                    return
                fastest = fastest_of_each(self._measure(student))[0]
                slowest, count = max(slowest, time.monotonic() - begun), count + 1
                advance(1, f"{student.name}: p95 {fastest.p95_ms:.2f} ms, {fastest.size_mb:.2f} MB")

    def _measure(self, student: Architecture) -> list[Measured]:
        """One student in each precision on a few texts; with its memory if asked, and where it may still fit."""
        budget = self._constraints.budget
        made = make_bundles(self._bench, student, self._recipes[student.name])
        rounds = time_bundles(made, self._bench.texts[:SCREENING_TEXTS], SCREENING_ROUNDS)
        # the least: what other work does to a few rounds is left out
        found = measured(made, rounds.min(axis=1))
        if budget.p95_ms is not None:  # or no student is left out for its times
            self.busy |= times_of_texts(rounds)[1]
        if budget.rss_mb is not None:
            found = [
                with_memory(one, two) if _near(one, budget) else one for one, two in zip(found, made, strict=True)
            ]
        self._left.remove(student)
        self._seen += found
        self._made |= {(student.name, one.precision): one for one in made}
        return found

    def compare(self) -> list[Measured]:
        """All that was measured; what may be chosen timed again, side by side on all texts."""
        short = self._shortlist()
        if not short:
            return self._seen
        made = [self._made[one.student.name, one.precision] for one in short]
        now = time.monotonic()
        seconds = max(LEAST_TO_COMPARE, min(SECONDS_TO_COMPARE, self._started + SECONDS - now))
        texts = fewer_texts(self._bench.texts, sum(one.p50_ms for one in short), seconds)
        with self._reporter.status("compare the best"):
            times, busy = times_of_texts(time_bundles(made, texts, MOST_ROUNDS, now + seconds))
        self.busy |= busy
        found = [
            replace(before, p50_ms=one.p50_ms, p95_ms=one.p95_ms)
            for before, one in zip(short, measured(made, times), strict=True)
        ]
        again = {one.student.name for one in found}
        return found + [one for one in self._seen if one.student.name not in again]

    def _shortlist(self) -> list[Measured]:
        """The best that fit or nearly do in every precision that does, and of the others the fastest."""
        near = [one for one in self._seen if _near(one, self._constraints.budget)]
        names = list(
            dict.fromkeys(
                one.student.name for one in sorted(near, key=lambda one: self._constraints.rank(one.student))
            )
        )
        best = set(names[: ENOUGH + 1])
        return [one for one in near if one.student.name in best] + [
            one for one in fastest_of_each(near) if one.student.name not in best
        ]


def _near(one: Measured, budget: BudgetRecipe) -> bool:
    """Whether it keeps the bounds; latency alone may miss a little, for it is measured again."""
    return all(excess.key == "p95_ms" and excess.share <= TOLERANCE for excess in one.excesses(budget))


def fewer_texts(texts: list[str], milliseconds: float, seconds: float) -> list[str]:
    """As many of the texts as can be timed often enough, but some at least.

    Args:
        texts: there are.
        milliseconds: that one text takes all students together.
        seconds: there are.
    """
    return texts[: max(LEAST_TEXTS, int(seconds * 1000 / (milliseconds * (LEAST_ROUNDS + 1))))]
