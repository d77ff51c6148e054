"""The `layers` student: some of the teacher's layers, weights copied (DistilBERT, arXiv 1910.01108)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.students.shape import Dimensions, check_neurons, table_rows
from distill.students.start import Start
from distill.teachers.bodies import check_layers, depth_of, evenly_spaced, width_of

if TYPE_CHECKING:
    from torch import nn

    from distill.students.start import Texts

# with at most this many, a short training of each is affordable
FEW_CANDIDATES = 6

OPEN = "auto"


@final
@dataclass(frozen=True)
class LayersFamily:
    """Some of the teacher's layers.

    Attributes:
        layers: layers of the teacher, 0-based, ascending; None leaves them open.
        depth: number of layers.
        feed_forward: neurons that each feed-forward block keeps; None keeps all.
    """

    kind: ClassVar[str] = "layers"
    has_layers: ClassVar[bool] = True
    trains_as_int8: ClassVar[bool] = True
    body_learning_rate: ClassVar[float] = 2e-4
    least_epochs: ClassVar[int | None] = None
    narrow_table_bits: ClassVar[int] = 5

    layers: tuple[int, ...] | None
    depth: int
    feed_forward: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """See `StudentFamily.of`."""
        layers = None if values["layers"] == OPEN else tuple(values["layers"])
        return cls(layers, int(values["depth"]) if layers is None else len(layers), values.get("feed_forward"))

    @property
    def values(self) -> dict[str, Any]:
        """See `StudentFamily.values`."""
        narrow = {} if self.feed_forward is None else {"feed_forward": self.feed_forward}
        if self.layers is None:
            return {"kind": self.kind, "layers": OPEN, "depth": self.depth, **narrow}
        return {"kind": self.kind, "layers": list(self.layers), **narrow}

    @property
    def name(self) -> str:
        """See `StudentFamily.name`."""
        name = f"layers, {self.depth}" if self.layers is None else f"layers {' '.join(map(str, self.layers))}"
        return name if self.feed_forward is None else f"{name} of {self.feed_forward} neurons"

    @property
    def is_open(self) -> bool:
        """See `StudentFamily.is_open`."""
        return self.layers is None

    @property
    def width(self) -> int | None:
        """See `StudentFamily.width`."""
        return None

    def dimensions(self, teacher: Dimensions) -> Dimensions:
        """See `StudentFamily.dimensions`."""
        return Dimensions(self.depth, teacher.width, self.feed_forward or teacher.intermediate)

    def check_values(self) -> None:
        """See `StudentFamily.check_values`."""

    def check(self, config: Any) -> None:
        """See `StudentFamily.check`."""
        if self.layers is None:
            candidate_layers(depth_of(config), self.depth)
        else:
            check_layers(config, self.layers)
        check_neurons(config, self.feed_forward)

    def candidates(self, teacher: Dimensions, *, named: bool) -> list[Self]:
        """See `StudentFamily.candidates`."""
        counts = set(range(min(2, teacher.depth), teacher.depth + 1))
        neurons = self.feed_forward if named else None
        if self.layers is None:  # a later measurement chooses them
            return [type(self)(None, count, neurons) for count in sorted(counts)]
        named_layers = {self.depth: self.layers} if named else {}
        return [
            type(self)(named_layers.get(count) or tuple(evenly_spaced(teacher.depth, count)), count, neurons)
            for count in sorted(counts | named_layers.keys())
        ]

    def pieces_within(self, size: int, config: Any) -> int:
        """See `StudentFamily.pieces_within`."""
        return table_rows(size, width_of(config))

    def build(self, start: Start, texts: Texts) -> nn.Module:
        """See `StudentFamily.build`; a head that cannot be copied is drawn at random, so seed torch first."""
        from distill.students.networks.encoder import trim_embeddings
        from distill.students.networks.layers import layers_student

        if self.layers is None:
            raise TypeError("The layers are open. Choose them by a measurement before building a student.")
        model = layers_student(
            start.teacher,
            self.layers,
            pooling=start.pooling,
            dropout=start.dropout,
            neurons=self.feed_forward,
            texts=() if self.feed_forward is None else texts(),
            bar=start.bar,
        )
        return trim_embeddings(model, start.trimmed)

    def random(self, start: Start) -> nn.Module:
        """See `StudentFamily.random`."""
        # The choice of layers makes no difference to speed and size.
        layers = tuple(range(self.depth)) if self.layers is None else self.layers
        return replace(self, layers=layers).build(start, list)

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


def candidate_layers(depth: int, count: int) -> list[tuple[int, ...]]:
    """Return the choices of `count` of `depth` layers worth trying: all if there are few, else the usual ones.

    The usual ones are: the last, and the first, layers of `count` blocks of equal depth; layers evenly spaced from
    the first to the last; the first ones; the last ones; and each of these two with one layer replaced by one from
    the other end.

    Raises:
        InputError: `count` is below 1 or above `depth`.
    """
    if not 1 <= count <= depth:
        raise InputError(f"`depth` is {count}; the teacher has {depth} layers. Choose 1 to {depth} of them.")
    if math.comb(depth, count) <= FEW_CANDIDATES:
        return list(itertools.combinations(range(depth), count))
    first, last = tuple(range(count)), tuple(range(depth - count, depth))
    choices = [
        tuple((block + 1) * depth // count - 1 for block in range(count)),
        tuple(block * depth // count for block in range(count)),
        tuple(round(place * (depth - 1) / max(1, count - 1)) for place in range(count)),
        first,
        last,
        (0, *last[1:]),
        (*first[:-1], depth - 1),
    ]
    return list(dict.fromkeys(choices))
