"""Comparison of measured numbers with a budget: the bounds that are missed, and by how much."""

from collections.abc import Mapping
from dataclasses import dataclass

from distill.recipe.budget import BudgetRecipe

# the bounds of [budget] in reading order: what each one limits, and its unit
BOUNDS = {"p95_ms": ("p95", "ms"), "size_mb": ("the bundle's size", "MB"), "rss_mb": ("peak memory", "MB")}


@dataclass(frozen=True)
class Excess:
    """A bound that is missed; `key` is its key in [budget]."""

    key: str
    value: float
    bound: float

    @property
    def share(self) -> float:
        """Relative excess: 0.1 is 10 % above the bound."""
        return self.value / self.bound - 1.0

    def __str__(self) -> str:
        quantity, unit = BOUNDS[self.key]
        over = f"{self.value - self.bound:.3g} {unit} ({self.share:.1%})"
        return f"{quantity} is {self.value:.4g} {unit}, {over} over budget.{self.key} = {self.bound:g}"


def bounds_of(budget: BudgetRecipe) -> dict[str, float]:
    """Return the bounds that are set, by key."""
    values = {key: getattr(budget, key) for key in BOUNDS}
    return {key: float(bound) for key, bound in values.items() if bound is not None}


def excesses(measured: Mapping[str, float], budget: BudgetRecipe) -> list[Excess]:
    """Return the bounds that these numbers miss; a bound without a measurement cannot be missed."""
    return [
        Excess(key, measured[key], bound)
        for key, bound in bounds_of(budget).items()
        if key in measured and measured[key] > bound
    ]
