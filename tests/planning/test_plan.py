"""Plans: which students are tried, how they are ranked and left out, and what is chosen."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.artifacts.plan import Plan, PlanBudget, PlanCpu, PlannedStudent
from distill.evaluation.budget import excesses
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.pipeline.report import check_budget
from distill.planning.candidates import Architecture, candidate_architectures, frozen_values
from distill.planning.measure import with_memory
from distill.planning.ranking import (
    ENOUGH,
    Line,
    Measured,
    PlanConstraints,
    fastest_of_each,
    fit_line,
    fitting,
    missing,
    next_student,
    promising,
)
from distill.planning.result import nothing_fits, planned_recipe
from distill.recipe.budget import BudgetRecipe
from distill.recipe.load import load_recipe
from distill.recipe.student import StudentRecipe
from distill.runs.fingerprints import recipe_hash
from distill.students.shape import Dimensions

MINILM = Dimensions(6, 384, 1536)


NOTHING = Plan(
    budget=PlanBudget(p95_ms=1.0),
    cpu=PlanCpu("a CPU", ("avx2",)),
    texts=2,
    vocabulary=9437,
    fits=(),
    misses=(),
    unmeasured=0,
    busy=False,
    chosen=None,
)


def constraints(
    p95_ms: float | None = None, size_mb: float | None = None, rss_mb: float | None = None
) -> PlanConstraints:
    budget = BudgetRecipe(p95_ms=p95_ms, size_mb=size_mb, rss_mb=rss_mb)
    return PlanConstraints(budget, MINILM, vocabulary=9437, tokens=20)


def students() -> dict[str, Architecture]:
    return {student.name: student for student in candidate_architectures(StudentRecipe(), MINILM)}


def timed(student: Architecture, asked: PlanConstraints, milliseconds_a_million: float = 0.025) -> Measured:
    """As if latency were a line over the work, a bundle 0.3 MB more than its weights, and memory as measured."""
    p95 = 0.16 + milliseconds_a_million * student.shape.work(asked.tokens) / 1e6
    return Measured(
        student,
        "int8-static",
        0.7 * p95,
        p95,
        asked.least_mb(student) + 0.3,
        memory_of(student, asked),
    )


def memory_of(student: Architecture, asked: PlanConstraints) -> float:
    """Of MiniLM's students: about the same while the weights are few, and then a line."""
    if not student.is_transformer:
        return 69.0 + 0.06 * student.shape.width
    return max(71.0, 66.5 + 3.2 * asked.least_mb(student))


def survey(
    asked: PlanConstraints, *, most: int = 1000, of: Callable[[Architecture, PlanConstraints], Measured] = timed
) -> tuple[list[Measured], list[Architecture]]:
    """All that a plan would measure, and what it would leave."""
    left, seen = list(students().values()), []
    while len(seen) < most and (student := next_student(left, seen, asked)) is not None:
        left.remove(student)
        seen.append(of(student, asked))
    return seen, left


def test_candidates_are_of_every_kind_and_within_the_teacher() -> None:
    found = students()
    assert {student.family.kind for student in found.values()} == {"layers", "compact", "static"}
    assert found["layers 1 3 5"].family.values["layers"] == [1, 3, 5]
    assert found["compact 3 x 192"].family.values["heads"] == 6
    for student in found.values():
        assert student.shape.width <= MINILM.width
        assert student.shape.depth <= MINILM.depth
        StudentRecipe.model_validate(student.family.values)


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ({"kind": "compact", "depth": 5, "width": 48, "heads": 4}, "compact 5 x 48"),
        ({"kind": "layers", "layers": [0, 2]}, "layers 0 2"),
        ({"kind": "layers", "layers": "auto"}, "layers, 3"),
        ({"kind": "static", "width": 96, "hash_buckets": 1024, "ngrams": 3}, "static 96, 1024 buckets"),
    ],
)
def test_the_recipes_own_student_is_a_candidate(own: dict[str, object], name: str) -> None:
    found = {
        student.name: student for student in candidate_architectures(StudentRecipe.model_validate(own), MINILM)
    }
    assert {key: value for key, value in own.items() if found[name].family.values[key] != value} == {}


