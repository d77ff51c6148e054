"""The choices of a run: the student under a budget, its layers, and its precision."""

from collections.abc import Mapping
from pathlib import Path

from distill.artifacts.ranking import read_ranking
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.cores import available_threads
from distill.pipeline.choice import Choice, Outcome
from distill.pipeline.shipment import shipment
from distill.pipeline.state import Run
from distill.pipeline.train import training_inputs
from distill.recipe.ensemble import averaging, members_of, start_of
from distill.runs.fingerprints import cut_inputs, student_inputs
from distill.runs.layout import numbered
from distill.runs.stage import EXPORT_PACKAGES, package_versions

# stages that choose a value of the recipe; a later stage depends on that value, and not on how it was chosen
CHOICES = ("plan", "layers", "precision")


def plan_choice(run: Run) -> Choice:
    """Return the choice of the student's shape, which a recipe with a budget leaves open."""
    recipe = run.recipe

    def identifying_inputs() -> Mapping[str, object]:
        from distill.teachers.sources import resolve_model

        source, pin = start_of(recipe)
        return {
            **run.digest("corpus"),
            "budget": {**recipe.budget.model_dump(mode="json"), "choose": True},
            "weights": resolve_model(source, pin).sha256,
            "pooling": recipe.teacher.start_pooling,
            "terms": recipe.objective.terms(),
            **cut_inputs(recipe.corpus),
        }

    def further_inputs() -> dict[str, object]:
        return {
            "student": student_inputs(recipe.student),
            "texts": recipe.bench.texts,
            "seed": recipe.seed,
            "cpu": _cpu(),
            # the number of cores matters only where the budget asks for more than one
            **({"threads": available_threads()} if recipe.budget.threads > 1 else {}),
            "versions": package_versions(EXPORT_PACKAGES),
            **recipe.export.unusual("table_bits"),
        }

    def measure(folder: Path) -> None:
        from distill.planning.plan import plan_run

        plan_run(recipe, run.corpus, run.reporter, folder)

    def outcome(folder: Path) -> Outcome:
        from distill.artifacts.plan import read_plan

        plan = read_plan(folder)
        best = plan.fits[0]
        message = (
            f"{best.student} in {best.precision} is probably the best that fits: "
            f"p95 {best.p95_ms:.2f} ms, {best.size_mb:.2f} MB"
        )
        return Outcome(plan.chosen or {}, message)

    asked = recipe.budget.asked
    return Choice(
        "plan",
        run.layout.plan,
        asked,
        asked and recipe.budget.choose,
        identifying_inputs,
        further_inputs,
        measure,
        outcome,
    )


def layers_choice(run: Run) -> Choice:
    """Return the choice of the teacher's layers that the student starts from."""
    recipe = run.recipe
    family = recipe.student.family

    def identifying_inputs() -> Mapping[str, object]:
        labels = [
            f"{numbered('labels', member.index)}/{split}"
            for member in members_of(recipe)
            for split in ("train", "validation")
        ]
        return run.digest("corpus", run.start_stage, *(name for name in labels if name in run.records))

    def further_inputs() -> dict[str, object]:
        return {
            "student": student_inputs(recipe.student, exclude=("epochs", "layers")),
            "layer_search": recipe.layer_search.model_dump(mode="json"),
            "objective": (recipe.objective.temperature, recipe.objective.soft_weight),
            "terms": recipe.objective.terms(),
            "averaging": averaging(recipe),
            "pooling": recipe.teacher.start_pooling,
            **cut_inputs(recipe.corpus),
            "seed": recipe.seed,
        }

    def measure(folder: Path) -> None:
        from distill.students.layers import candidate_layers
        from distill.teachers.bodies import depth_of
        from distill.teachers.checkpoints import load_config
        from distill.training.layer_search import rank_layers

        candidates = candidate_layers(depth_of(load_config(run.start)), recipe.student.depth)
        rank_layers(folder, candidates, recipe.layer_search, training_inputs(run, recipe.seed), run.controls())

    def outcome(folder: Path) -> Outcome:
        best = read_ranking(folder).ranking[0].layers
        message = f"layers {' '.join(map(str, best))} are the best of those tried"
        return Outcome({"student.layers": list(best)}, message)

    return Choice(
        "layers",
        run.layout.layers,
        "layers" in family.values,
        family.is_open,
        identifying_inputs,
        further_inputs,
        measure,
        outcome,
        resumable=True,
    )


def precision_choice(run: Run) -> Choice:
    """Return the choice of the precision that ships, measured on the first student's variants."""
    recipe = run.recipe
    first = run.students[0].layout

    def identifying_inputs() -> Mapping[str, object]:
        variants = [f"{first.prefix}export/{variant.name}" for variant in recipe.export.shippable]
        return run.digest("corpus", *variants)

    def further_inputs() -> dict[str, object]:
        from distill.artifacts.precision import THREADS

        return {
            "texts": recipe.bench.texts,
            "threads": THREADS,
            # not the number of cores: one is used
            "cpu": _cpu(),
            "versions": package_versions(EXPORT_PACKAGES),
        }

    def measure(folder: Path) -> None:
        from distill.variants.precision_bench import measure_precisions
        from distill.variants.select import read_gates

        texts = run.corpus.validation.texts[: recipe.bench.texts]
        gates = read_gates(first, recipe.export)
        measure_precisions(folder, gates, lambda variant: shipment(run.students[0], variant), texts, run.reporter)

    def outcome(folder: Path) -> Outcome:
        from distill.artifacts.precision import read_precision
        from distill.variants.precision import preferred, reason

        measured = read_precision(folder)
        best = preferred(measured.forms, recipe.budget)
        message = reason(best[0], measured)
        names = [timed.name for timed in best]
        return Outcome({"export.precision": names}, message, f"# export.precision was measured; {message}\n")

    return Choice(
        "precision",
        run.layout.precision,
        True,
        recipe.export.precision == "auto",
        identifying_inputs,
        further_inputs,
        measure,
        outcome,
    )


def _cpu() -> dict[str, object]:
    """Return the CPU's name and instruction sets."""
    return {key: cpu_info()[key] for key in ("model", "flags")}
