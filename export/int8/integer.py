"""The int8 building blocks: a table looked up by rows, a weight stored small, a product computed in integers."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from distill.export.graph.rewrite import EXACT_GELU, Rewriter
from distill.export.int8.packing import PLANES
from distill.export.int8.ranges import UINT8_MAX, InputScale
from distill.export.int8.tables import narrow_lookup, narrow_table

CONTRIB = "com.microsoft"

MIN_TABLE_ROWS = 8  # a table of token types is too small to be worth a scale per row

INT8_MAX = 127

# 255 * 63 * 2 stays within 16 bits, where CPUs without VNNI add pairs of products and would cut off the rest
SEVEN_BITS_MAX = 63

UINT8_ZERO = 128

# exact GELU never goes below -0.17, so its outputs can use all of an unsigned integer's range
GELU_DEPTH = 0.17

# a token of zeros alone would divide zero by zero
MIN_SCALE = np.float32(1e-9)


@dataclass(frozen=True)
class IntegerInput:
    """A hidden state in uint8; ``value = factor * (integer - zero_point) * scale - shift``.

    `integers`, `scale` (scalar) and `zero_point` are names in the graph; `factor` is the name of one
    value a token ``(B, T, 1)`` or None for 1. What stands in `smoothing` ``(H,)`` was divided out of the
    channels beforehand, and belongs into the weight's rows.
    """

    integers: str
    scale: str
    zero_point: str
    factor: str | None
    shift: float
    smoothing: NDArray[np.float32] | None


class Inputs(Protocol):
    """A way to turn a hidden state (B, T, H) into integers, once for all products that read it."""

    def integers(self, name: str) -> IntegerInput:
        """The uint8 form of the hidden state `name`."""
        ...


class TokenInputs:
    """Scales that each token gets from its own largest value, when the graph runs."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._made: dict[str, IntegerInput] = {}

    def integers(self, name: str) -> IntegerInput:
        """The uint8 form of the hidden state `name`."""
        if name not in self._made:
            producer = self._rewriter.producers[name].op_type
            self._made[name] = self._from_zero(name) if producer in EXACT_GELU else self._symmetric(name)
        return self._made[name]

    def _symmetric(self, name: str) -> IntegerInput:
        """-max..max as 1..255."""
        rewriter = self._rewriter
        size = rewriter.add("Abs", [name], f"{name}.abs")
        factor = self._factor(name, size, np.float32(1 / INT8_MAX))
        # adding 0.5 and cutting off, as Cast does, rounds in one operator less
        middle = rewriter.constant("uint8_middle", np.asarray(np.float32(UINT8_ZERO + 0.5)))
        divided = rewriter.add("Div", [name, factor], f"{name}.divided")
        return self._cast(name, rewriter.add("Add", [divided, middle], f"{name}.moved"), factor, UINT8_ZERO)

    def _from_zero(self, name: str) -> IntegerInput:
        """-0.17..max as 0..255; the shift becomes a constant behind the product."""
        rewriter = self._rewriter
        depth = rewriter.constant("gelu_depth", np.asarray(np.float32(GELU_DEPTH)))
        moved = rewriter.add("Add", [name, depth], f"{name}.moved")
        factor = self._factor(name, moved, np.float32(1 / UINT8_MAX))
        divided = rewriter.add("Div", [moved, factor], f"{name}.divided")
        half = rewriter.constant("half", np.asarray(np.float32(0.5)))
        return self._cast(name, rewriter.add("Add", [divided, half], f"{name}.rounded"), factor, 0, GELU_DEPTH)

    def _factor(self, name: str, size: str, step: np.float32) -> str:
        """One value a token: ``(B, T, H) -> (B, T, 1)``."""
        rewriter = self._rewriter
        axes = rewriter.constant("last_axis", np.array([-1], dtype=np.int64))
        peak = rewriter.add("ReduceMax", [size, axes], f"{name}.peak", keepdims=1)
        scaled = rewriter.add(
            "Mul", [peak, rewriter.constant(f"step_{step:.6f}", np.asarray(step))], f"{name}.step"
        )
        return rewriter.add(
            "Max", [scaled, rewriter.constant("min_scale", np.asarray(MIN_SCALE))], f"{name}.factor"
        )

    def _cast(self, name: str, value: str, factor: str, zero: int, shift: float = 0.0) -> IntegerInput:
        rewriter = self._rewriter
        integers = rewriter.add("Cast", [value], f"{name}.uint8", to=TensorProto.UINT8)
        one = rewriter.constant("one", np.asarray(np.float32(1)))
        zero_point = rewriter.constant(f"zero_point_{zero}", np.asarray(np.uint8(zero)))
        return IntegerInput(integers, one, zero_point, factor, shift, None)


