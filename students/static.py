"""The `static` student: learned token vectors, n-gram hashing, pooling and a small MLP; no attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from distill.export.runtime.deciding.task import Task
from distill.students.shape import Dimensions, table_rows
from distill.students.start import Start
from distill.teachers.bodies import check_width

if TYPE_CHECKING:
    from torch import nn

    from distill.students.networks.static import StaticConfig
    from distill.students.start import Texts

# the shapes that a plan chooses among: width, window_channels, hidden
SHAPES = ((64, 64, 256), (128, 128, 512), (256, 256, 512))

# a runtime does not multiply a table into one more than this many times as wide
WIDEST_WINDOW = 4

# stored per token beside its vector: the float32 weight with which it counts in a text's mean
WEIGHT_BYTES = 4


@final
@dataclass(frozen=True)
class StaticFamily:
    """Token vectors without attention between tokens.

    Attributes:
        width: width of a token vector.
        window_channels: channels of a convolution over three tokens; 0 leaves it out.
        hash_buckets: rows of each table of n-grams, a power of two; 0 leaves the tables out.
        ngrams: tokens in the longest n-gram.
        hidden: width of the layer before the head.
        table_bits: bits per number to which token vectors are rounded while the student learns, or None.
    """

    kind: ClassVar[str] = "static"
    has_layers: ClassVar[bool] = False
    trains_as_int8: ClassVar[bool] = False
    body_learning_rate: ClassVar[float] = 1e-3
    least_epochs: ClassVar[int | None] = 5  # each takes seconds
    narrow_table_bits: ClassVar[int] = 6

    width: int
    window_channels: int
    hash_buckets: int
    ngrams: int
    hidden: int
    table_bits: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """See `StudentFamily.of`."""
        names = ("width", "window_channels", "hash_buckets", "ngrams", "hidden", "table_bits")
        known = {"table_bits": None, **values}
        return cls(*(known[name] for name in names))

    @property
    def values(self) -> dict[str, Any]:
        """See `StudentFamily.values`."""
        rounded = {} if self.table_bits is None else {"table_bits": self.table_bits}
        return {
            "kind": self.kind,
            "width": self.width,
            "window_channels": self.window_channels,
            "hash_buckets": self.hash_buckets,
            "hidden": self.hidden,
            "ngrams": self.ngrams,
            **rounded,
        }

    @property
    def name(self) -> str:
        """See `StudentFamily.name`."""
        return f"static {self.width}" + (f", {self.hash_buckets} buckets" if self.hash_buckets else "")

    @property
    def is_open(self) -> bool:
        """See `StudentFamily.is_open`."""
        return False

    def dimensions(self, teacher: Dimensions) -> Dimensions:
        """See `StudentFamily.dimensions`."""
        return Dimensions(0, self.width, 0)

    def check_values(self) -> None:
        """See `StudentFamily.check_values`."""
        most = WIDEST_WINDOW
        if self.window_channels > most * self.width:
            raise ValueError(
                f"window_channels {self.window_channels} must be at most {most} times width {self.width}: a "
                f"runtime multiplies no table into one that is more than {most} times as wide."
            )
        if self.ngrams > 2 and not self.hash_buckets:
            raise ValueError(
                f"The key ngrams = {self.ngrams} needs hash_buckets, which is 0. Set it, for instance to 8192."
            )

    def check(self, config: Any) -> None:
        """See `StudentFamily.check`."""
        check_width(config, self.width, heads=1)

    def candidates(self, teacher: Dimensions, *, named: bool) -> list[Self]:
        """See `StudentFamily.candidates`."""
        usual = [
            # longer n-grams than the shortest would need a table
            replace(self, width=width, window_channels=channels, hash_buckets=0, ngrams=2, hidden=hidden)
            for width, channels, hidden in SHAPES
            if width <= teacher.width
        ]
        named_shape = [replace(self, ngrams=self.ngrams if self.hash_buckets else 2)] if named else []
        return [*usual, *named_shape]

    def pieces_within(self, size: int, config: Any) -> int:
        """See `StudentFamily.pieces_within`; one row of each table means "no token"."""
        return table_rows(size, self.width + WEIGHT_BYTES) - 1

    def build(self, start: Start, texts: Texts) -> nn.Module:
        """See `StudentFamily.build`."""
        from distill.students.networks.static import static_student

        sources = start.sources
        return static_student(
            start.teacher,
            start.tokenizer,
            sources,
            self._config(len(sources), start.segments),
            dropout=start.dropout,
            seed=start.seed,
            table_bits=self.table_bits,
        )

    def random(self, start: Start) -> nn.Module:
        """See `StudentFamily.random`."""
        from distill.students.networks.static import random_student

        config = self._config(len(start.sources), start.segments)
        return random_student(config, start.teacher.task, start.dropout, start.seed, self.table_bits)

    def _config(self, vocabulary: int, segments: int) -> StaticConfig:
        from distill.students.networks.static import StaticConfig

        return StaticConfig(
            vocabulary, self.width, self.window_channels, self.hash_buckets, self.ngrams, self.hidden, segments
        )

    @staticmethod
    def parameter_groups(
        model: Any, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """See `StudentFamily.parameter_groups`."""
        from distill.students.networks.static import parameter_groups

        return parameter_groups(
            model,
            body_learning_rate=body_learning_rate,
            head_learning_rate=head_learning_rate,
            weight_decay=weight_decay,
        )

    @staticmethod
    def save(model: Any, tokenizer: Any, folder: Path) -> None:
        """See `StudentFamily.save`."""
        from distill.students.networks.static_files import save_static

        save_static(model, tokenizer, folder)

    @staticmethod
    def load(folder: Path, task: Task) -> nn.Module:
        """See `StudentFamily.load`."""
        from distill.students.networks.static_files import load_static

        return load_static(folder, task)

    @staticmethod
    def export(model: Any, path: Path, max_tokens: int) -> dict[str, int]:
        """See `StudentFamily.export`; the graph reads texts of any length."""
        from distill.students.networks.static_files import export_static

        return export_static(model, path)

    @staticmethod
    def published_config(folder: Path) -> dict[str, Any]:
        """See `StudentFamily.published_config`."""
        from distill.students.networks.static_files import published_config

        return published_config(folder)
