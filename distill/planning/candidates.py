"""Which students a plan may choose among, what each costs by its shape alone, and how good it probably is.

How good is a guess until a student is trained. It comes from what was measured on GoEmotions with MiniLM as the
teacher (docs/results/LOG.md and distill/recipes/README.md; test macro-F1 as a share of the teacher's): three of
six layers 0.974 and 0.990, `compact` 3 x 192 0.965, `compact` 2 x 128 0.932 (on validation), `static` 128 wide
0.934 to 0.943. Between and beyond these points it says no more than: within a kind, more arithmetic is better.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from distill.recipe.student import StudentRecipe
from distill.students.compact import INTERMEDIATE_RATIO
from distill.teachers.bodies import evenly_spaced

# multiply-adds a token as a share of the teacher's, in halvings, and the teacher's macro-F1 kept; ascending
HALVINGS = (0.0, 1.0, 3.0, 4.75)

RETENTIONS = (1.0, 0.98, 0.965, 0.935)

# lost with each further halving: as between the last two points
LOSS_A_HALVING = 0.017

# what calling a layer's operators takes, as multiply-adds that take as long (p95 in int8-static, AVX-512 VNNI, of
# eight shapes from 2 x 64, 0.31 ms, to 3 x 384, 2.66 ms: a line through two of them is within 15 % of the others)
LAYER_CALLS = 2e6

STATIC_WIDTH, STATIC_RETENTION, STATIC_LOSS_A_HALVING = 128, 0.94, 0.01

# one layer has not been measured to be worth its time; a recipe that names it gets it
DEPTHS = (2, 3, 4, 6)

WIDTHS = (64, 128, 192, 256, 384, 512)

HEAD_WIDTH = 32

STATIC_SHAPES = ((64, 64, 256), (128, 128, 512), (256, 256, 512))  # width, window_channels, hidden

# for a kind that the recipe did not have in mind: of the packaged recipes for GoEmotions
BODY_RATES = {"layers": 2e-4, "compact": 5e-4, "static": 1e-3}

HEAD_RATE = 1e-3

STATIC_EPOCHS = 5  # at least; each takes seconds

# where bytes count, a table of so few bits as still passes the gate with room, and what it is taken to lose
# (docs/results/quantization.md: nothing that could be told from chance); the same student with 8 goes before
NARROW_BITS, NARROW_BITS_STATIC = 5, 6

NARROW_LOSS = 0.002


@dataclass(frozen=True)
class Dimensions:
    """Layers, hidden size and feed-forward width of a transformer body."""

    depth: int
    width: int
    intermediate: int

    @property
    def layer_weights(self) -> int:
        """Weights in the matrices of all layers, each of which is one multiply-add a token."""
        return self.depth * self.width * (4 * self.width + 2 * self.intermediate)

    def work(self, tokens: float) -> float:
        """What a text of so many tokens costs, in multiply-adds: weights, attention, and calls of operators."""
        return tokens * (self.layer_weights + 2 * tokens * self.width * self.depth) + self.depth * LAYER_CALLS


@dataclass(frozen=True)
class Architecture:
    """A student without its precision: what it is called, its keys in [student], its shape, its tables' bits.

    `shape` has no layers for a static one.
    """

    name: str
    values: Mapping[str, Any]
    shape: Dimensions
    table_bits: int = 8

    @property
    def kind(self) -> str:
        """Its `student.kind`."""
        return str(self.values["kind"])

    @property
    def is_transformer(self) -> bool:
        """Whether it has layers with attention."""
        return self.shape.depth > 0

    def retention(self, teacher: Dimensions) -> float:
        """The share of the teacher's macro-F1 that it will probably keep."""
        lost = NARROW_LOSS if self.table_bits < 8 else 0.0
        if not self.is_transformer:
            halved = STATIC_LOSS_A_HALVING * float(np.log2(self.shape.width / STATIC_WIDTH))
            return STATIC_RETENTION + halved - lost
        halvings = float(np.log2(teacher.layer_weights / self.shape.layer_weights))
        beyond = max(0.0, halvings - HALVINGS[-1])
        return float(np.interp(halvings, HALVINGS, RETENTIONS)) - LOSS_A_HALVING * beyond - lost

    def least_bytes(self, vocabulary: int) -> int:
        """What its int8 weights alone weigh with a table of so many pieces."""
        return vocabulary * self.shape.width * self.table_bits // 8 + self.shape.layer_weights