class StaticInputs:
    """Scales fixed beforehand."""

    def __init__(self, rewriter: Rewriter, scales: dict[str, InputScale]) -> None:
        self._rewriter = rewriter
        self._scales = scales
        self._made: dict[str, IntegerInput] = {}

    def integers(self, name: str) -> IntegerInput:
        """The uint8 form of the hidden state `name`."""
        if name not in self._made:
            rewriter, fitted = self._rewriter, self._scales[name]
            inverse = rewriter.constant(f"{name}.smoothing", 1 / fitted.smoothing)
            scale = rewriter.constant(f"{name}.scale", np.asarray(fitted.scale))
            zero_point = rewriter.constant(f"{name}.zero_point", np.asarray(fitted.zero_point))
            smooth = rewriter.add("Mul", [name, inverse], f"{name}.smooth")
            integers = rewriter.add("QuantizeLinear", [smooth, scale, zero_point], f"{name}.uint8")
            self._made[name] = IntegerInput(integers, scale, zero_point, None, 0.0, fitted.smoothing)
        return self._made[name]


def integer_product(rewriter: Rewriter, node: Any, inputs: Inputs) -> None:
    """``(B, T, K) x (K, N) -> (B, T, N)`` in integers, in place of an fp32 MatMul."""
    out = node.output[0]
    hidden = inputs.integers(node.input[0])
    weight = rewriter.weight(node.input[1])  # (K, N)
    if hidden.smoothing is not None:
        weight = weight * hidden.smoothing[:, None]
    values, scale = rounded(weight, SEVEN_BITS_MAX, axis=0)
    names = [
        hidden.integers,
        rewriter.constant(f"{out}.weight", values),
        hidden.scale,
        rewriter.constant(f"{out}.scale", scale[0]),
        hidden.zero_point,
    ]
    # without a factor and a shift the product is the output already
    stages = [hidden.factor is not None, hidden.shift != 0]
    product = rewriter.add("MatMulIntegerToFloat", names, f"{out}.product" if any(stages) else out, domain=CONTRIB)
    if hidden.factor is not None:
        product = rewriter.add("Mul", [product, hidden.factor], f"{out}.scaled" if stages[1] else out)
    if stages[1]:
        moved = np.float32(-hidden.shift) * (values.astype(np.float32) * scale).sum(axis=0)  # (N,)
        rewriter.add("Add", [product, rewriter.constant(f"{out}.shift", moved)], out)


def stored_weight(rewriter: Rewriter, node: Any) -> str:
    """The weight of a MatMul, int8 in the file and fp32 in memory.

    Cast and Mul, not DequantizeLinear: ONNX Runtime folds these into an fp32 weight at load time, while it
    turns that one into an operator that rounds the activations as well.
    """
    out = node.output[0]
    values, scale = rounded(rewriter.weight(node.input[1]), INT8_MAX, axis=0)  # (K, N), (1, N)
    stored = rewriter.constant(f"{out}.weight", values)
    wide = rewriter.add("Cast", [stored], f"{out}.wide", to=TensorProto.FLOAT)
    return rewriter.add("Mul", [wide, rewriter.constant(f"{out}.scale", scale[0])], f"{out}.restored")


def is_table(rewriter: Rewriter, node: Any) -> bool:
    """Whether this node looks rows up in an embedding table worth quantizing."""
    if node.op_type != "Gather" or not rewriter.is_matrix(node.input[0]):
        return False
    return len(rewriter.weight(node.input[0])) >= MIN_TABLE_ROWS


def lookup(rewriter: Rewriter, node: Any, bits: int) -> None:
    """Gather rows of 8 bits or fewer (..., H) and the scale of each (..., 1) in place of fp32 rows."""
    table, ids = node.input
    out = node.output[0]
    if bits in PLANES:
        narrow_lookup(rewriter, table, ids, bits, out)
        return
    stored, scale = _stored_table(rewriter, table)
    rows = rewriter.add("Gather", [stored, ids], f"{out}.int8")
    factor = rewriter.add("Gather", [scale, ids], f"{out}.scale")
    wide = rewriter.add("Cast", [rows], f"{out}.wide", to=TensorProto.FLOAT)
    rewriter.add("Mul", [wide, factor], out)


def restored_table(rewriter: Rewriter, table: str, bits: int) -> str:
    """An embedding table (V, H), of 8 bits or fewer in the file and fp32 in memory."""
    name = f"{table}.restored"
    if name in rewriter.made:
        return name
    if bits in PLANES:
        narrow_table(rewriter, table, bits, name)
    else:
        stored, scale = _stored_table(rewriter, table)
        wide = rewriter.add("Cast", [stored], f"{table}.wide", to=TensorProto.FLOAT)
        rewriter.add("Mul", [wide, scale], name)
    return name


def _stored_table(rewriter: Rewriter, table: str) -> tuple[str, str]:
    """The names of a table's int8 values (V, H) and of the scale of each row (V, 1)."""
    values, scale = rounded(rewriter.weight(table), INT8_MAX, axis=1)
    return rewriter.constant(f"{table}.int8", values), rewriter.constant(f"{table}.scale", scale)


def rounded(
    values: NDArray[np.float32], largest: int, *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 values and their scales, one for each slice along `axis`."""
    peak = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.maximum(peak / np.float32(largest), MIN_SCALE).astype(np.float32)
    return np.clip(np.rint(values / scale), -largest, largest).astype(np.int8), scale
