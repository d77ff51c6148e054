"""What a plan left, and the recipe that it ends in."""

from typing import Any

from distill.export.runtime.errors import CheckFailedError
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe


def planned_recipe(recipe: Recipe, plan: dict[str, Any]) -> Recipe:
    """The recipe with the student that was chosen; it plans no more, and its bundle is held to the budget.

    Raises:
        CheckFailedError: nothing fits.
    """
    if plan["chosen"] is None:
        raise nothing_fits(plan)
    return with_values(recipe, plan["chosen"], recipe.name)


def nothing_fits(plan: dict[str, Any]) -> CheckFailedError:
    """What to say where no student fits: the nearest one, and what would help."""
    if not plan["misses"]:
        return CheckFailedError(
            f"plan: no student can have so few bytes with {plan['vocabulary']} pieces in its vocabulary; "
            "raise budget.size_mb, or raise student.min_piece_groups, which leaves rare pieces out"
        )
    nearest = plan["misses"][0]
    late = f" of those measured; for {plan['unmeasured']} more time was up" if plan["unmeasured"] else ""
    remedy = "widen that bound"
    if any("budget.size_mb" in over for over in nearest["over"]):
        remedy += ", or raise student.min_piece_groups, which leaves rare pieces out of the vocabulary"
    return CheckFailedError(
        f"plan: no student fits{late}; the nearest is {nearest['student']} in {nearest['precision']}: "
        f"{'; '.join(nearest['over'])}; {remedy}"
    )
