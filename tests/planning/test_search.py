"""The measuring of a plan: what is timed again, whose memory is measured, and whether the machine was busy.

Students are not made here: what a machine would have measured of each is made up.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from distill.planning import search
from distill.planning.candidates import Architecture, candidate_architectures
from distill.planning.measure import PRECISIONS, TimedBundle, times_of_texts
from distill.planning.ranking import Measured, PlanConstraints, fitting
from distill.planning.search import PlanSearch, fewer_texts
from distill.recipe.budget import BudgetRecipe
from distill.recipe.load import load_recipe
from distill.recipe.student import StudentRecipe
from distill.runs.progress import Reporter
from distill.students.shape import Dimensions

MINILM = Dimensions(6, 384, 1536)


@dataclass
class Machine:
    """Measures what it is told: peak memory of a precision, and times that are stretched while it is busy."""

    rss_mb: dict[str, float] = field(default_factory=dict)  # by kind or precision, 70 where nothing is said
    busy: tuple[str, ...] = ()  # students
    started: list[str] = field(default_factory=list)  # fresh processes, by student

    def times(
        self, made: Sequence[TimedBundle], texts: Sequence[str], rounds: int, _: float = 0.0
    ) -> NDArray[np.float64]:
        milliseconds = [0.1 + one.student.shape.layer_weights / 1e7 for one in made]
        found = np.tile(np.array(milliseconds)[:, None, None], (1, rounds, len(texts)))
        if all(one.student.name in self.busy for one in made):
            found[:, 1:] *= 3
        return found

    def memory(self, one: Measured, _: TimedBundle) -> Measured:
        self.started.append(one.student.name)
        return replace(one, rss_mb=self.rss_mb.get(one.student.family.kind, self.rss_mb.get(one.precision, 70.0)))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(search, "make_bundles", _made)
    monkeypatch.setattr(search, "time_bundles", found.times)
    monkeypatch.setattr(search, "with_memory", found.memory)
    return found


def _made(_: Any, student: Architecture, __: Any) -> list[TimedBundle]:
    return [Bundle(student, name, Path(), Any) for name in PRECISIONS]


class Bundle(TimedBundle):
    """One that was not written; it weighs its weights."""

    @property
    def size_mb(self) -> float:
        return self.student.least_bytes(9437) / 1e6


@dataclass(frozen=True)
class Bench:
    """The texts alone."""

    texts: list[str]


def surveyed(**budget: float) -> tuple[PlanSearch, list[Measured], PlanConstraints]:
    constraints = PlanConstraints(BudgetRecipe(**budget), MINILM, vocabulary=9437, tokens=20)
    recipe = load_recipe("smoke")
    students = [(student, recipe) for student in candidate_architectures(StudentRecipe(), MINILM)]
    survey = PlanSearch(Bench(["a text"] * 60), constraints, students, Reporter(quiet=True), time.monotonic())
    survey.screen()
    return survey, survey.compare(), constraints


def test_memory_is_measured_before_the_search_ends_and_not_again(machine: Machine) -> None:
    machine.rss_mb = {"layers": 90.0, "compact": 95.0, "static": 80.0}
    _, found, constraints = surveyed(rss_mb=84)
    assert {one.student.family.kind for one in fitting(found, constraints)} == {"static"}
    assert all(one.rss_mb is not None for one in found)
    assert {machine.started.count(name) for name in machine.started} == {len(PRECISIONS)}


def test_of_a_student_whose_latency_or_size_misses_no_memory_is_measured(machine: Machine) -> None:
    _, found, constraints = surveyed(rss_mb=84, p95_ms=0.15, size_mb=2)
    missed = {one.student.name for one in found if one.p95_ms > 1.1 * 0.15 or one.size_mb > 2}
    assert missed
    assert missed.isdisjoint(machine.started)
    assert fitting(found, constraints)


def test_a_student_fits_by_the_precision_that_needs_least_memory(machine: Machine) -> None:
    machine.rss_mb = {"int8-dynamic": 90.0, "int8-weights": 200.0}
    _, found, constraints = surveyed(rss_mb=84)
    assert {one.precision for one in fitting(found, constraints)} == {"int8-static"}


def test_a_busy_moment_while_students_are_left_out_is_told(machine: Machine) -> None:
    assert not surveyed(p95_ms=0.3)[0].busy
    machine.busy = ("layers 0 1 2 3 4 5", "compact 2 x 64")
    survey, found, constraints = surveyed(p95_ms=0.3)
    assert not {one.student.name for one in fitting(found, constraints)[:3]} & set(machine.busy)
    assert survey.busy
    machine.busy = ("compact 2 x 64",)
    assert not surveyed(size_mb=9)[0].busy


@pytest.mark.parametrize(("milliseconds", "texts"), [(1.0, 200), (20.0, 87), (900.0, 50)])
def test_slow_students_are_compared_on_fewer_texts(milliseconds: float, texts: int) -> None:
    assert len(fewer_texts(["a text"] * 200, milliseconds, seconds=7.0)) == texts


def test_a_texts_time_is_its_median_and_on_a_busy_machine_its_least() -> None:
    quiet = np.array([[[1.0, 2.0], [1.1, 2.1], [9.0, 2.0]]])  # one bundle, three rounds, two texts
    times, busy = times_of_texts(quiet)
    assert (times.tolist(), busy) == ([[1.1, 2.0]], False)
    times, busy = times_of_texts(quiet + np.array([[[0.0], [5.0], [5.0]]]))
    assert (times.tolist(), busy) == ([[1.0, 2.0]], True)
