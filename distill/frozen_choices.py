"""What an earlier command of a run chose and froze into its recipe: the choice's record, for the report.

The run's own recipe.toml leaves nothing open, so that the stages that chose are not executed with it. What they
left says why the recipe is as it is, and belongs in the report as long as it is what that recipe came from.
"""

from typing import Any

from distill.chosen_layers import read_ranking
from distill.members import members_of
from distill.planned import read_plan
from distill.precision_choice import forms_of, preferred
from distill.precision_stages import read_measured
from distill.run_stages import Run

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
    from teachers.sources import resolve_model

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
    if record is not None and _named(recipe.model_dump(mode="json"), read_plan(job.plan)["chosen"]):
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
    if record is not None and recipe.student.kind == "layers" and recipe.student.layers == chosen:
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
