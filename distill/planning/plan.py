"""A plan: students measured on this machine with random weights, and the probably best one within a budget."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.choices import PLAN_FILE
from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import Corpus, part_of
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.budget import bounds_of
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.errors import InputError
from distill.files.json_files import write_json
from distill.planning.candidates import Architecture, Dimensions, candidate_architectures, frozen_values
from distill.planning.measure import PRECISIONS, new_workbench
from distill.planning.ranking import Measured, PlanConstraints, fitting, missing
from distill.planning.result import nothing_fits
from distill.planning.search import PlanSearch
from distill.recipe.ensemble import members_of
from distill.recipe.keys import recipe_keys
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.runs.context import Job
from distill.runs.progress import Reporter
from distill.teachers.bodies import shape_keys
from distill.teachers.checkpoints import build_classifier, load_config
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer
from distill.training.preflight import check_models


@dataclass(frozen=True)
class Plan:
    """What was measured: those that fit, best first, those that do not, and how many there was no time for.

    `busy` is whether other work on the machine made times longer.
    """

    constraints: PlanConstraints
    fits: list[Measured]
    misses: list[Measured]
    unmeasured: int
    busy: bool
    texts: int
    chosen: dict[str, Any] | None  # recipe keys of the best; None where nothing fits

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        cpu, budget = cpu_info(), self.constraints.budget
        return {
            "budget": {**bounds_of(budget), "threads": budget.threads},
            "cpu": {"model": cpu["model"], "flags": cpu["flags"]},
            "texts": self.texts,
            "vocabulary": self.constraints.vocabulary,
            "fits": [one.to_dict(self.constraints.teacher) for one in self.fits],
            "misses": [
                {**one.to_dict(self.constraints.teacher), "over": [str(excess) for excess in one.excesses(budget)]}
                for one in self.misses
            ],
            "unmeasured": self.unmeasured,
            "busy": self.busy,
            "chosen": self.chosen,
        }


@recipe_keys()
def plan_recipe(recipe: Recipe, reporter: Reporter, started: float) -> Plan:
    """Read the recipe's corpus, and plan.

    Args:
        recipe: with a budget.
        reporter: hears of the progress.
        started: when the time that there is began, of `time.monotonic`.

    Raises:
        InputError: there is no budget, or corpus or base model cannot be used.
    """
    if not recipe.budget.asked:
        raise InputError(
            "plan: there is no budget; give --p95-ms, --size-mb or --rss-mb, or a [budget] in the recipe"
        )
    with reporter.count("read the corpus") as advance:
        corpus, _ = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed, progress=advance)
    if recipe.corpus.rows is not None:
        corpus = part_of(corpus, recipe.corpus.rows)
    return make_plan(recipe, corpus, reporter, started)


def plan_job(job: Job, folder: Path) -> None:
    """Plan on the corpus of a run, and write `plan.json`.

    Raises:
        CheckFailedError: nothing fits.
    """
    found = make_plan(job.recipe, load_corpus(job.corpus), job.reporter, time.monotonic())
    data = found.to_dict()
    if found.chosen is None:
        raise nothing_fits(data)
    write_json(data, folder / PLAN_FILE)


def make_plan(recipe: Recipe, corpus: Corpus, reporter: Reporter, started: float) -> Plan:
    """Measure students until the best in the budget are known, or the time is up; arguments as `plan_recipe`."""
    first = members_of(recipe)[0]
    base = resolve_model(first.source, first.pin).folder
    config = load_config(base)
    students = _possible(recipe, dimensions_of(config), config)
    pooling = Pooling(getattr(config, "classifier_pooling", recipe.teacher.pooling))
    teacher = build_classifier(base, corpus.task, pooling, 0.0)
    with tempfile.TemporaryDirectory(prefix="distill-plan-") as place:
        with reporter.status("trim the vocabulary"):
            bench = new_workbench(recipe, corpus, teacher, load_tokenizer(base), Path(place))
        constraints = PlanConstraints(
            recipe.budget, dimensions_of(config), bench.vocabulary, bench.tokens(), bench.tokenizer_bytes()
        )
        survey = PlanSearch(bench, constraints, students, reporter, started)
        survey.screen()
        measured = survey.compare()
    fits = fitting(measured, constraints)
    return Plan(
        constraints=constraints,
        fits=fits,
        misses=missing(measured, constraints),
        unmeasured=survey.unmeasured,
        busy=survey.busy,
        texts=len(bench.texts),
        chosen=_chosen(fits, recipe) if fits else None,
    )


def dimensions_of(config: Any) -> Dimensions:
    """Return the shape of the body that this configuration describes."""
    keys = shape_keys(config)
    return Dimensions(*(int(getattr(config, keys[name])) for name in ("depth", "width", "intermediate")))


def _possible(recipe: Recipe, teacher: Dimensions, config: Any) -> list[tuple[Architecture, Recipe]]:
    """The students that teacher and objective allow, each with the recipe that makes it.

    Raises:
        InputError: there is none; as the recipe's own student is refused.
    """
    found, export = [], recipe.export
    narrow = recipe.budget.size_mb is not None
    for student in candidate_architectures(recipe.student, teacher, table_bits=export.table_bits, narrow=narrow):
        try:
            one = with_values(recipe, _values(student, recipe, PRECISIONS), recipe.name)
            check_models(one, config)
        except InputError:
            continue
        found.append((student, one))
    if not found:
        check_models(recipe, config)
        raise InputError(
            f"plan: {recipe.name} allows no student that could be measured; lower its objective's terms"
        )
    return found


def _values(student: Architecture, recipe: Recipe, precisions: Sequence[str]) -> dict[str, Any]:
    return {
        **frozen_values(student, recipe.student),
        "export.precision": list(precisions),
        "budget.choose": False,
    }


def _chosen(fits: Sequence[Measured], recipe: Recipe) -> dict[str, Any]:
    """The keys that make the best student; of its precisions those that fit, for the gate may refuse the first."""
    best = fits[0].student
    return _values(best, recipe, [one.precision for one in fits if one.student.name == best.name])
