"""Measurements of a plan within its time: students one by one on a few texts, then the best side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from distill.export.runtime.reading.inputs import Row
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
from distill.recipe.budget import BudgetRecipe
from distill.recipe.recipe import Recipe
from distill.runs.progress import Reporter

# of the whole plan; of the comparison at its end; of that comparison on a machine that is late
SECONDS, SECONDS_TO_COMPARE, LEAST_TO_COMPARE = 50.0, 7.0, 2.0

# expected of a student until one was measured
SECONDS_PER_STUDENT = 4.0

# measured even when the time is up, because a plan needs an answer
LEAST_STUDENTS = 3

SCREENING_TEXTS, SCREENING_ROUNDS = 50, 5

MOST_ROUNDS = 7

LEAST_TEXTS = 50

# a student may exceed the latency by this share on a few texts and is still measured on all of them
TOLERANCE = 0.1


class PlanSearch:
    """The students of a plan that were exported and measured so far.

    Args:
        bench: makes and times students.
        constraints: budget and teacher.
        students: all candidates, each with the recipe that makes it.
        reporter: shows the progress.
        started: the plan's start by `time.monotonic`.

    Attributes:
        unmeasured: the number of candidates that might have been best but that there was no time for.
        busy: whether other work on the machine stretched latencies, those of rejected students included.
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
        self.unmeasured = 0
        self.busy = False

    def screen(self) -> None:
        """Measure students on a few texts until no other could be a better choice, or the time is up."""
        slowest, count = SECONDS_PER_STUDENT, 0
        with self._reporter.bar("measure students", len(self._left)) as advance:
            while (student := next_student(self._left, self._seen, self._constraints)) is not None:
                begun = time.monotonic()
                if count >= LEAST_STUDENTS and begun + slowest > self._started + SECONDS - SECONDS_TO_COMPARE:
                    self.unmeasured = len(promising(self._left, self._seen, self._constraints))
                    return
                fastest = fastest_of_each(self._measure(student))[0]
                slowest, count = max(slowest, time.monotonic() - begun), count + 1
                advance(1, f"{student.name}: p95 {fastest.p95_ms:.2f} ms, {fastest.size_mb:.2f} MB")

    def _measure(self, student: Architecture) -> list[Measured]:
        """Measure one student per precision on a few texts, and its memory if that is bounded and it may fit."""
        budget = self._constraints.budget
        made = make_bundles(self._bench, student, self._recipes[student.name])
        rounds = time_bundles(made, self._bench.texts[:SCREENING_TEXTS], SCREENING_ROUNDS)
        # the least of a few rounds, which leaves out most of what other work on the machine adds
        measurements = measured(made, rounds.min(axis=1))
        if budget.p95_ms is not None:  # otherwise no student is rejected for its latency
            self.busy |= times_of_texts(rounds)[1]
        if budget.rss_mb is not None:
            measurements = [
                with_memory(measurement, bundle) if _near(measurement, budget) else measurement
                for measurement, bundle in zip(measurements, made, strict=True)
            ]
        self._left.remove(student)
        self._seen += measurements
        self._made |= {(student.name, bundle.precision): bundle for bundle in made}
        return measurements

    def compare(self) -> list[Measured]:
        """Return all measurements, those of promising students taken again side by side on all texts."""
        short = self._shortlist()
        if not short:
            return self._seen
        made = [self._made[measurement.student.name, measurement.precision] for measurement in short]
        now = time.monotonic()
        seconds = max(LEAST_TO_COMPARE, min(SECONDS_TO_COMPARE, self._started + SECONDS - now))
        texts = fewer_texts(self._bench.texts, sum(measurement.p50_ms for measurement in short), seconds)
        with self._reporter.status("compare the best"):
            times, busy = times_of_texts(time_bundles(made, texts, MOST_ROUNDS, now + seconds))
        self.busy |= busy
        again = [
            replace(before, p50_ms=after.p50_ms, p95_ms=after.p95_ms)
            for before, after in zip(short, measured(made, times), strict=True)
        ]
        names = {measurement.student.name for measurement in again}
        return again + [measurement for measurement in self._seen if measurement.student.name not in names]

    def _shortlist(self) -> list[Measured]:
        """Return what may be chosen: the best students in all precisions that nearly fit, others in one."""
        near = [measurement for measurement in self._seen if _near(measurement, self._constraints.budget)]
        names = list(
            dict.fromkeys(
                measurement.student.name
                for measurement in sorted(
                    near, key=lambda measurement: self._constraints.rank(measurement.student)
                )
            )
        )
        best = set(names[: ENOUGH + 1])
        return [measurement for measurement in near if measurement.student.name in best] + [
            measurement for measurement in fastest_of_each(near) if measurement.student.name not in best
        ]


def _near(measurement: Measured, budget: BudgetRecipe) -> bool:
    """Return whether a student fits, or misses the latency alone by little, which is measured again."""
    excesses = measurement.excesses(budget)
    return all(excess.key == "p95_ms" and excess.share <= TOLERANCE for excess in excesses)


def fewer_texts(texts: list[Row], milliseconds: float, seconds: float) -> list[Row]:
    """Return as many texts as can be timed often enough, and at least LEAST_TEXTS.

    Args:
        texts: to choose from.
        milliseconds: that all students together take for one text.
        seconds: that are available.
    """
    return texts[: max(LEAST_TEXTS, int(seconds * 1000 / (milliseconds * (LEAST_ROUNDS + 1))))]