def test_where_bytes_count_each_student_may_have_tables_of_fewer_bits() -> None:
    wide = students()
    found = {student.name: student for student in candidate_architectures(StudentRecipe(), MINILM, narrow=True)}
    assert len(found) == 2 * len(wide)
    narrow = found["compact 2 x 128, 5-bit tables"]
    assert wide["compact 2 x 128"].least_bytes(8000) - narrow.least_bytes(8000) == 8000 * 128 * 3 // 8
    assert 0 < wide["compact 2 x 128"].retention(MINILM) - narrow.retention(MINILM) < 0.005
    assert frozen_values(narrow, StudentRecipe())["export.table_bits"] == 5
    assert frozen_values(found["static 128, 6-bit tables"], StudentRecipe())["export.table_bits"] == 6
    assert "export.table_bits" not in frozen_values(found["compact 2 x 128"], StudentRecipe())
    own = candidate_architectures(StudentRecipe(), MINILM, table_bits=4, narrow=True)
    assert {(student.name, student.table_bits) for student in own} == {(name, 4) for name in wide}


def test_a_layer_costs_its_products_its_attention_and_its_calls() -> None:
    shape = Dimensions(2, 8, 32)
    assert shape.layer_weights == 2 * (4 * 8 * 8 + 2 * 8 * 32)
    assert shape.work(3) == 3 * shape.layer_weights + 2 * 2 * 3 * 3 * 8 + 2 * 2e6


def test_retention_is_what_was_measured_and_rises_with_arithmetic() -> None:
    expected = {"layers 1 3 5": 0.98, "compact 3 x 192": 0.965, "compact 2 x 128": 0.935, "static 128": 0.94}
    for name, retention in expected.items():
        assert students()[name].retention(MINILM) == pytest.approx(retention, abs=0.002), name
    assert students()["layers 0 1 2 3 4 5"].retention(MINILM) == 1.0
    transformers = [student for student in students().values() if student.is_transformer]
    ascending = sorted(transformers, key=lambda student: student.shape.layer_weights)
    kept = [student.retention(MINILM) for student in ascending]
    assert kept == sorted(kept)
    assert 0 < kept[0] < kept[-1]


@given(
    st.floats(-10, 10),
    st.floats(0.01, 10),
    st.lists(st.integers(-100, 100), min_size=2, max_size=9, unique=True),
)
def test_a_line_through_points_of_a_line_is_that_line(intercept: float, slope: float, xs: list[int]) -> None:
    found = fit_line(xs, [intercept + slope * x for x in xs])
    assert found is not None
    assert found.slope == pytest.approx(slope, rel=1e-6)
    assert found(7) == pytest.approx(intercept + slope * 7, abs=1e-6)


def test_points_that_do_not_rise_tell_nothing() -> None:
    assert fit_line([], []) is None
    assert fit_line([2, 2], [1, 5]) is None
    assert fit_line([1, 2], [5, 4]) is None
    assert fit_line([1, 2, 3], [1, 3, 2]) == Line(1.0, 0.5)


@given(st.floats(0.05, 20), st.floats(0.5, 40), st.none() | st.floats(60, 120))
def test_the_best_that_fits_is_found_though_most_are_never_measured(
    p95_ms: float, size_mb: float, rss_mb: float | None
) -> None:
    asked = constraints(p95_ms, size_mb, rss_mb)
    everything = fitting([timed(student, asked) for student in students().values()], asked)
    seen, left = survey(asked)
    assert len(seen) + len(left) == len(students())
    assert [one.student.name for one in fitting(seen, asked)][:1] == [one.student.name for one in everything][:1]
    assert len(seen) <= ENOUGH + 10


@pytest.mark.parametrize("rss_mb", [60.0, 70.0, 71.0, 74.0, 76.0, 84.0, 200.0])
def test_memory_alone_leads_to_the_best_that_fits(rss_mb: float) -> None:
    asked = constraints(rss_mb=rss_mb)
    everything = fitting([timed(student, asked) for student in students().values()], asked)
    seen, _ = survey(asked)
    assert [one.student.name for one in fitting(seen, asked)][:1] == [one.student.name for one in everything][:1]
    assert len(seen) <= ENOUGH + 12


