"""Which form of a student ships where the recipe leaves it open: the fastest here that its gate lets pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distill.evaluation.budget import excesses
from distill.recipe.shipping import BudgetRecipe

# two forms are as fast as each other but for this share: nearer ones trade places from one measurement to the next
AS_FAST = 0.05

# instructions that multiply and add int8 in one step
DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp")


@dataclass(frozen=True)
class Form:
    """A form that was measured: a text's time on one thread, the bundle's 10^6 bytes, and whether it may ship."""

    name: str
    passed: bool
    p50_ms: float
    p95_ms: float
    size_mb: float

    def fits(self, budget: BudgetRecipe) -> bool:
        """Whether it keeps the budget's bounds, as far as what was measured is what they are of."""
        found = {"size_mb": self.size_mb, **({"p95_ms": self.p95_ms} if budget.threads == 1 else {})}
        return not excesses(found, budget)


def preferred(forms: Sequence[Form], budget: BudgetRecipe) -> list[Form]:
    """The forms that may ship, the best first: those that fit the budget, then the others.

    None is slower than fp32, unless only such a one may ship or fits.

    Args:
        forms: with fp32 among them, which is the measure even where it may not ship.
        budget: may have no bound.
    """
    passed = [one for one in forms if one.passed]
    limit = fp32_of(forms).p50_ms * (1 + AS_FAST)
    # a form that is slower than an fp32 that may not ship is still the best there is
    allowed = [one for one in passed if one.p50_ms <= limit] or passed
    # and so is one that is slower than an fp32 that misses the budget: its bundle would be refused
    fitting = [one for one in allowed if one.fits(budget)] or [one for one in passed if one.fits(budget)]
    return [*_ranked(fitting), *_ranked([one for one in allowed if one not in fitting])]


def fp32_of(forms: Sequence[Form]) -> Form:
    """The one that the others are measured against."""
    return next(one for one in forms if one.name == "fp32")


def forms_of(measured: Mapping[str, Any]) -> list[Form]:
    """Those that were timed, from what the measurement left."""
    return [Form(**one) for one in measured["forms"]]


def reason(best: Form, measured: Mapping[str, Any]) -> str:
    """Why this form, in one line: times, bytes, and the CPU on which they were taken."""
    forms, cpu = forms_of(measured), measured["cpu"]
    against = (
        ", and no other form that passed is as fast"
        if best.name == "fp32"
        else f" against {fp32_of(forms).p50_ms:.3g} in fp32"
    )
    where = f"{cpu['model']} {instructions(cpu)}"
    return f"{best.name}: {best.p50_ms:.3g} ms{against}, {best.size_mb:.1f} MB, on {where}"


def instructions(cpu: Mapping[str, Any]) -> str:
    """The int8 instructions of a CPU, as a part of a sentence."""
    found = [flag for flag in DOT_PRODUCTS if flag in cpu["flags"]]
    return f"with {', '.join(found)}" if found else "without int8 dot products"


def _ranked(forms: Sequence[Form]) -> list[Form]:
    """By speed; of those that are nearly as fast as the fastest left, the smallest first."""
    left, found = list(forms), []
    while left:
        limit = min(one.p50_ms for one in left) * (1 + AS_FAST)
        near = [one for one in left if one.p50_ms <= limit]
        found.append(min(near, key=lambda one: (one.size_mb, one.p50_ms)))
        left.remove(found[-1])
    return found
