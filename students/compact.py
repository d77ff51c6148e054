"""The `compact` student: its own depth, width and heads; it starts from the teacher's matrices or embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

from distill.export.runtime.deciding.task import Task
from distill.students.shape import INTERMEDIATE_RATIO, Dimensions, table_rows
from distill.students.start import Start
from distill.teachers.bodies import check_width, depth_of, evenly_spaced

if TYPE_CHECKING:
    from torch import nn

    from distill.students.start import Texts

# Plans leave depth 1 out, because it was never worth its latency; a recipe may still ask for it.
DEPTHS = (2, 3, 4, 6)

WIDTHS = (64, 128, 192, 256, 384, 512)

HEAD_WIDTH = 32


@final
@dataclass(frozen=True)
class CompactFamily:
    """A transformer of any shape.

    Attributes:
        depth: number of layers.
        width: hidden size, a multiple of `heads`.
        heads: number of attention heads per layer.
        start: "matrices" projects all of the teacher's weights; "embeddings" its tables alone.
    """

    kind: ClassVar[str] = "compact"
    has_layers: ClassVar[bool] = True
    trains_as_int8: ClassVar[bool] = True
    body_learning_rate: ClassVar[float] = 5e-4
    least_epochs: ClassVar[int | None] = None
    narrow_table_bits: ClassVar[int] = 5

    depth: int
    width: int
    heads: int
    start: Literal["matrices", "embeddings"] = "matrices"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """See `StudentFamily.of`."""
        return cls(values["depth"], values["width"], values["heads"], values["start"])

    @property
    def values(self) -> dict[str, Any]:
        """See `StudentFamily.values`; `start` is not part of a shape."""
        return {"kind": self.kind, "depth": self.depth, "width": self.width, "heads": self.heads}

    @property
    def name(self) -> str:
        """See `StudentFamily.name`."""
        return f"compact {self.depth} x {self.width}"

    @property
    def is_open(self) -> bool:
        """See `StudentFamily.is_open`."""
        return False

    def dimensions(self, teacher: Dimensions) -> Dimensions:
        """See `StudentFamily.dimensions`."""
        return Dimensions(self.depth, self.width, INTERMEDIATE_RATIO * self.width)

    def check_values(self) -> None:
        """See `StudentFamily.check_values`."""
        if self.width % self.heads:
            raise ValueError(
                f"The width {self.width} must be a multiple of heads {self.heads}. Change one of them."
            )

    def check(self, config: Any) -> None:
        """See `StudentFamily.check`."""
        check_width(config, self.width, self.heads)
        if self.start == "matrices":
            evenly_spaced(depth_of(config), self.depth)

    def candidates(self, teacher: Dimensions, *, named: bool) -> list[Self]:
        """See `StudentFamily.candidates`."""
        shapes = {
            (depth, width): width // HEAD_WIDTH
            for depth in DEPTHS
            for width in WIDTHS
            if depth <= teacher.depth and width < teacher.width
        }
        if named:
            shapes[self.depth, self.width] = self.heads
        return [replace(self, depth=depth, width=width, heads=heads) for (depth, width), heads in shapes.items()]

    def pieces_within(self, size: int, config: Any) -> int:
        """See `StudentFamily.pieces_within`."""
        return table_rows(size, self.width)

    def build(self, start: Start, texts: Texts) -> nn.Module:
        """See `StudentFamily.build`."""
        from distill.students.networks.compact import Shape, compact_student
        from distill.students.networks.encoder import trim_embeddings

        model = compact_student(
            start.teacher.eval(),
            Shape(self.depth, self.width, self.heads),
            texts=texts() if self.start == "matrices" else None,
            pooling=start.pooling,
            dropout=start.dropout,
            seed=start.seed,
            bar=start.bar,
        )
        return trim_embeddings(model, start.trimmed)

    def random(self, start: Start) -> nn.Module:
        """See `StudentFamily.random`."""
        return replace(self, start="embeddings").build(start, list)

    @staticmethod
    def parameter_groups(
        model: Any, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """See `StudentFamily.parameter_groups`."""
        from distill.teachers.finetune import parameter_groups

        return parameter_groups(
            model,
            body_learning_rate=body_learning_rate,
            head_learning_rate=head_learning_rate,
            weight_decay=weight_decay,
        )

    @staticmethod
    def save(model: Any, tokenizer: Any, folder: Path) -> None:
        """See `StudentFamily.save`."""
        from distill.teachers.checkpoints import save_classifier

        save_classifier(model, tokenizer, folder)

    @staticmethod
    def load(folder: Path, task: Task) -> nn.Module:
        """See `StudentFamily.load`."""
        from distill.teachers.checkpoints import load_classifier

        return load_classifier(folder, task)

    @staticmethod
    def export(model: Any, path: Path, max_tokens: int) -> dict[str, int]:
        """See `StudentFamily.export`."""
        from distill.students.networks.encoder import export_encoder

        return export_encoder(model, path, max_tokens)

    @staticmethod
    def published_config(folder: Path) -> dict[str, Any]:
        """See `StudentFamily.published_config`."""
        from distill.students.networks.encoder import saved_config

        return saved_config(folder)