def test_memory_alone_reaches_static_where_every_transformer_needs_more() -> None:
    def large(student: Architecture, asked: PlanConstraints) -> Measured:
        return replace(
            timed(student, asked),
            rss_mb=(300.0 if student.is_transformer else 72.0) + student.shape.width / 10,
        )

    seen, _ = survey(constraints(rss_mb=84.0), of=large)
    assert fitting(seen, constraints(rss_mb=84.0))[0].student.name == "static 64"
    assert len(seen) <= 7


def test_a_precision_that_needs_much_memory_rules_out_no_student() -> None:
    asked = constraints(rss_mb=92.0)
    small, large, other = (students()[name] for name in ("compact 2 x 64", "compact 4 x 256", "layers 2 5"))
    lean = [timed(student, asked) for student in (small, large)]
    wasteful = [replace(one, precision="int8-weights", rss_mb=3 * (one.rss_mb or 0)) for one in lean]
    assert promising([other], [*lean, *wasteful], asked) == [other]
    assert promising([other], wasteful, asked) == []


def test_two_cheap_transformers_go_first_where_latency_counts() -> None:
    seen, _ = survey(constraints(p95_ms=1.0), most=3)
    assert seen[0].student.name == "compact 2 x 64"
    assert seen[0].p95_ms < seen[1].p95_ms
    first, _ = survey(constraints(size_mb=40.0), most=1)
    assert first[0].student.name == "layers 0 1 2 3 4 5"


def test_one_that_barely_fits_does_not_end_the_search() -> None:
    asked = constraints(p95_ms=1.0)
    names = ("compact 4 x 192", "compact 3 x 256", "compact 6 x 192")
    for p95, goes_on in ((0.94, False), (0.97, True)):
        seen = [Measured(students()[name], "int8-static", 0.5, p95, 5.0) for name in names]
        left = [students()["compact 3 x 192"]]
        assert (promising(left, seen, asked) == left) == goes_on


def test_what_weighs_too_much_by_its_weights_alone_is_not_measured() -> None:
    names = {student.name for student in promising(list(students().values()), [], constraints(size_mb=4.0))}
    assert "layers 1 3 5" not in names
    assert {"compact 3 x 192", "static 128"} <= names


def test_fitting_ones_stand_best_first_and_the_others_with_what_they_miss() -> None:
    asked = constraints(p95_ms=1.0, size_mb=4.0)
    three, two, deep = (students()[name] for name in ("compact 3 x 192", "compact 2 x 128", "compact 4 x 192"))
    seen = [
        Measured(two, "int8-static", 0.3, 0.5, 2.0),
        Measured(three, "int8-dynamic", 0.7, 0.95, 3.6),
        Measured(three, "int8-static", 0.6, 0.9, 3.6),
        Measured(three, "int8-weights", 1.0, 1.6, 3.6),
        Measured(deep, "int8-weights", 1.0, 2.0, 4.2),
        Measured(deep, "int8-static", 1.0, 1.1, 4.2),
    ]
    found = [(one.student.name, one.precision) for one in fitting(seen, asked)]
    assert found == [
        ("compact 3 x 192", "int8-static"),
        ("compact 3 x 192", "int8-dynamic"),
        ("compact 2 x 128", "int8-static"),
    ]
    assert [one.p95_ms for one in fastest_of_each(seen)] == [0.5, 0.9, 1.1]
    (over,) = missing(seen, asked)
    assert (over.student.name, over.precision) == ("compact 4 x 192", "int8-static")
    assert [str(one) for one in over.excesses(asked.budget)] == [
        "p95 is 1.1 ms, 0.1 ms (10.0%) over budget.p95_ms = 1",
        "the bundle's size is 4.2 MB, 0.2 MB (5.0%) over budget.size_mb = 4",
    ]


