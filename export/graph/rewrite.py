"""Rewriting an ONNX graph node by node, and what each product does in a transformer or a static student."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from distill.export.graph.from_torch import save
from distill.export.graph.roles import Role
from distill.export.runtime.errors import CheckFailedError

EXACT_GELU = ("BiasGelu", "Gelu")

ACTIVATIONS = (*EXACT_GELU, "FastGelu", "Relu")


class Rewriter:
    """A graph being rebuilt: constants are shared by name, and what nothing reads any more is left out.

    `nodes` are those of the new graph so far, `made` the outputs of the ones that were added.
    """

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(str(path))
        self.source = list(self.model.graph.node)
        self.producers = {name: node for node in self.source for name in node.output}
        self._weights = {item.name: item for item in self.model.graph.initializer}
        self.nodes: list[Any] = []
        self.made: set[str] = set()

    def is_matrix(self, name: str) -> bool:
        """Whether this is a stored float matrix."""
        item = self._weights.get(name)
        return item is not None and item.data_type == onnx.TensorProto.FLOAT and len(item.dims) == 2

    def is_constant_product(self, node: Any) -> bool:
        """Whether this multiplies two stored matrices, which onnxruntime does once, while it opens the graph."""
        return node.op_type == "MatMul" and all(map(self.is_matrix, node.input))

    def weight(self, name: str) -> NDArray[np.float32]:
        """The stored values of this name."""
        return np.asarray(numpy_helper.to_array(self._weights[name]))

    def has(self, name: str) -> bool:
        """Whether there is a constant of this name."""
        return name in self._weights

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Store `values` under `name`, unless it is there; returns the name."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(values, name)
        return name

    def keep(self, node: Any) -> None:
        """Take a node over as it is."""
        self.nodes.append(node)

    def add(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """Append a node named after its output; returns the output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, domain=domain, **attributes))
        self.made.add(output)
        return output

    def write(self, path: Path) -> None:
        """Save the new graph."""
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input}
        kept = [item for name, item in self._weights.items() if name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        del graph.node[:]
        graph.node.extend(self.nodes)
        save(self.model, path)


def find_roles(rewriter: Rewriter) -> dict[str, Role]:
    """The role of each product with a weight in a fused or static graph, by node name.

    It is read from where the product stands between attention and activation, not from names, which
    differ from body to body.

    Raises:
        CheckFailedError: a product stands where none of a BERT-like layer does.
    """
    readers: dict[str, list[Any]] = {}
    for node in rewriter.source:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    roles = {}
    for node in rewriter.source:
        multiplies = node.op_type == "MatMul" and rewriter.is_matrix(node.input[1])
        if multiplies and not rewriter.is_constant_product(node):
            roles[node.name] = _role(node, readers, rewriter)
    return roles


@dataclass(frozen=True)
class Product:
    """A product with a weight in a fused graph, and where in the body it stands."""

    node: str
    hidden_state: str
    layer: int
    role: Role
    multiply_adds: int  # a token: the weight's size
    # exact GELU never goes far below 0, so its outputs are rounded in another range
    after_exact_gelu: bool

    @property
    def name(self) -> str:
        """What people call it, such as `layer.1.ffn_output`."""
        return f"layer.{self.layer}.{self.role}"


def find_products(rewriter: Rewriter) -> tuple[Product, ...]:
    """The products with a weight in a fused graph, first to last; the n-th of a role is layer n's.

    Raises:
        CheckFailedError: as `find_roles`.
    """
    roles = find_roles(rewriter)
    seen: Counter[Role] = Counter()
    found = []
    for node in rewriter.source:
        if node.name in roles:
            role, hidden_state = roles[node.name], node.input[0]
            gelu = rewriter.producers[hidden_state].op_type in EXACT_GELU
            size = rewriter.weight(node.input[1]).size
            found.append(Product(node.name, hidden_state, seen[role], role, size, gelu))
            seen[role] += 1
    return tuple(found)


def _role(node: Any, readers: dict[str, list[Any]], rewriter: Rewriter) -> Role:
    output = node.output[0]
    reader = readers[output][0]
    if reader.op_type == "Add":  # a bias that no operator took in
        output = reader.output[0]
        reader = readers[output][0]
    if reader.op_type == "MultiHeadAttention":
        return (Role.QUERY, Role.KEY, Role.VALUE)[list(reader.input).index(output)]
    if reader.op_type in ACTIVATIONS:
        return Role.FFN_UP
    source = rewriter.producers[node.input[0]]
    if source.op_type == "MultiHeadAttention":
        return Role.ATTENTION_OUTPUT
    if source.op_type in ACTIVATIONS:
        return Role.FFN_OUTPUT
    raise CheckFailedError(
        f"quantization: the product {node.name!r} stands where no BERT-like layer has one; "
        "export this body as fp32"
    )
