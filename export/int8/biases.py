"""Biases behind integer products become part of them: one pass over the hidden state less for each.

MatMulIntegerToFloat adds a bias while it turns its sums into floats. In the fused fp32 graph the operator behind
the product adds it: attention for its three inputs, GELU, or the residual sum.
"""

from collections import Counter
from typing import Any

import numpy as np

from distill.export.graph.rewrite import Rewriter

PRODUCT = "MatMulIntegerToFloat"

BIAS = 6  # its place among the product's inputs

ATTENTION_BIAS = 3  # its place among attention's, of query, key and value side by side


def take_biases_in(rewriter: Rewriter) -> int:
    """Move every bias that is added right behind an integer product into it; gives the number of products.

    A product whose output something else reads too, or is scaled first, stays as it is.
    """
    read = Counter(name for node in rewriter.nodes for name in node.input)
    products = {
        node.output[0]: node
        for node in rewriter.nodes
        if node.op_type == PRODUCT and len(node.input) <= BIAS and read[node.output[0]] == 1
    }
    taken = 0
    for node in rewriter.nodes:
        found = [products[name] for name in node.input if name in products]
        if node.op_type == "BiasGelu" and len(found) == 1:
            _give(found[0], node.input[1])
            node.op_type = "Gelu"
            del node.input[1]
        elif node.op_type == "Sum" and len(found) == 1 and rewriter.has(node.input[-1]):
            _give(found[0], node.input.pop())
        elif node.op_type == "MultiHeadAttention" and len(found) == ATTENTION_BIAS and node.input[ATTENTION_BIAS]:
            bias = rewriter.weight(node.input[ATTENTION_BIAS])
            for product, part in zip(found, np.split(bias, len(found)), strict=True):
                _give(product, rewriter.constant(f"{product.output[0]}.bias", part))
            node.input[ATTENTION_BIAS] = ""
        else:
            continue
        taken += len(found)
    return taken


def _give(product: Any, bias: str) -> None:
    product.input.extend([""] * (BIAS - len(product.input)))
    product.input.append(bias)
