"""Floors of labels in [decisions]: a number, or a table with a confidence."""

from pydantic import Field

from distill.export.runtime.deciding.kinds.ordinal import AT_OR_ABOVE
from distill.export.runtime.manifest.promises import PRECISION, RECALL
from distill.recipe.section import Fraction, Section

# the key of [decisions] for each metric that can have a floor
FLOOR_KEYS = {
    RECALL: "recall_floor",
    PRECISION: "precision_floor",
    AT_OR_ABOVE: "never_below",
}


class CertifiedFloor(Section):
    """A floor that new texts keep with a confidence, not only those of validation."""

    at_least: Fraction = Field(description="Least value of the metric.")
    confidence: Fraction = Field(description="Confidence with which it holds.")


Floor = Fraction | CertifiedFloor

CERTIFIED_KEYS = tuple(CertifiedFloor.model_fields)


def check_floor(label: str, value: object, *, certifiable: bool) -> None:
    """Check what a recipe gives as the floor of one label.

    Raises:
        ValueError: it is neither a number between 0 and 1 nor, where that can be certified, a table of two.
    """
    if isinstance(value, CertifiedFloor):
        return
    if isinstance(value, dict):
        if not certifiable:
            raise ValueError(
                f"The floor of {label!r} is a table, but precision is never certified. Give a number."
            )
        if set(value) != set(CERTIFIED_KEYS):
            raise ValueError(
                f"The floor of {label!r} must have {' and '.join(CERTIFIED_KEYS)} and nothing else, such as "
                "{ at_least = 0.9, confidence = 0.9 }."
            )
    numbers: dict[str, object] = value if isinstance(value, dict) else {"floor": value}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < 1:
            raise ValueError(f"The {name} of {label!r} must be a number greater than 0 and less than 1.")
