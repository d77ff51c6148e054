"""The budget of a run beside what the plan predicted and the bench measured."""

from typing import Any

from distill.artifacts.plan import read_plan
from distill.artifacts.records import to_dict
from distill.bench.measured import measured_bundle
from distill.evaluation.budget import bounds_of
from distill.report.sections.budget import _differences
from distill.runs.context import Job
from distill.variants.select import choose_variant
from distill.variants.variant import form_of


def budget_report(job: Job, *, planned: bool) -> dict[str, Any] | None:
    """Bounds, plan, prediction and measurement as plain data; None where the recipe has no budget.

    Args:
        job: whose bench is done.
        planned: whether this run chose its student by a plan.
    """
    budget = job.recipe.budget
    if not budget.asked:
        return None
    asked, measured = bounds_of(budget), measured_bundle(job)
    plan = read_plan(job.plan) if planned else None
    best = None if plan is None else plan.prediction(form_of(choose_variant(job)))
    predicted = None if best is None else to_dict(best)
    return {
        "asked": {**asked, "threads": budget.threads},
        "plan": None if plan is None else plan.to_dict(),
        "predicted": predicted,
        "measured": measured,
        "over_asked": _differences(measured, asked),
        "over_predicted": _differences(measured, predicted or {}),
    }
