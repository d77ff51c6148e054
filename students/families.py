"""Student families: their interface, and the dict of all of them.

A family is a frozen dataclass whose fields are the shape of a student. The modules of the families import no
torch, so that a recipe can be checked without it; their networks are in `students.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from distill.export.runtime.deciding.task import Task
from distill.students.compact import CompactFamily
from distill.students.layers import LayersFamily
from distill.students.shape import Dimensions
from distill.students.start import Start
from distill.students.static import StaticFamily

if TYPE_CHECKING:
    from torch import nn

    from distill.students.start import Texts


class StudentFamily(Protocol):
    """A kind of student, with the shape of one such student."""

    kind: ClassVar[str]
    """Its name: the value of `student.kind` in a recipe and the key in `FAMILIES`."""
    has_layers: ClassVar[bool]
    """Whether it has transformer layers, whose hidden states can be matched with the teacher's."""
    trains_as_int8: ClassVar[bool]
    """Whether it can be trained as the int8 form that will be exported."""
    body_learning_rate: ClassVar[float]
    """AdamW's usual rate for all but the head, where a plan chooses the family."""
    least_epochs: ClassVar[int | None]
    """Fewest epochs where a plan chooses the family; None leaves the recipe's."""
    narrow_table_bits: ClassVar[int]
    """Fewest bits per number of an embedding table that still pass the gate with room to spare."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the student that these keys of a recipe's [student] describe; other keys are ignored."""

    @property
    def values(self) -> dict[str, Any]:
        """The keys of [student] that make this shape, `kind` included."""

    @property
    def name(self) -> str:
        """A short name for tables, unique among the candidates of a plan."""

    @property
    def is_open(self) -> bool:
        """Return whether a part of the shape is left to be measured (`layers = "auto"`)."""

    @property
    def width(self) -> int | None:
        """Hidden size; None where it is the teacher's."""

    def dimensions(self, teacher: Dimensions) -> Dimensions:
        """Return the dimensions of this student of a teacher of those dimensions."""

    def check_values(self) -> None:
        """Refuse values that contradict each other, whatever the teacher is.

        Raises:
            ValueError: two of them contradict each other.
        """

    def check(self, config: Any) -> None:
        """Refuse a shape that cannot start from a teacher with this transformers configuration.

        Raises:
            InputError: the teacher has too few layers, is too narrow, or has a body that is not supported.
        """

    def candidates(self, teacher: Dimensions, *, named: bool) -> list[Self]:
        """Return the shapes of this family that a plan may choose among.

        Args:
            teacher: the teacher's dimensions.
            named: whether the recipe names this family; then this student is among the candidates.
        """

    def pieces_within(self, size: int, config: Any) -> int:
        """Return the number of vocabulary tokens that fit in `size` bytes of int8 tables.

        Args:
            size: room for the tables, in bytes.
            config: the teacher's transformers configuration.
        """

    def build(self, start: Start, texts: Texts) -> nn.Module:
        """Return the untrained student; its forward maps ids and mask ``(B, T)`` to raw logits ``(B, C)``.

        In a corpus of pairs the forward gets token types ``(B, T)`` as its third argument.


        Args:
            start: teacher, tokenizers and seed.
            texts: returns some train texts, for a student that is fitted to the teacher's hidden states.
        """

    def random(self, start: Start) -> nn.Module:
        """Return a student of this shape and vocabulary with arbitrary weights, for measuring speed and size."""

    @staticmethod
    def parameter_groups(
        model: Any, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """Return AdamW's parameter groups."""

    @staticmethod
    def save(model: Any, tokenizer: Any, folder: Path) -> None:
        """Write the folder that `load` reads: weights, configuration and tokenizer."""

    @staticmethod
    def load(folder: Path, task: Task) -> nn.Module:
        """Return the trained student in a folder.

        Raises:
            InputError: it cannot be loaded, or its labels are not the task's.
        """

    @staticmethod
    def export(model: Any, path: Path, max_tokens: int) -> dict[str, int]:
        """Write the fp32 graph with raw logits, from which int8 starts; return its operators and their counts.

        Args:
            model: the student, in evaluation mode.
            path: the file to write.
            max_tokens: length of the longest text that the graph will read.

        Raises:
            InputError, CheckFailedError: the graph cannot be written, or does not compute what PyTorch computes.
        """

    @staticmethod
    def published_config(folder: Path) -> dict[str, Any]:
        """Return the transformers configuration that a bundle of the student in this folder ships."""


FAMILIES: dict[str, type[StudentFamily]] = {
    "layers": LayersFamily,
    "compact": CompactFamily,
    "static": StaticFamily,
}


def all_candidates(kind: str, values: Mapping[str, Any], teacher: Dimensions) -> Sequence[StudentFamily]:
    """Return the candidates of every family for a plan, each family with the keys that a recipe has for it.

    Args:
        kind: the family that the recipe names.
        values: the keys of [student].
        teacher: the teacher's dimensions.
    """
    return [
        candidate
        for name, family in FAMILIES.items()
        for candidate in family.of(values).candidates(teacher, named=name == kind)
    ]
