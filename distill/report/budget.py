"""A run's budget beside the plan's prediction and the bench's measurement."""

from collections.abc import Mapping

from distill.artifacts.plan import Plan
from distill.artifacts.report import BudgetReport
from distill.evaluation.budget import BOUNDS, bounds_of
from distill.recipe.budget import BudgetRecipe


def budget_report(
    budget: BudgetRecipe, plan: Plan | None, measured: Mapping[str, float], precision: str
) -> BudgetReport:
    """Return bounds, plan, prediction and measurement.

    Args:
        budget: has at least one bound.
        plan: the run's plan, None where the recipe names its student.
        measured: the finished bundle's numbers by the budget's keys.
        precision: the precision that ships.
    """
    bounds = bounds_of(budget)
    predicted = None if plan is None else plan.prediction(precision)
    predictions = {} if predicted is None else {key: getattr(predicted, key) for key in BOUNDS}
    return BudgetReport(
        asked={**bounds, "threads": budget.threads},
        plan=plan,
        predicted=predicted,
        measured=measured,
        over_asked=_relative_excess(measured, bounds),
        over_predicted=_relative_excess(measured, predictions),
    )


def _relative_excess(measured: Mapping[str, float], reference: Mapping[str, float | None]) -> dict[str, float]:
    """Return the relative excess of each measured number over the reference; 0.1 is 10 %."""
    shares = {}
    for key, value in measured.items():
        if expected := reference.get(key):
            shares[key] = value / expected - 1
    return shares
