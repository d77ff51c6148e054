"""Mean pooling as a product of the mask and the hidden states: the same sum whatever stands beside a text.

PyTorch exports ``(hidden * mask).sum(dim=1)`` as Mul and ReduceSum, and ONNX Runtime's ReduceSum adds tokens up in
an order that depends on the number of texts: all that came before is equal to the bit in every batch, and a text's
scores are not. A MatMul multiplies text by text, and to its sum over tokens padding adds zeros at the end.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

TOKEN_AXIS = 1

MASK = "attention_mask"

# between the mask as it comes in and the mask as it is multiplied, (B, T) to (B, T, 1)
MASK_STEPS = ("Cast", "Unsqueeze")


def pool_by_product(model: onnx.ModelProto) -> int:
    """Replace each masked sum over tokens, ``(B, T, H), (B, T, 1) -> (B, H)``, in place; gives their number."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    found = 0
    for node in list(graph.node):
        product = producers.get(node.input[0]) if node.op_type == "ReduceSum" else None
        if product is None or product.op_type != "Mul" or not _sums_tokens(node, graph, producers):
            continue
        masks = [name for name in product.input if _is_mask(name, producers)]
        if len(masks) != 1 or sum(node.input[0] in other.input for other in graph.node) != 1:
            continue
        hidden = next(name for name in product.input if name != masks[0])
        _replace(graph, node, product, hidden, masks[0])
        found += 1
    return found


def _replace(graph: Any, reduce: Any, product: Any, hidden: str, mask: str) -> None:
    output = reduce.output[0]
    row, pooled, axes = f"{output}.mask", f"{output}.product", f"{output}.axes"
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
    """Whether a ReduceSum is over the tokens alone and keeps no axis of them."""
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


def _is_mask(name: str, producers: dict[str, Any]) -> bool:
    """Whether this is the attention mask, with an axis more and as numbers of another type."""
    while name != MASK:
        node = producers.get(name)
        if node is None or node.op_type not in MASK_STEPS:
            return False
        name = node.input[0]
    return True
