"""Open recipe values: the stages that measure them and freeze them into the resolved recipe."""

from pathlib import Path
from typing import Any

from distill.artifacts.choices import THREADS, read_measured, read_ranking
from distill.artifacts.plan import read_plan
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import available_threads
from distill.pipeline.state import Run
from distill.recipe.ensemble import averaging, members_of
from distill.runs.context import numbered
from distill.runs.fingerprints import student_inputs
from distill.runs.stage import EXPORT_PACKAGES, package_versions
from distill.variants.precision import forms_of, preferred, reason
from distill.variants.select import choose_variant
from distill.variants.variant import may_ship


def plan_stage(under_way: Run) -> None:
    """Where the recipe has a budget: choose the student by it, and go on with the recipe that names it.

    Raises:
        CheckFailedError: no student fits.
    """
    job, recipe = under_way.job, under_way.job.recipe
    if not (recipe.budget.asked and recipe.budget.choose):
        return
    from distill.teachers.sources import resolve_model

    first = members_of(recipe)[0]
    inputs = {
        **under_way.digest("corpus"),
        "budget": recipe.budget.model_dump(mode="json"),
        "weights": resolve_model(first.source, first.pin).sha256,
        "pooling": recipe.teacher.pooling,
        "student": student_inputs(recipe.student),
        "terms": recipe.objective.terms(),
        "max_tokens": recipe.corpus.max_tokens,
        "texts": recipe.bench.texts,
        "seed": recipe.seed,
        # not how many cores there are: more than one is used only where the budget says so
        "cpu": {key: cpu_info()[key] for key in ("model", "flags")},
        **({"threads": available_threads()} if recipe.budget.threads > 1 else {}),
        "versions": package_versions(EXPORT_PACKAGES),
        **recipe.export.unusual("table_bits"),
    }

    def work(folder: Path) -> None:
        from distill.planning.plan import plan_stored_corpus

        plan_stored_corpus(job.recipe, job.corpus, job.reporter, folder)

    under_way.stage("plan", job.plan, inputs, work)
    plan = read_plan(job.plan)
    best = plan.fits[0]
    job.reporter.say(
        f"  {best.student} in {best.precision} is probably the best that fits: "
        f"p95 {best.p95_ms:.2f} ms, {best.size_mb:.2f} MB"
    )
    under_way.go_on_with(dict(plan.chosen or {}))


# stages that choose a value of the recipe; a later stage depends on that value, and not on how it was found
CHOICES = ("plan", "layers", "precision")


def recall_choices(under_way: Run) -> None:
    """Take up the records of the choices that this run's recipe names, where an earlier command made them."""
    for name, recall in (("plan", _recall_plan), ("layers", _recall_layers), ("precision", _recall_precision)):
        if name not in under_way.records:
            recall(under_way)


def _recall_plan(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    if not recipe.budget.asked or not job.plan.is_dir():
        return
    from distill.teachers.sources import resolve_model

    first = members_of(recipe)[0]
    inputs = {
        **under_way.digest("corpus"),
        "budget": {**recipe.budget.model_dump(mode="json"), "choose": True},
        "weights": resolve_model(first.source, first.pin).sha256,
        "pooling": recipe.teacher.pooling,
        "terms": recipe.objective.terms(),
        "max_tokens": recipe.corpus.max_tokens,
    }
    record = under_way.earlier("plan", job.plan, inputs)
    if record is not None and _named(recipe.model_dump(mode="json"), dict(read_plan(job.plan).chosen or {})):
        under_way.records["plan"] = record


def _named(recipe: dict[str, Any], chosen: dict[str, Any]) -> bool:
    """Whether a recipe has these values; one that was left open again may be any."""
    keys = [(key.split("."), value) for key, value in chosen.items() if value != "auto"]
    return all(recipe[table][name] == value for (table, name), value in keys)


def _recall_layers(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    labels = [name for name in under_way.records if name.endswith(("/train", "/validation"))]
    record = under_way.earlier("layers", job.layers, under_way.digest("corpus", "teacher", *labels))
    chosen = None if record is None else read_ranking(job.layers)[0]["layers"]
    if record is not None and recipe.student.family.values.get("layers") == chosen:
        under_way.records["layers"] = record


def _recall_precision(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    first = job.branches()[0]
    forms = [f"{first.prefix}export/{name}" for name in recipe.export.precision]
    record = under_way.earlier("precision", job.precision, under_way.digest("corpus", *forms))
    if record is None:
        return
    best = preferred(forms_of(read_measured(job.precision)), recipe.budget)
    if [one.name for one in best] == recipe.export.precision:
        under_way.records["precision"] = record


def choose_precision(under_way: Run) -> None:
    """Where the recipe leaves the precision open: measure the first student's forms, and go on with the best.

    Raises:
        CheckFailedError: no form may ship.
    """
    job = under_way.job
    if job.recipe.export.precision != "auto":
        return
    first = job.branches()[0]
    choose_variant(first)  # or there is nothing to measure
    inputs = {
        **under_way.digest("corpus", *(f"{first.prefix}export/{name}" for name in may_ship(job.recipe))),
        "texts": job.recipe.bench.texts,
        "threads": THREADS,
        # not how many cores: one is used
        "cpu": {key: cpu_info()[key] for key in ("model", "flags")},
        "versions": package_versions(EXPORT_PACKAGES),
    }

    def work(folder: Path) -> None:
        from distill.variants.precision_bench import measure_forms

        measure_forms(first, folder)

    under_way.stage("precision", job.precision, inputs, work)
    measured = read_measured(job.precision)
    best = preferred(forms_of(measured), job.recipe.budget)
    why = reason(best[0], measured)
    job.reporter.say(f"  {why}")
    names = [one.name for one in best]
    under_way.go_on_with({"export.precision": names}, f"# export.precision was measured; {why}\n")


def choose_layers(under_way: Run) -> None:
    """Where the recipe leaves the layers open: rank candidates, and go on with the recipe that names the best."""
    job, recipe = under_way.job, under_way.job.recipe
    if not recipe.student.family.is_open:
        return
    members = members_of(recipe)
    labels = [
        f"{numbered('labels', member.index)}/{split}" for member in members for split in ("train", "validation")
    ]
    inputs = {
        **under_way.digest("corpus", "teacher", *labels),
        "student": student_inputs(recipe.student, exclude=("epochs", "layers")),
        "layer_search": recipe.layer_search.model_dump(mode="json"),
        "objective": (recipe.objective.temperature, recipe.objective.soft_weight),
        "terms": recipe.objective.terms(),
        "averaging": averaging(recipe),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": recipe.seed,
    }

    def work(folder: Path) -> None:
        from distill.training.layer_search import rank_layers

        rank_layers(job, folder)

    under_way.stage("layers", job.layers, inputs, work, resumable=True)
    best = read_ranking(job.layers)[0]["layers"]
    job.reporter.say(f"  layers {' '.join(map(str, best))} are the best of those tried")
    under_way.go_on_with({"student.layers": best})
