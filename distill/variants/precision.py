"""Choose the precision that ships where the recipe leaves it open: the fastest here that its gate lets pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from distill.artifacts.precision import PrecisionRecord, TimedVariant
from distill.evaluation.budget import excesses
from distill.export.precision import FP32
from distill.recipe.budget import BudgetRecipe

# share within which two variants are as fast as each other: nearer ones trade places between measurements
AS_FAST = 0.05

# instructions that multiply and add int8 in one step
DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp")


def fits(variant: TimedVariant, budget: BudgetRecipe) -> bool:
    """Return whether a variant keeps the budget's bounds, as far as they bound what was measured."""
    measured = {"size_mb": variant.size_mb, **({"p95_ms": variant.p95_ms} if budget.threads == 1 else {})}
    return not excesses(measured, budget)


def preferred(timed: Sequence[TimedVariant], budget: BudgetRecipe) -> list[TimedVariant]:
    """Return the variants that may ship, the best first: those that fit the budget, then the others.

    None is slower than fp32, unless only such a one may ship or fits.

    Args:
        timed: fp32 among them, which is the measure even where it may not ship.
        budget: may have no bound.
    """
    passed = [variant for variant in timed if variant.passed]
    limit = fp32_of(timed).p50_ms * (1 + AS_FAST)
    # a variant that is slower than an fp32 that may not ship is still the best there is
    allowed = [variant for variant in passed if variant.p50_ms <= limit] or passed
    # and so is one that is slower than an fp32 that misses the budget: its bundle would be refused
    fitting = [variant for variant in allowed if fits(variant, budget)]
    fitting = fitting or [variant for variant in passed if fits(variant, budget)]
    return [*_ranked(fitting), *_ranked([variant for variant in allowed if variant not in fitting])]


def fp32_of(timed: Sequence[TimedVariant]) -> TimedVariant:
    """Return the variant that the others are measured against."""
    return next(variant for variant in timed if variant.name == FP32.name)


def reason(best: TimedVariant, measured: PrecisionRecord) -> str:
    """Return why a variant was chosen, in one line: times, bytes, and the CPU on which they were taken."""
    against = (
        ", and no other form that passed is as fast"
        if best.name == FP32.name
        else f" against {fp32_of(measured.forms).p50_ms:.3g} in fp32"
    )
    machine = f"{measured.cpu['model']} {instructions(measured.cpu)}"
    return f"{best.name}: {best.p50_ms:.3g} ms{against}, {best.size_mb:.1f} MB, on {machine}"


def instructions(cpu: Mapping[str, Any]) -> str:
    """Return the int8 instructions of a CPU, as a part of a sentence."""
    flags = [flag for flag in DOT_PRODUCTS if flag in cpu["flags"]]
    return f"with {', '.join(flags)}" if flags else "without int8 dot products"


def _ranked(timed: Sequence[TimedVariant]) -> list[TimedVariant]:
    """Sort by speed; of those that are nearly as fast as the fastest left, the smallest comes first."""
    left, ranked = list(timed), []
    while left:
        limit = min(variant.p50_ms for variant in left) * (1 + AS_FAST)
        near = [variant for variant in left if variant.p50_ms <= limit]
        ranked.append(min(near, key=lambda variant: (variant.size_mb, variant.p50_ms)))
        left.remove(ranked[-1])
    return ranked
