"""The ONNX graph of a static student, node by node: a text costs as much in calls of operators as in products.

Its contract is that of every graph here: int64 `input_ids` and `attention_mask`, both ``(batch, sequence)``, to
float32 `logits` ``(batch, C)``. W stands for the sequence with the rows of "no token" on both sides.

What the window makes of a token at each of its places depends on the token alone. These products of a table and
a weight are constants of the graph: the file holds their factors, onnxruntime multiplies them once, while it opens
the graph, and a text is left with looking rows up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from distill.export.graph.from_torch import OPSET, count_operators, save

Floats = npt.NDArray[np.float32]

CONTRIB = "com.microsoft"

# what every onnxruntime that reads OPSET reads too
IR_VERSION = 8

COUNTED = ("Gather", "MatMul", "Gemm", "ReduceMax", "BiasGelu")

# an end of a Slice far beyond any text
TO_THE_END = 2**31


@dataclass(frozen=True)
class Window:
    """A 1-D convolution over so many neighbouring token vectors."""

    tokens: int
    weight: Floats  # (tokens * D, channels), one place above the other
    bias: Floats  # (channels,)


@dataclass(frozen=True)
class StaticWeights:
    """All numbers of a static student; row 0 of each table stands for "no token"."""

    edge: int  # rows of "no token" that a window needs on each side of a text
    vectors: Floats  # (V + 1, D)
    weights: Floats  # (V + 1,)
    ngrams: tuple[Floats, ...]  # (buckets, D), for n-grams of 2 tokens, of 3, ...; buckets is a power of two
    factors: tuple[int, ...]  # of the hash, one for each place of the longest n-gram
    window: Window | None
    norm: tuple[Floats, Floats, float]  # scale (F,), bias (F,) and epsilon
    up: tuple[Floats, Floats]  # (F, H), (H,)
    head: tuple[Floats, Floats]  # (H, C), (C,)


class _Builder:
    """Nodes and constants of a graph under way; every node is named after its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, values: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(values, dtype=kind), name)
        return name

    def ints(self, name: str, values: npt.ArrayLike) -> str:
        return self.constant(name, values, np.int64)

    def add(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def part(self, value: str, start: int, drop: int, output: str) -> str:
        """`value` along axis 1 from `start` on, without the last `drop`."""
        begin = self.ints(f"from_{start}", [start])
        end = self.ints(f"to_{-drop}", [-drop if drop else TO_THE_END])
        return self.add("Slice", [value, begin, end, "axis"], output)


def write_static_graph(weights: StaticWeights, target: Path) -> dict[str, int]:
    """Write the fp32 graph with raw logits; gives how many of which operators it has."""
    builder = _Builder()
    builder.ints("axis", [1])
    numbers, longest = _numbers(builder, weights), len(weights.ngrams) + 1
    rows = builder.part(numbers, 0, longest - 1, "rows") if longest > 1 else numbers  # (B, W)
    tables = {builder.constant("vectors", weights.vectors): rows}
    for length, bucket in enumerate(_buckets(builder, weights, numbers, rows), start=2):
        tables[builder.constant(f"table_{length}", weights.ngrams[length - 2])] = bucket
    found = [builder.add("Gather", [table, places], f"of_{table}") for table, places in tables.items()]
    hidden = builder.add("Sum", found, "hidden_state") if len(found) > 1 else found[0]  # (B, W, D)
    pooled = [_mean(builder, weights, rows, hidden), _maximum(builder, hidden, "strongest")]
    if weights.window is not None:
        pooled.append(_windows(builder, weights.window, tables))
    features = builder.add("Concat", pooled, "pooled", axis=1)  # (B, F)
    _mlp(builder, weights, features)
    model = _model(builder, weights.head[0].shape[1])
    save(model, target)
    return count_operators(model, COUNTED)


def _numbers(builder: _Builder, weights: StaticWeights) -> str:
    """Row numbers, 0 where there is no token: ``(B, T) -> (B, W + longest - 1)``."""
    moved = builder.add("Add", ["input_ids", builder.ints("first_row", 1)], "moved")
    inside = builder.add("Mul", [moved, "attention_mask"], "inside")
    # a column of zeros that is as high as the batch; Pad would do it in one node, and gigabytes if it were told to
    first = builder.add(
        "Slice", ["input_ids", builder.ints("from_0", [0]), builder.ints("to_1", [1]), "axis"], "first"
    )
    none = builder.add("Mul", [first, builder.ints("no_token", 0)], "none")
    # n-grams begin as much before the text as they are long
    around = [none] * (weights.edge + len(weights.ngrams))
    # one more, and every text has a window of "no token" alone, whose 0 counts in its maximum
    beyond = [none] if weights.window is not None else []
    return builder.add("Concat", [*around, inside, *around, *beyond], "numbers", axis=1)


def _buckets(builder: _Builder, weights: StaticWeights, numbers: str, rows: str) -> list[str]:
    """For each length of n-grams the bucket of the one that begins at each place ``(B, W)``."""
    longest = len(weights.ngrams) + 1
    mask = builder.ints("hash_mask", len(weights.ngrams[0]) - 1) if weights.ngrams else ""
    found, total = [], ""
    for place in range(longest if weights.ngrams else 0):
        shifted = builder.part(numbers, place, longest - 1 - place, f"shifted_{place}") if place else rows
        factor = builder.ints(f"factor_{place}", weights.factors[place])
        product = builder.add("Mul", [shifted, factor], f"product_{place}")
        total = builder.add("Add", [total, product], f"sum_{place}") if place else product
        if place:
            found.append(builder.add("BitwiseAnd", [total, mask], f"buckets_{place + 1}"))
    return found


def _mean(builder: _Builder, weights: StaticWeights, rows: str, hidden: str) -> str:
    """The weighted mean of the token vectors: ``(B, W, D) -> (B, D)``."""
    given = builder.add("Gather", [builder.constant("token_weights", weights.weights), rows], "given")
    shares = builder.add("Softmax", [given], "shares", axis=-1)
    mean = builder.add("MatMul", [builder.add("Unsqueeze", [shares, "axis"], "shares_row"), hidden], "mean_row")
    return builder.add("Squeeze", [mean, "axis"], "mean")


def _maximum(builder: _Builder, value: str, output: str) -> str:
    """The largest along a text: ``(B, W, N) -> (B, N)``."""
    return builder.add("ReduceMax", [value, "axis"], output, keepdims=0)


def _windows(builder: _Builder, window: Window, tables: Mapping[str, str]) -> str:
    """What each channel of the window makes of a text ``(B, channels)``.

    Args:
        builder: of the graph.
        window: its weights.
        tables: whose rows add up to a token's vector, each with the row numbers ``(B, W)``.

    """
    last = window.tokens - 1
    weights = [
        builder.constant(f"window_weight_{place}", weight)
        for place, weight in enumerate(np.split(window.weight, window.tokens))
    ]
    found = []
    for table, rows in tables.items():
        for place, weight in enumerate(weights):
            product = builder.add("MatMul", [table, weight], f"{table}_at_{place}")  # (rows, channels)
            seen = builder.part(rows, place, last - place, f"{rows}_at_{place}")
            found.append(builder.add("Gather", [product, seen], f"of_{table}_at_{place}"))
    products = builder.add("Sum", found, "products")  # (B, W - tokens + 1, channels)
    bias = builder.constant("window_bias", window.bias)
    strongest = _maximum(builder, products, "strongest_product")
    return builder.add("BiasGelu", [strongest, bias], "window_features", domain=CONTRIB)


def _mlp(builder: _Builder, weights: StaticWeights, features: str) -> None:
    """Norm, hidden layer and head: ``(B, F) -> (B, C)``."""
    scale, bias, epsilon = weights.norm
    inputs = [features, builder.constant("norm_scale", scale), builder.constant("norm_bias", bias)]
    normed = builder.add("LayerNormalization", inputs, "normed", axis=-1, epsilon=epsilon)
    wide = builder.add("MatMul", [normed, builder.constant("up_weight", weights.up[0])], "wide")
    hidden = builder.add("BiasGelu", [wide, builder.constant("up_bias", weights.up[1])], "hidden", domain=CONTRIB)
    head = [builder.constant("head_weight", weights.head[0]), builder.constant("head_bias", weights.head[1])]
    builder.add("Gemm", [hidden, *head], "logits")


def _model(builder: _Builder, labels: int) -> Any:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])]
    graph = helper.make_graph(builder.nodes, "static", inputs, outputs, list(builder.constants.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