def candidate_architectures(
    student: StudentRecipe, teacher: Dimensions, *, table_bits: int = 8, narrow: bool = False
) -> list[Architecture]:
    """Every student that may be measured, each once; the recipe's own is among them.

    Args:
        student: the recipe's.
        teacher: its shape.
        table_bits: the recipe's.
        narrow: whether each may also have tables of fewer bits.
    """
    found = [*_layers(student, teacher), *_compact(student, teacher), *_static(student, teacher)]
    own = [replace(body, table_bits=table_bits) for body in {body.name: body for body in found}.values()]
    return own + ([_narrowed(body) for body in own if _narrow_bits(body) < table_bits] if narrow else [])


def _narrow_bits(body: Architecture) -> int:
    return NARROW_BITS if body.is_transformer else NARROW_BITS_STATIC


def _narrowed(body: Architecture) -> Architecture:
    bits = _narrow_bits(body)
    return replace(body, name=f"{body.name}, {bits}-bit tables", table_bits=bits)


def frozen_values(body: Architecture, student: StudentRecipe) -> dict[str, Any]:
    """The recipe's keys that make its student this one; another kind gets learning rates of its own."""
    values = dict(body.values)
    if body.kind != student.kind:
        values |= {"body_learning_rate": BODY_RATES[body.kind], "head_learning_rate": HEAD_RATE}
        if body.kind == "static":
            values["epochs"] = max(student.epochs, STATIC_EPOCHS)
    found = {f"student.{key}": value for key, value in values.items()}
    return found if body.table_bits == 8 else {**found, "export.table_bits": body.table_bits}


def _layers(student: StudentRecipe, teacher: Dimensions) -> list[Architecture]:
    own = student.layers if student.kind == "layers" and isinstance(student.layers, list) else []
    counts = {*range(min(2, teacher.depth), teacher.depth + 1), *([len(own)] if own else [])}
    found = []
    for count in sorted(counts):
        shape = Dimensions(count, teacher.width, teacher.intermediate)
        if student.layers == "auto":  # which ones is found out later
            found.append(
                Architecture(f"layers, {count}", {"kind": "layers", "layers": "auto", "depth": count}, shape)
            )
            continue
        layers = list(own) if count == len(own) else evenly_spaced(teacher.depth, count)
        name = f"layers {' '.join(map(str, layers))}"
        found.append(Architecture(name, {"kind": "layers", "layers": layers}, shape))
    return found


def _compact(student: StudentRecipe, teacher: Dimensions) -> list[Architecture]:
    shapes = {
        (depth, width): width // HEAD_WIDTH
        for depth in DEPTHS
        for width in WIDTHS
        if depth <= teacher.depth and width < teacher.width
    }
    if student.kind == "compact":
        shapes[student.depth, student.width] = student.heads
    return [
        Architecture(
            f"compact {depth} x {width}",
            {"kind": "compact", "depth": depth, "width": width, "heads": heads},
            Dimensions(depth, width, INTERMEDIATE_RATIO * width),
        )
        for (depth, width), heads in shapes.items()
    ]


def _static(student: StudentRecipe, teacher: Dimensions) -> list[Architecture]:
    shapes = [(width, window, 0, hidden) for width, window, hidden in STATIC_SHAPES if width <= teacher.width]
    if student.kind == "static":
        shapes.append((student.width, student.window_channels, student.hash_buckets, student.hidden))
    found = []
    for width, window, buckets, hidden in shapes:
        values = {"kind": "static", "width": width, "window_channels": window}
        # longer n-grams than the default's would need a table
        values |= {"hash_buckets": buckets, "hidden": hidden, "ngrams": student.ngrams if buckets else 2}
        name = f"static {width}" + (f", {buckets} buckets" if buckets else "")
        found.append(Architecture(name, values, Dimensions(0, width, 0)))
    return found
