"""Building blocks of int8 graphs: table lookups, weights stored in 8 bits, and integer matmuls."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from distill.export.graph import names
from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import EXACT_GELU
from distill.export.graph.model import CONTRIB
from distill.export.int8.biases import INTEGER_MATMUL
from distill.export.int8.packing import PLANES
from distill.export.int8.ranges import UINT8_MAX, InputScale
from distill.export.int8.tables import narrow_lookup, narrow_table

MIN_TABLE_ROWS = 8  # smaller tables, such as token types, are not worth a scale per row

INT8_MAX = 127

# 255 * 63 * 2 stays within 16 bits, in which CPUs without VNNI add pairs of products, and saturate
SEVEN_BITS_MAX = 63

UINT8_ZERO = 128

# exact GELU never goes below -0.17, so its outputs can use the whole range of an unsigned integer
GELU_DEPTH = 0.17

# without a lower bound a token of zeros would divide zero by zero
MIN_SCALE = np.float32(1e-9)


@dataclass(frozen=True)
class IntegerInput:
    """A hidden state in uint8; ``value = factor * (integer - zero_point) * scale - shift``.

    `integers`, `scale` (scalar) and `zero_point` are names in the graph; `factor` is the name of one value per
    token ``(B, T, 1)``, or None for 1. The channels were divided by `smoothing` ``(H,)`` beforehand, so the
    weight's rows have to be multiplied by it.
    """

    integers: str
    scale: str
    zero_point: str
    factor: str | None
    shift: float
    smoothing: NDArray[np.float32] | None


class Inputs(Protocol):
    """A way to turn a hidden state (B, T, H) into integers, once for all matmuls that read it."""

    def integers(self, name: str) -> IntegerInput:
        """Return the hidden state `name` in uint8."""
        ...


class TokenInputs:
    """Scales per token, each from the token's own largest value when the graph runs."""

    def __init__(self, builder: GraphBuilder) -> None:
        self._builder = builder
        self._inputs: dict[str, IntegerInput] = {}

    def integers(self, name: str) -> IntegerInput:
        """Return the hidden state `name` in uint8."""
        if name not in self._inputs:
            producer = self._builder.producers[name].op_type
            self._inputs[name] = self._from_zero(name) if producer in EXACT_GELU else self._symmetric(name)
        return self._inputs[name]

    def _symmetric(self, name: str) -> IntegerInput:
        """Map -max..max to 1..255."""
        builder = self._builder
        size = builder.add("Abs", [name], f"{name}.abs")
        factor = self._factor(name, size, np.float32(1 / INT8_MAX))
        # adding 0.5 and truncating, as Cast does, rounds with one operator less
        middle = builder.constant(names.UINT8_MIDDLE, np.asarray(np.float32(UINT8_ZERO + 0.5)))
        divided = builder.add("Div", [name, factor], f"{name}.divided")
        return self._cast(name, builder.add("Add", [divided, middle], f"{name}.moved"), factor, UINT8_ZERO)

    def _from_zero(self, name: str) -> IntegerInput:
        """Map -0.17..max to 0..255; the shift becomes a constant behind the matmul."""
        builder = self._builder
        depth = builder.constant(names.GELU_DEPTH, np.asarray(np.float32(GELU_DEPTH)))
        moved = builder.add("Add", [name, depth], f"{name}.moved")
        factor = self._factor(name, moved, np.float32(1 / UINT8_MAX))
        divided = builder.add("Div", [moved, factor], f"{name}.divided")
        half = builder.constant(names.HALF, np.asarray(np.float32(0.5)))
        return self._cast(name, builder.add("Add", [divided, half], f"{name}.rounded"), factor, 0, GELU_DEPTH)

    def _factor(self, name: str, size: str, step: np.float32) -> str:
        """Add one value per token: ``(B, T, H) -> (B, T, 1)``."""
        builder = self._builder
        axes = builder.constant(names.LAST_AXIS, np.array([-1], dtype=np.int64))
        peak = builder.add("ReduceMax", [size, axes], f"{name}.peak", keepdims=1)
        scaled = builder.add("Mul", [peak, builder.constant(names.step(float(step)), step)], f"{name}.step")
        return builder.add("Max", [scaled, builder.constant(names.MIN_SCALE, MIN_SCALE)], f"{name}.factor")

    def _cast(self, name: str, value: str, factor: str, zero: int, shift: float = 0.0) -> IntegerInput:
        builder = self._builder
        integers = builder.add("Cast", [value], f"{name}.uint8", to=TensorProto.UINT8)
        one = builder.constant(names.ONE, np.asarray(np.float32(1)))
        zero_point = builder.constant(names.zero_point(zero), np.asarray(np.uint8(zero)))
        return IntegerInput(integers, one, zero_point, factor, shift, None)