def test_a_bound_is_kept_where_it_is_met_exactly_or_nothing_was_measured() -> None:
    budget = BudgetRecipe(p95_ms=1.0, rss_mb=80.0)
    assert excesses({"p95_ms": 1.0, "size_mb": 900.0}, budget) == []
    assert [one.key for one in excesses({"p95_ms": 1.01, "rss_mb": 80.5}, budget)] == ["p95_ms", "rss_mb"]


def test_another_kind_of_student_gets_rates_of_its_own() -> None:
    own = StudentRecipe(kind="compact", body_learning_rate=7e-4, epochs=2)
    assert "student.body_learning_rate" not in frozen_values(students()["compact 3 x 192"], own)
    static = frozen_values(students()["static 128"], own)
    assert (static["student.body_learning_rate"], static["student.epochs"]) == (1e-3, 5)
    assert frozen_values(students()["layers 1 3 5"], own)["student.body_learning_rate"] == 2e-4


def test_a_budget_changes_no_fingerprint_of_what_comes_after_the_plan() -> None:
    plain = load_recipe("smoke")
    assert recipe_hash(plain) == recipe_hash(load_recipe("smoke", ["budget.p95_ms=1", "budget.choose=false"]))
    plan = replace(NOTHING, chosen={"student.kind": "compact", "student.depth": 1, "budget.choose": False})
    assert recipe_hash(planned_recipe(load_recipe("smoke", ["budget.size_mb=3"]), plan)) == recipe_hash(plain)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("budget.p95_ms=0", "budget.p95_ms is 0. Input should be greater than 0"),
        ("budget.size=3", "unknown key budget.size. Did you mean budget.size_mb?"),
        ("budget.threads=0", "budget.threads is 0"),
        ("budget.rss_mb=inf", "budget.rss_mb"),
        ("student.vocabulary_bytes=9000", "student.vocabulary_bytes applies to one width"),
        ('export.precision=["int8-weights", "int8-static-qat"]', "export.precision has 'int8-static-qat'"),
    ],
)
def test_a_wrong_budget_is_named_with_its_key(value: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("smoke", ["budget.p95_ms=1", value])
    assert said in str(caught.value)


def test_a_chosen_student_may_be_trained_as_int8() -> None:
    found = load_recipe(
        "smoke", ["budget.p95_ms=1", "budget.choose=false", 'export.precision=["int8-static-qat"]']
    )
    assert [variant.name for variant in found.export.trained_as_int8] == ["int8-static-qat"]


def test_where_no_weights_are_few_enough_the_sentence_says_what_would_help() -> None:
    with pytest.raises(CheckFailedError, match=r"9437 tokens.*Raise budget.size_mb.*student.min_piece_groups"):
        planned_recipe(load_recipe("smoke"), NOTHING)
    over = ("p95 is 2 ms, 1 ms (100.0%) over budget.p95_ms = 1",)
    nearest = PlannedStudent("static 64", 0.9, "int8-static", 1.0, 2.0, 3.0, over=over)
    late = str(nothing_fits(replace(NOTHING, misses=(nearest,), unmeasured=4)))
    assert late.startswith(
        "plan: No student fits among those measured (4 were not, because time was up). The nearest is"
    )
    message = str(nothing_fits(replace(NOTHING, misses=(nearest,))))
    assert message.startswith("plan: No student fits. The nearest is")
    assert message.endswith(
        "static 64 in int8-static: p95 is 2 ms, 1 ms (100.0%) over budget.p95_ms = 1. Widen that bound."
    )


def test_a_bound_on_memory_is_refused_where_no_memory_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"budget\.rss_mb: This system does not report"):
        check_budget({"p95_ms": 1.0}, BudgetRecipe(rss_mb=50.0), tmp_path)
    check_budget({"p95_ms": 1.0}, BudgetRecipe(p95_ms=50.0), tmp_path)
    monkeypatch.setattr("distill.planning.measure.cold_start", lambda _: (1.0, None))
    with pytest.raises(InputError, match=r"budget\.rss_mb: This system does not report"):
        with_memory(mock.Mock(), mock.Mock())
