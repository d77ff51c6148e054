"""Mean pooling as a matmul of the mask and the hidden states, whose sums do not depend on the batch.

PyTorch exports ``(hidden * mask).sum(dim=1)`` as Mul and ReduceSum, and ONNX Runtime's ReduceSum adds tokens up in
an order that depends on the number of texts. So hidden states would be bit-identical in every batch, and scores
would not. A MatMul works text by text, and padding only adds zeros at the end of its sum over tokens.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from distill.export.graph.names import axes_of

TOKEN_AXIS = 1

MASK = "attention_mask"

TYPES = "token_type_ids"

# operators between the mask as an input (B, T) and the mask as a factor (B, T, 1); the last two leave out tokens
# of some types
MASK_STEPS = ("Cast", "Unsqueeze", "Mul", "Equal")


def pool_by_matmul(model: onnx.ModelProto) -> int:
    """Replace each masked sum over tokens, ``(B, T, H), (B, T, 1) -> (B, H)``, in place; return their number."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    replaced = 0
    for node in list(graph.node):
        product = producers.get(node.input[0]) if node.op_type == "ReduceSum" else None
        if product is None or product.op_type != "Mul" or not _sums_tokens(node, graph, producers):
            continue
        masks = [name for name in product.input if MASK in _sources(name, graph, producers)]
        if len(masks) != 1 or sum(node.input[0] in other.input for other in graph.node) != 1:
            continue
        hidden = next(name for name in product.input if name != masks[0])
        _replace(graph, node, product, hidden, masks[0])
        replaced += 1
    return replaced


def _replace(graph: Any, reduce: Any, product: Any, hidden: str, mask: str) -> None:
    output = reduce.output[0]
    row, pooled, axes = f"{output}.mask", f"{output}.product", axes_of(output)
    graph.initializer.append(numpy_helper.from_array(np.array([TOKEN_AXIS], dtype=np.int64), axes))
    nodes = [
        helper.make_node("Transpose", [mask], [row], row, perm=[0, 2, 1]),  # (B, 1, T)
        helper.make_node("MatMul", [row, hidden], [pooled], pooled),  # (B, 1, H)
        helper.make_node("Squeeze", [pooled, axes], [output], output),  # (B, H)
    ]
    kept: list[Any] = []
    for node in graph.node:
        if node == reduce:
            kept += nodes
        elif node != product:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _sums_tokens(node: Any, graph: Any, producers: dict[str, Any]) -> bool:
    """Return whether a ReduceSum sums over the tokens alone and drops their axis."""
    keeps = next((item.i for item in node.attribute if item.name == "keepdims"), 1)
    return not keeps and len(node.input) == 2 and _constant(node.input[1], graph, producers) == [TOKEN_AXIS]


def _constant(name: str, graph: Any, producers: dict[str, Any]) -> list[int] | None:
    for item in graph.initializer:
        if item.name == name:
            return [int(value) for value in numpy_helper.to_array(item).ravel()]
    node = producers.get(name)
    if node is None or node.op_type != "Constant" or node.attribute[0].name != "value":
        return None
    return [int(value) for value in numpy_helper.to_array(node.attribute[0].t).ravel()]


def _sources(name: str, graph: Any, producers: dict[str, Any]) -> set[str]:
    """Return the inputs that a mask is made of; nothing where this is not the attention mask, or part of it.

    The mask may have one more axis and another type, and be multiplied by whether tokens are of one type.
    """
    if name in (MASK, TYPES):
        return {name}
    node = producers.get(name)
    if node is None or node.op_type not in MASK_STEPS:
        return set()
    parts = [
        _sources(part, graph, producers)
        for part in (node.input[:1] if node.op_type in ("Cast", "Unsqueeze") else node.input)
        if _constant(part, graph, producers) is None
    ]
    return set.union(*parts) if parts and all(parts) else set()