class StaticInputs:
    """Scales that were fitted beforehand, one per hidden state."""

    def __init__(self, builder: GraphBuilder, scales: dict[str, InputScale]) -> None:
        self._builder = builder
        self._scales = scales
        self._inputs: dict[str, IntegerInput] = {}

    def integers(self, name: str) -> IntegerInput:
        """Return the hidden state `name` in uint8."""
        if name not in self._inputs:
            builder, fitted = self._builder, self._scales[name]
            inverse = builder.constant(names.smoothing_of(name), 1 / fitted.smoothing)
            scale = builder.constant(names.scale_of(name), np.asarray(fitted.scale))
            zero_point = builder.constant(names.zero_point_of(name), np.asarray(fitted.zero_point))
            smooth = builder.add("Mul", [name, inverse], f"{name}.smooth")
            integers = builder.add("QuantizeLinear", [smooth, scale, zero_point], f"{name}.uint8")
            self._inputs[name] = IntegerInput(integers, scale, zero_point, None, 0.0, fitted.smoothing)
        return self._inputs[name]


def integer_matmul(builder: GraphBuilder, node: Any, inputs: Inputs) -> None:
    """Add ``(B, T, K) x (K, N) -> (B, T, N)`` in integers, in place of an fp32 MatMul."""
    out = node.output[0]
    hidden = inputs.integers(node.input[0])
    weight = builder.weight(node.input[1])  # (K, N)
    if hidden.smoothing is not None:
        weight = weight * hidden.smoothing[:, None]
    values, scale = rounded(weight, SEVEN_BITS_MAX, axis=0)
    operands = [
        hidden.integers,
        builder.constant(names.weight_of(out), values),
        hidden.scale,
        builder.constant(names.scale_of(out), scale[0]),
        hidden.zero_point,
    ]
    has_factor, has_shift = hidden.factor is not None, hidden.shift != 0
    # without a factor and a shift the matmul is the output already
    name = f"{out}.product" if has_factor or has_shift else out
    product = builder.add(INTEGER_MATMUL, operands, name, domain=CONTRIB)
    if hidden.factor is not None:
        product = builder.add("Mul", [product, hidden.factor], f"{out}.scaled" if has_shift else out)
    if has_shift:
        shift = np.float32(-hidden.shift) * (values.astype(np.float32) * scale).sum(axis=0)  # (N,)
        builder.add("Add", [product, builder.constant(names.shift_of(out), shift)], out)


def stored_weight(builder: GraphBuilder, node: Any) -> str:
    """Add the weight of a MatMul, int8 in the file and fp32 in memory, and return its name.

    Cast and Mul, not DequantizeLinear: ONNX Runtime folds the former into an fp32 weight when it loads the graph,
    and turns the latter into an operator that rounds the activations as well.
    """
    out = node.output[0]
    values, scale = rounded(builder.weight(node.input[1]), INT8_MAX, axis=0)  # (K, N), (1, N)
    stored = builder.constant(names.weight_of(out), values)
    wide = builder.add("Cast", [stored], f"{out}.wide", to=TensorProto.FLOAT)
    return builder.add("Mul", [wide, builder.constant(names.scale_of(out), scale[0])], f"{out}.restored")


def is_table(builder: GraphBuilder, node: Any) -> bool:
    """Return whether this node looks rows up in an embedding table worth quantizing."""
    if node.op_type != "Gather" or not builder.is_matrix(node.input[0]):
        return False
    return len(builder.weight(node.input[0])) >= MIN_TABLE_ROWS


def lookup(builder: GraphBuilder, node: Any, bits: int) -> None:
    """Add the lookup of rows of 8 bits or fewer (..., H) and their scales (..., 1), in place of fp32 rows."""
    table, ids = node.input
    out = node.output[0]
    if bits in PLANES:
        narrow_lookup(builder, table, ids, bits, out)
        return
    stored, scale = _stored_table(builder, table)
    rows = builder.add("Gather", [stored, ids], f"{out}.int8")
    factor = builder.add("Gather", [scale, ids], f"{out}.scale")
    wide = builder.add("Cast", [rows], f"{out}.wide", to=TensorProto.FLOAT)
    builder.add("Mul", [wide, factor], out)


def restored_table(builder: GraphBuilder, table: str, bits: int) -> str:
    """Add an embedding table (V, H), of 8 bits or fewer in the file and fp32 in memory, and return its name."""
    name = f"{table}.restored"
    if name in builder.made:
        return name
    if bits in PLANES:
        narrow_table(builder, table, bits, name)
    else:
        stored, scale = _stored_table(builder, table)
        wide = builder.add("Cast", [stored], f"{table}.wide", to=TensorProto.FLOAT)
        builder.add("Mul", [wide, scale], name)
    return name


def _stored_table(builder: GraphBuilder, table: str) -> tuple[str, str]:
    """Store a table's int8 values (V, H) and the scale of each row (V, 1), and return their names."""
    values, scale = rounded(builder.weight(table), INT8_MAX, axis=1)
    return builder.constant(names.int8_of(table), values), builder.constant(names.scale_of(table), scale)


def rounded(
    values: NDArray[np.float32], largest: int, *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return symmetric int8 values and their scales, one per slice along `axis`."""
    peak = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.maximum(peak / np.float32(largest), MIN_SCALE).astype(np.float32)
    return np.clip(np.rint(values / scale), -largest, largest).astype(np.int8), scale
