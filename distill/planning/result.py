"""The recipe that a plan ends in, or the reason why there is none."""

from distill.artifacts.plan import Plan
from distill.export.runtime.errors import CheckFailedError
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe


def planned_recipe(recipe: Recipe, plan: Plan) -> Recipe:
    """Return the recipe with the chosen student; it plans no more, and its bundle is held to the budget.

    Raises:
        CheckFailedError: nothing fits.
    """
    if plan.chosen is None:
        raise nothing_fits(plan)
    return with_values(recipe, dict(plan.chosen), recipe.name)


def nothing_fits(plan: Plan) -> CheckFailedError:
    """Return the error of a plan in which no student fits: it names the nearest one, and what would help."""
    if not plan.misses:
        return CheckFailedError(
            f"plan: No student is that small with {plan.vocabulary} tokens in its vocabulary. "
            "Raise budget.size_mb, or raise student.min_piece_groups, which drops rare tokens."
        )
    nearest = plan.misses[0]
    over = nearest.over or ()
    late = f" among those measured ({plan.unmeasured} were not, because time was up)" if plan.unmeasured else ""
    remedy = "Widen that bound"
    if any("budget.size_mb" in bound for bound in over):
        remedy += ", or raise student.min_piece_groups, which drops rare tokens from the vocabulary"
    return CheckFailedError(
        f"plan: No student fits{late}. The nearest is {nearest.student} in {nearest.precision}: "
        f"{'; '.join(over)}. {remedy}."
    )
