"""The variant that ships: the first in the recipe's order that passed its gate."""

from collections.abc import Mapping, Sequence

from distill.artifacts.quality import read_quality
from distill.artifacts.variant import GateReport, read_gate
from distill.corpora.reading.rows import sentence
from distill.evaluation.evaluators import EVALUATORS
from distill.export.precision import Variant
from distill.export.runtime.errors import CheckFailedError
from distill.recipe.shipping import ExportRecipe
from distill.runs.layout import RunLayout


def choose_variant(gates: Mapping[Variant, GateReport], recipe: ExportRecipe) -> Variant:
    """Return the first variant that may ship and passed.

    Args:
        gates: of the variants that may ship, in the recipe's order.
        recipe: of the export, for remedies.

    Raises:
        CheckFailedError: none passed; the message says which checks failed and by how much.
    """
    for variant, gate in gates.items():
        if gate.passed:
            return variant
    reasons = [f"{variant.name}: {gate.failures}" for variant, gate in gates.items()]
    names = [variant.name for variant in gates]
    remedies = [] if recipe.table_bits == 8 else [f"raise export.table_bits above {recipe.table_bits}"]
    if recipe.precision != "auto":
        remedies.append("allow another in export.precision (int8-weights and fp32 stay closest)")
    remedies.append("deliberately widen a bound")
    remedy = sentence(", or ".join(remedies))
    raise CheckFailedError(f"gate: No variant of {', '.join(names)} may ship ({'; '.join(reasons)}). {remedy}.")


def read_gates(layout: RunLayout, recipe: ExportRecipe) -> dict[Variant, GateReport]:
    """Return the gates of a student's variants that may ship, in the recipe's order."""
    return {variant: read_gate(layout.variant(variant.name)) for variant in recipe.shippable}


def shipping_variant(layout: RunLayout, recipe: ExportRecipe) -> Variant:
    """Return the variant of a student that ships, by the gates that its export left.

    Raises:
        CheckFailedError: none may.
    """
    return choose_variant(read_gates(layout, recipe), recipe)


def best_student(students: Sequence[RunLayout], recipe: ExportRecipe, task: str) -> int:
    """Return the place of the student that ships: the one whose shipping variant is best on validation.

    Args:
        students: the layout of each.
        recipe: of the export.
        task: the kind of labels, whose headline metric counts.

    Raises:
        CheckFailedError: a student has no variant that may ship.
    """
    if len(students) == 1:
        return 0
    folders = [layout.variant(shipping_variant(layout, recipe).name) for layout in students]
    headline = EVALUATORS[task].headline
    scores = [read_quality(folder).validation.metric(headline) for folder in folders]
    return scores.index(max(scores))
