"""The ONNX graph of a static student, built node by node: operator calls take as long per text as matmuls.

Its contract is that of every graph here: int64 `input_ids` and `attention_mask`, and `token_type_ids` where rows
are turns with context, all ``(batch, sequence)``, to float32 `logits` ``(batch, C)``. In shapes, W is the sequence
with rows of "no token" on both sides.

What the window computes for a token at each of its places depends on the token alone. These products of a table
and a weight are constants of the graph: the file holds their factors, onnxruntime multiplies them once, while it
opens the graph, and a text only looks rows up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from distill.export.graph import names
from distill.export.graph.builder import GraphBuilder
from distill.export.graph.model import CONTRIB, LOGITS, OPSET, count_operators

Floats = npt.NDArray[np.float32]

# read by every onnxruntime that reads OPSET
IR_VERSION = 8

COUNTED = ("Gather", "MatMul", "Gemm", "ReduceMax", "BiasGelu")

# columns without a token behind the context: a matrix product adds the last few tokens up apart from the others,
# and these must be none whatever the batch is
CONTEXT_PADDING = 8

# what is added to the score of a token outside of a part of the context: its share is 0 in float32
OUTSIDE = -2e4

# an end of a Slice far beyond any text
TO_THE_END = 2**31


@dataclass(frozen=True)
class Window:
    """A 1-D convolution over `tokens` neighbouring token vectors."""

    tokens: int
    weight: Floats  # (tokens * D, channels), the places one above the other
    bias: Floats  # (channels,)


@dataclass(frozen=True)
class ContextWeights:
    """Weights of a student that reads turns: the shares of tokens in the context, by token and by distance.

    `parts` is 1 if only one turn is read: the newest turn; else 2: that one, and those before it.
    """

    weights: Floats  # (V + 1,)
    distances: Floats  # (segments,)
    parts: int


@dataclass(frozen=True)
class StaticWeights:
    """All numbers of a static student; row 0 of each table means "no token"."""

    edge: int  # rows of "no token" that a window needs on each side of a text
    vectors: Floats  # (V + 1, D)
    weights: Floats  # (V + 1,)
    ngrams: tuple[Floats, ...]  # (buckets, D), for n-grams of 2 tokens, of 3, ...; buckets is a power of two
    factors: tuple[int, ...]  # of the hash, one per place of the longest n-gram
    window: Window | None
    norm: tuple[Floats, Floats, float]  # scale (F,), bias (F,) and epsilon
    up: tuple[Floats, Floats]  # (F, H), (H,)
    head: tuple[Floats, Floats]  # (H, C), (C,)
    context: ContextWeights | None = None


def write_static_graph(weights: StaticWeights, target: Path) -> dict[str, int]:
    """Write the fp32 graph with raw logits, and return its number of nodes per operator."""
    builder = GraphBuilder(_empty_model(weights.head[0].shape[1], turns=weights.context is not None))
    _ints(builder, names.AXIS, [1])
    inside = _inside(builder)
    none = _none(builder)
    contexts = []
    if weights.context is not None:
        contexts.append(_contexts(builder, weights, weights.context, inside, none))
        inside = _own(builder, len(weights.context.distances), inside)
    numbers, longest = _numbers(builder, weights, inside, none), len(weights.ngrams) + 1
    rows = _part(builder, numbers, 0, longest - 1, "rows") if longest > 1 else numbers  # (B, W)
    tables = {_floats(builder, names.VECTORS, weights.vectors): rows}
    for length, bucket in enumerate(_buckets(builder, weights, numbers, rows), start=2):
        tables[_floats(builder, names.ngram_table(length), weights.ngrams[length - 2])] = bucket
    vectors = [builder.add("Gather", [table, places], f"of_{table}") for table, places in tables.items()]
    hidden = builder.add("Sum", vectors, "hidden_state") if len(vectors) > 1 else vectors[0]  # (B, W, D)
    pooled = [_mean(builder, weights, rows, hidden), _maximum(builder, hidden, "strongest")]
    if weights.window is not None:
        pooled.append(_windows(builder, weights.window, tables))
    pooled += contexts
    features = builder.add("Concat", pooled, "pooled", axis=1)  # (B, F)
    _mlp(builder, weights, features)
    builder.write(target)
    return count_operators(builder.model, COUNTED)


def _floats(builder: GraphBuilder, name: str, values: npt.ArrayLike) -> str:
    return builder.constant(name, values, np.float32)


def _ints(builder: GraphBuilder, name: str, values: npt.ArrayLike) -> str:
    return builder.constant(name, values, np.int64)


def _part(builder: GraphBuilder, value: str, start: int, drop: int, output: str) -> str:
    """Slice `value` along axis 1 from `start` on, without the last `drop`."""
    begin = _ints(builder, names.slice_start(start), [start])
    end = _ints(builder, names.slice_end(-drop), [-drop if drop else TO_THE_END])
    return builder.add("Slice", [value, begin, end, names.AXIS], output)


def _inside(builder: GraphBuilder) -> str:
    """Add the row numbers ``(B, T)``, 0 for no token."""
    moved = builder.add("Add", ["input_ids", _ints(builder, names.FIRST_ROW, 1)], "moved")
    return builder.add("Mul", [moved, "attention_mask"], "inside")


def _none(builder: GraphBuilder) -> str:
    """Add a column of row numbers of no token, as high as the batch ``(B, 1)``."""
    # Pad would need one node, but a hostile file could ask it for gigabytes
    start, end = _ints(builder, names.slice_start(0), [0]), _ints(builder, names.slice_end(1), [1])
    first = builder.add("Slice", ["input_ids", start, end, names.AXIS], "first")
    return builder.add("Mul", [first, _ints(builder, names.NO_TOKEN, 0)], "none")


def _contexts(
    builder: GraphBuilder, weights: StaticWeights, context: ContextWeights, inside: str, none: str
) -> str:
    """Add the weighted means of the token vectors in each part of the context, side by side: ``(B, P D)``.

    All parts share one look-up, because every node takes as long as many products: a token has a share in each
    part, which is 0 outside of its own, and no token has the shares of a part that is empty.
    """
    rows, types = (
        builder.add("Concat", [value, *[none] * CONTEXT_PADDING], f"{value}_padded", axis=1)  # (B, T + 8)
        for value in (inside, "token_type_ids")
    )
    shares, parts = context.weights.copy(), np.full((context.parts, len(context.distances)), OUTSIDE, np.float32)
    shares[0] = -OUTSIDE / 2  # above all tokens of other parts, and below those of the part itself
    for part, of_part in zip(parts, (slice(1, 2), slice(2, None)), strict=False):
        part[of_part] = context.distances[of_part]
    given = builder.add("Gather", [_floats(builder, names.CONTEXT_WEIGHTS, shares), rows], "context_given")
    table = _floats(builder, names.DISTANCES, parts)
    near = builder.add("Gather", [table, types], "nearness", axis=1)  # (P, B, T + 8)
    score = builder.add("Add", [given, near], "context_scores")
    share = builder.add("Softmax", [score], "context_shares", axis=-1)
    mixed = builder.add("Transpose", [share], "context_rows", perm=[1, 0, 2])  # (B, P, T + 8)
    vectors = builder.add(
        "Gather", [_floats(builder, names.VECTORS, weights.vectors), rows], "context_vectors"
    )  # (B, T + 8, D)
    means = builder.add("MatMul", [mixed, vectors], "context_means")  # (B, P, D)
    flat = _ints(builder, names.CONTEXT_SHAPE, [0, context.parts * weights.vectors.shape[1]])
    return builder.add("Reshape", [means, flat], "contexts")


def _own(builder: GraphBuilder, segments: int, inside: str) -> str:
    """Add the row numbers of the decided turns alone, as long as the longest of them: ``(B, T) -> (B, T')``."""
    is_own = _ints(builder, names.IS_OWN, [1] + [0] * (segments - 1))
    of_target = builder.add("Gather", [is_own, "token_type_ids"], "of_target")
    own = builder.add("Mul", [of_target, "attention_mask"], "own")  # padding has type 0 too
    rows = builder.add("Mul", [inside, own], "own_rows")
    counts = builder.add("ReduceSum", [own, names.AXIS], "own_counts", keepdims=0)  # (B,)
    first_axis = _ints(builder, names.slice_start(0), [0])
    longest = builder.add("ReduceMax", [counts, first_axis], "own_longest", keepdims=1)  # (1,)
    return builder.add("Slice", [rows, first_axis, longest, names.AXIS], "own_part")


def _numbers(builder: GraphBuilder, weights: StaticWeights, inside: str, none: str) -> str:
    """Add rows of no token around the row numbers: ``(B, T) -> (B, W + longest - 1)``."""
    # n-grams begin before the text by their length
    around = [none] * (weights.edge + len(weights.ngrams))
    # with one more, every text has a window of "no token" alone, whose 0 counts in its maximum
    beyond = [none] if weights.window is not None else []
    return builder.add("Concat", [*around, inside, *around, *beyond], "numbers", axis=1)


def _buckets(builder: GraphBuilder, weights: StaticWeights, numbers: str, rows: str) -> list[str]:
    """Add, for each length of n-grams, the bucket of the n-gram that begins at each place ``(B, W)``."""
    longest = len(weights.ngrams) + 1
    mask = _ints(builder, names.HASH_MASK, len(weights.ngrams[0]) - 1) if weights.ngrams else ""
    buckets, total = [], ""
    for place in range(longest if weights.ngrams else 0):
        shifted = _part(builder, numbers, place, longest - 1 - place, f"shifted_{place}") if place else rows
        factor = _ints(builder, names.hash_factor(place), weights.factors[place])
        product = builder.add("Mul", [shifted, factor], f"product_{place}")
        total = builder.add("Add", [total, product], f"sum_{place}") if place else product
        if place:
            buckets.append(builder.add("BitwiseAnd", [total, mask], f"buckets_{place + 1}"))
    return buckets


def _mean(builder: GraphBuilder, weights: StaticWeights, rows: str, hidden: str) -> str:
    """Add the weighted mean of the token vectors: ``(B, W, D) -> (B, D)``."""
    token_weights = _floats(builder, names.TOKEN_WEIGHTS, weights.weights)
    shares = builder.add("Softmax", [builder.add("Gather", [token_weights, rows], "given")], "shares", axis=-1)
    row = builder.add("Unsqueeze", [shares, names.AXIS], "shares_row")
    mean = builder.add("MatMul", [row, hidden], "mean_row")
    return builder.add("Squeeze", [mean, names.AXIS], "mean")


def _maximum(builder: GraphBuilder, value: str, output: str) -> str:
    """Add the maximum along a text: ``(B, W, N) -> (B, N)``."""
    return builder.add("ReduceMax", [value, names.AXIS], output, keepdims=0)


def _windows(builder: GraphBuilder, window: Window, tables: Mapping[str, str]) -> str:
    """Add the value of each channel of the window for a text ``(B, channels)``.

    Args:
        builder: the graph.
        window: the weights.
        tables: row numbers ``(B, W)`` per table; the rows of all tables add up to a token's vector.
    """
    last = window.tokens - 1
    weights = [
        _floats(builder, names.window_weight(place), weight)
        for place, weight in enumerate(np.split(window.weight, window.tokens))
    ]
    parts = []
    for table, rows in tables.items():
        for place, weight in enumerate(weights):
            product = builder.add("MatMul", [table, weight], names.table_at(table, place))  # (rows, channels)
            seen = _part(builder, rows, place, last - place, f"{rows}_at_{place}")
            parts.append(builder.add("Gather", [product, seen], f"of_{table}_at_{place}"))
    products = builder.add("Sum", parts, "products")  # (B, W - tokens + 1, channels)
    bias = _floats(builder, names.WINDOW_BIAS, window.bias)
    strongest = _maximum(builder, products, "strongest_product")
    return builder.add("BiasGelu", [strongest, bias], "window_features", domain=CONTRIB)


def _mlp(builder: GraphBuilder, weights: StaticWeights, features: str) -> None:
    """Add norm, hidden layer and head: ``(B, F) -> (B, C)``."""
    scale, bias, epsilon = weights.norm
    norm = [features, _floats(builder, names.NORM_SCALE, scale), _floats(builder, names.NORM_BIAS, bias)]
    normed = builder.add("LayerNormalization", norm, names.NORMED, axis=-1, epsilon=epsilon)
    wide = builder.add("MatMul", [normed, _floats(builder, names.UP_WEIGHT, weights.up[0])], names.WIDE)
    up_bias = _floats(builder, names.UP_BIAS, weights.up[1])
    hidden = builder.add("BiasGelu", [wide, up_bias], names.HIDDEN, domain=CONTRIB)
    head = [
        _floats(builder, names.HEAD_WEIGHT, weights.head[0]),
        _floats(builder, names.HEAD_BIAS, weights.head[1]),
    ]
    builder.add("Gemm", [hidden, *head], LOGITS)


def _empty_model(labels: int, *, turns: bool) -> onnx.ModelProto:
    """Return a model with the contract's inputs and output, and no nodes."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", *(("token_type_ids",) if turns else ()))
    ]
    outputs = [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["batch", labels])]
    graph = helper.make_graph([], "static", inputs, outputs)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
