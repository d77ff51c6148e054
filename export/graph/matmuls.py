"""The matmuls of a transformer or a static student: their weights, and their places in the layers."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.roles import Role
from distill.export.runtime.errors import CheckFailedError

EXACT_GELU = ("BiasGelu", "Gelu")

ACTIVATIONS = (*EXACT_GELU, "FastGelu", "Relu")


@dataclass(frozen=True)
class LayerMatMul:
    """A matmul of a hidden state and a weight in a fused graph, and its place in the encoder."""

    node: str
    hidden_state: str
    layer: int
    role: Role
    multiply_adds: int  # per token: the weight's size
    # exact GELU never goes far below 0, so its outputs are rounded in another range
    after_exact_gelu: bool

    @property
    def name(self) -> str:
        """Name for people, such as `layer.1.ffn_output`."""
        return f"layer.{self.layer}.{self.role}"


def find_matmuls(builder: GraphBuilder) -> tuple[LayerMatMul, ...]:
    """Return the matmuls with a weight in a fused graph, first to last; the n-th of a role belongs to layer n.

    Raises:
        CheckFailedError: as `find_roles`.
    """
    roles = find_roles(builder)
    layers: Counter[Role] = Counter()
    matmuls = []
    for node in builder.source:
        if node.name in roles:
            role, hidden_state = roles[node.name], node.input[0]
            gelu = builder.producers[hidden_state].op_type in EXACT_GELU
            size = builder.weight(node.input[1]).size
            matmuls.append(LayerMatMul(node.name, hidden_state, layers[role], role, size, gelu))
            layers[role] += 1
    return tuple(matmuls)


def find_roles(builder: GraphBuilder) -> dict[str, Role]:
    """Return the role of each matmul with a weight in a fused or static graph, by node name.

    A role is read from the matmul's place between attention and activation, not from names, which differ between
    architectures.

    Raises:
        CheckFailedError: a matmul is in a place where a BERT-like layer has none.
    """
    readers: dict[str, list[Any]] = {}
    for node in builder.source:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    roles = {}
    for node in builder.source:
        multiplies = node.op_type == "MatMul" and builder.is_matrix(node.input[1])
        if multiplies and not builder.is_constant_matmul(node):
            roles[node.name] = _role(node, readers, builder)
    return roles


def _role(node: Any, readers: dict[str, list[Any]], builder: GraphBuilder) -> Role:
    output = node.output[0]
    reader = readers[output][0]
    if reader.op_type == "Add":  # a bias that was not fused into another operator
        output = reader.output[0]
        reader = readers[output][0]
    if reader.op_type == "MultiHeadAttention":
        return (Role.QUERY, Role.KEY, Role.VALUE)[list(reader.input).index(output)]
    if reader.op_type in ACTIVATIONS:
        return Role.FFN_UP
    source = builder.producers[node.input[0]]
    if source.op_type == "MultiHeadAttention":
        return Role.ATTENTION_OUTPUT
    if source.op_type in ACTIVATIONS:
        return Role.FFN_OUTPUT
    raise CheckFailedError(
        f"quantization: The matmul {node.name!r} is in a place where a BERT-like layer has none. Export this "
        "encoder as fp32."
    )
