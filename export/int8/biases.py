"""Biases behind integer matmuls become part of them, which saves one pass over the hidden state per bias.

MatMulIntegerToFloat adds a bias while it turns its sums into floats. In the fused fp32 graph the bias is added by
the operator behind the matmul: attention for its three inputs, GELU, or the residual sum.
"""

from collections import Counter
from typing import Any

import numpy as np

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.names import bias_of

INTEGER_MATMUL = "MatMulIntegerToFloat"

BIAS = 6  # index of the bias among the matmul's inputs

ATTENTION_BIAS = 3  # index of the bias among attention's inputs; it holds query, key and value side by side


def absorb_biases(builder: GraphBuilder) -> int:
    """Move every bias that is added right behind an integer matmul into it, and return the number of matmuls.

    A matmul whose output has other readers too, or is scaled first, stays as it is.
    """
    readers = Counter(name for node in builder.nodes for name in node.input)
    matmuls = {
        node.output[0]: node
        for node in builder.nodes
        if node.op_type == INTEGER_MATMUL and len(node.input) <= BIAS and readers[node.output[0]] == 1
    }
    changed = 0
    for node in builder.nodes:
        inputs = [matmuls[name] for name in node.input if name in matmuls]
        if node.op_type == "BiasGelu" and len(inputs) == 1:
            _set_bias(inputs[0], node.input[1])
            node.op_type = "Gelu"
            del node.input[1]
        elif node.op_type == "Sum" and len(inputs) == 1 and builder.has(node.input[-1]):
            _set_bias(inputs[0], node.input.pop())
        elif node.op_type == "MultiHeadAttention" and len(inputs) == ATTENTION_BIAS and node.input[ATTENTION_BIAS]:
            bias = builder.weight(node.input[ATTENTION_BIAS])
            for matmul, part in zip(inputs, np.split(bias, len(inputs)), strict=True):
                _set_bias(matmul, builder.constant(bias_of(matmul.output[0]), part))
            node.input[ATTENTION_BIAS] = ""
        else:
            continue
        changed += len(inputs)
    return changed


def _set_bias(matmul: Any, bias: str) -> None:
    matmul.input.extend([""] * (BIAS - len(matmul.input)))
    matmul.input.append(bias)
