"""Residual sums and layer norms as two operators, since ONNX Runtime's fused one is several times slower on a CPU.

Its SkipLayerNormalization adds and averages number by number, its LayerNormalization in vectors: 44 tokens of 384
take 66 and 7 microseconds (1.32, one thread). The sum is a Sum and not an Add, because onnxruntime would fuse an
Add with the norm behind it again when it opens the graph.
"""

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import helper

FUSED = "SkipLayerNormalization"

# inputs of the fused operator: the summands, then weight and bias of the norm
SUMMANDS, NORM_WEIGHTS = (0, 1, 4), (2, 3)

SUM_OUTPUT = 3  # the output that may hold the sum itself

# the fused operator's default; LayerNormalization's is another
FUSED_EPSILON = 1e-12


def split_residual_norms(model: onnx.ModelProto) -> int:
    """Replace each SkipLayerNormalization ``(B, T, H), (B, T, H) -> (B, T, H)`` in place; return their number."""
    graph = model.graph
    kept: list[Any] = []
    replaced = 0
    for node in graph.node:
        if node.op_type == FUSED:
            kept += _parts(node)
            replaced += 1
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    return replaced


def _parts(node: Any) -> Iterator[Any]:
    output = node.output[0]
    has_sum = len(node.output) > SUM_OUTPUT and node.output[SUM_OUTPUT]
    summed = node.output[SUM_OUTPUT] if has_sum else f"{output}.sum"
    summands = [node.input[place] for place in SUMMANDS if place < len(node.input) and node.input[place]]
    yield helper.make_node("Sum", summands, [summed], summed)
    weights = [node.input[place] for place in NORM_WEIGHTS if place < len(node.input)]
    epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), FUSED_EPSILON)
    yield helper.make_node("LayerNormalization", [summed, *weights], [output], output, axis=-1, epsilon=epsilon)
