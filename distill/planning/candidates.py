"""The students that a plan may choose among, and how good each probably is.

How good is a guess until a student is trained. `retention.json` has what was measured; between and beyond its
points it says no more than: within a family, more arithmetic is better.
"""

from dataclasses import dataclass, replace

from distill.planning.retention import expected_retention
from distill.recipe.student import StudentRecipe
from distill.students.families import StudentFamily, all_candidates
from distill.students.shape import Dimensions

# AdamW's rate for the head of a student whose family the recipe does not name, as in the packaged recipes
HEAD_RATE = 1e-3

WIDE_BITS = 8


@dataclass(frozen=True)
class Architecture:
    """A student without its precision.

    Attributes:
        name: as tables show it.
        family: with its shape.
        shape: its dimensions; no layers for one without attention.
        table_bits: per number of its embedding table.
    """

    name: str
    family: StudentFamily
    shape: Dimensions
    table_bits: int = WIDE_BITS

    @property
    def is_transformer(self) -> bool:
        """True if it has layers with attention."""
        return self.shape.depth > 0

    def retention(self, teacher: Dimensions) -> float:
        """Return the share of the teacher's macro-F1 that it will probably keep."""
        return expected_retention(self.family.kind, self.shape, teacher, is_narrow=self.table_bits < WIDE_BITS)

    def least_bytes(self, vocabulary: int) -> int:
        """Return the bytes of its int8 weights alone, with an embedding table of `vocabulary` rows."""
        return vocabulary * self.shape.width * self.table_bits // 8 + self.shape.layer_weights


def candidate_architectures(
    student: StudentRecipe, teacher: Dimensions, *, table_bits: int = WIDE_BITS, narrow: bool = False
) -> list[Architecture]:
    """Return every student that may be measured, each once; the recipe's own is among them.

    Args:
        student: the recipe's.
        teacher: its dimensions.
        table_bits: the recipe's.
        narrow: whether each may also have tables of fewer bits.
    """
    families = {family.name: family for family in all_candidates(student.kind, dict(student), teacher)}
    plain = [
        Architecture(name, family, family.dimensions(teacher), table_bits) for name, family in families.items()
    ]
    if not narrow:
        return plain
    return plain + [_narrowed(candidate) for candidate in plain if candidate.family.narrow_table_bits < table_bits]


def _narrowed(student: Architecture) -> Architecture:
    bits = student.family.narrow_table_bits
    return replace(student, name=f"{student.name}, {bits}-bit tables", table_bits=bits)


def frozen_values(student: Architecture, recipe: StudentRecipe) -> dict[str, object]:
    """Return the recipe's keys that make its student this one; another family gets learning rates of its own."""
    family, values = student.family, student.family.values
    if family.kind != recipe.kind:
        values |= {"body_learning_rate": family.body_learning_rate, "head_learning_rate": HEAD_RATE}
        if family.least_epochs is not None:
            values["epochs"] = max(recipe.epochs, family.least_epochs)
    keys = {f"student.{key}": value for key, value in values.items()}
    return keys if student.table_bits == WIDE_BITS else {**keys, "export.table_bits": student.table_bits}
