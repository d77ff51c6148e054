"""Plans: students with random weights measured on this machine, and the most promising one within a budget."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.artifacts.plan import Plan, PlanBudget, PlanCpu, write_plan
from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import Corpus, with_train_rows
from distill.evaluation.budget import bounds_of
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.errors import InputError
from distill.planning.candidates import Architecture, candidate_architectures, frozen_values
from distill.planning.measure import PRECISIONS, new_workbench
from distill.planning.ranking import Measured, PlanConstraints, fitting, missing
from distill.planning.result import nothing_fits
from distill.planning.search import PlanSearch
from distill.recipe.ensemble import start_of
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.runs.progress import Reporter
from distill.students.shape import Dimensions, dimensions_of
from distill.teachers.checkpoints import build_classifier, load_config
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer
from distill.training.preflight import check_models


def plan_recipe(recipe: Recipe, reporter: Reporter, started: float) -> Plan:
    """Read a recipe's corpus, and plan.

    Args:
        recipe: with a budget.
        reporter: shows the progress.
        started: the start of the available time, by `time.monotonic`.

    Raises:
        InputError: the recipe does not have a budget, or its corpus or base model cannot be used.
    """
    if not recipe.budget.asked:
        raise InputError(
            "plan: There is no budget. Give --p95-ms, --size-mb or --rss-mb, or a [budget] in the recipe."
        )
    with reporter.count("read the corpus") as advance:
        corpus, _ = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed, progress=advance)
    return make_plan(recipe, with_train_rows(corpus, recipe.corpus.rows), reporter, started)


def plan_run(recipe: Recipe, corpus: Corpus, reporter: Reporter, folder: Path) -> None:
    """Plan on a run's corpus, and write `plan.json`.

    Args:
        recipe: with a budget.
        corpus: the normalised splits.
        reporter: shows the progress.
        folder: where the plan is written.

    Raises:
        CheckFailedError: nothing fits.
    """
    plan = make_plan(recipe, corpus, reporter, time.monotonic())
    if plan.chosen is None:
        raise nothing_fits(plan)
    write_plan(plan, folder)


def make_plan(recipe: Recipe, corpus: Corpus, reporter: Reporter, started: float) -> Plan:
    """Measure students until the best within the budget are known, or the time is up.

    Args:
        recipe: with a budget.
        corpus: its rows.
        reporter: shows the progress.
        started: the start of the available time, by `time.monotonic`.
    """
    base = resolve_model(*start_of(recipe)).folder
    config = load_config(base)
    students = _possible(recipe, dimensions_of(config), config)
    pooling = Pooling(getattr(config, "classifier_pooling", recipe.teacher.start_pooling))
    teacher = build_classifier(base, corpus.task, pooling, 0.0)
    with tempfile.TemporaryDirectory(prefix="distill-plan-") as place:
        with reporter.status("trim the vocabulary"):
            bench = new_workbench(recipe, corpus, teacher, load_tokenizer(base), Path(place))
        constraints = PlanConstraints(
            recipe.budget, dimensions_of(config), bench.vocabulary, bench.tokens(), bench.tokenizer_bytes()
        )
        search = PlanSearch(bench, constraints, students, reporter, started)
        search.screen()
        measured = search.compare()
    fits, cpu = fitting(measured, constraints), cpu_info()
    return Plan(
        budget=PlanBudget(threads=recipe.budget.threads, **bounds_of(recipe.budget)),
        cpu=PlanCpu(cpu["model"], tuple(cpu["flags"])),
        texts=len(bench.texts),
        vocabulary=constraints.vocabulary,
        fits=tuple(student.record(constraints) for student in fits),
        misses=tuple(student.record(constraints) for student in missing(measured, constraints)),
        unmeasured=search.unmeasured,
        busy=search.busy,
        chosen=_chosen(fits, recipe) if fits else None,
    )


def _possible(recipe: Recipe, teacher: Dimensions, config: Any) -> list[tuple[Architecture, Recipe]]:
    """Return the students that teacher and objective allow, each with the recipe that makes it.

    Raises:
        InputError: there is none, for the reason that rules out the recipe's own student.
    """
    possible, export = [], recipe.export
    narrow = recipe.budget.size_mb is not None
    for student in candidate_architectures(recipe.student, teacher, table_bits=export.table_bits, narrow=narrow):
        try:
            candidate = with_values(recipe, _values(student, recipe, PRECISIONS), recipe.name)
            check_models(candidate, config)
        except InputError:
            continue
        possible.append((student, candidate))
    if not possible:
        check_models(recipe, config)
        raise InputError(
            f"plan: {recipe.name} does not allow any student that a plan can measure. Lower its objective's terms."
        )
    return possible


def _values(student: Architecture, recipe: Recipe, precisions: Sequence[str]) -> dict[str, object]:
    return {
        **frozen_values(student, recipe.student),
        "export.precision": list(precisions),
        "budget.choose": False,
    }


def _chosen(fits: Sequence[Measured], recipe: Recipe) -> dict[str, object]:
    """Return the recipe values of the best student, with every precision that fits: the gate may refuse one."""
    best = fits[0].student
    return _values(best, recipe, [fit.precision for fit in fits if fit.student.name == best.name])
