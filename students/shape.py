"""The shape of a student or a teacher, and what it costs by its shape alone."""

from dataclasses import dataclass
from typing import Any

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import shape_keys

# time that calling the operators of one layer takes, as the multiply-adds that take as long (p95 in int8-static,
# AVX-512 VNNI, of eight shapes from 2 x 64, 0.31 ms, to 3 x 384, 2.66 ms: a line through two of them is within
# 15 % of the others)
LAYER_CALLS = 2e6

# the model type in a static student's config.json; transformers knows no model of this name
STATIC_TYPE = "static"

# the usual ratio of a transformer's feed-forward width to its width
INTERMEDIATE_RATIO = 4

# each row of a table in int8 has a float32 scale
SCALE_BYTES = 4


@dataclass(frozen=True)
class Dimensions:
    """Layers, hidden size and feed-forward width of a transformer body; without layers, of token vectors alone."""

    depth: int
    width: int
    intermediate: int

    @property
    def layer_weights(self) -> int:
        """Weights in the matrices of all layers, each of which is one multiply-add per token."""
        return self.depth * self.width * (4 * self.width + 2 * self.intermediate)

    def work(self, tokens: float) -> float:
        """Return the cost of one text in multiply-adds: weights, attention, and calls of operators.

        Args:
            tokens: length of the text.
        """
        return tokens * (self.layer_weights + 2 * tokens * self.width * self.depth) + self.depth * LAYER_CALLS


def dimensions_of(config: Any) -> Dimensions:
    """Return the dimensions of a supported body with this transformers configuration."""
    keys = shape_keys(config)
    return Dimensions(*(int(getattr(config, keys[name])) for name in ("depth", "width", "intermediate")))


def check_neurons(config: Any, neurons: int | None) -> None:
    """Refuse more neurons per feed-forward block than those of a teacher with this configuration.

    Raises:
        InputError: the blocks are narrower.
    """
    most = int(getattr(config, shape_keys(config)["intermediate"]))
    if neurons is not None and neurons > most:
        raise InputError(
            f"`feed_forward` is {neurons}, but the teacher's blocks have {most} neurons. Lower or remove it."
        )


def table_rows(size: int, row_bytes: int) -> int:
    """Return the number of rows of int8 tables that fit in `size` bytes; a row is `row_bytes` and a scale."""
    return size // (row_bytes + SCALE_BYTES)
