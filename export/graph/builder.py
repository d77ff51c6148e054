"""The builder behind every graph that this project writes: nodes one by one, constants shared by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from distill.export.graph.model import save_model


class GraphBuilder:
    """A graph under construction, either new or rebuilt from the nodes and constants of another one.

    Attributes:
        model: the model that is built; its inputs, outputs and opsets stay as they are.
        source: the nodes that the model had, in order; a new graph has none.
        producers: the node of `source` that makes each value, by the value's name.
        nodes: the nodes of the graph so far.
        made: names of the values made by nodes that were added.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.source = list(model.graph.node)
        self.producers = {name: node for node in self.source for name in node.output}
        self._constants = {item.name: item for item in model.graph.initializer}
        self.nodes: list[Any] = []
        self.made: set[str] = set()

    @classmethod
    def load(cls, path: Path) -> GraphBuilder:
        """Start from the graph in a file."""
        return cls(onnx.load(str(path)))

    def is_matrix(self, name: str) -> bool:
        """Return whether this is a stored float matrix."""
        item = self._constants.get(name)
        return item is not None and item.data_type == onnx.TensorProto.FLOAT and len(item.dims) == 2

    def is_constant_matmul(self, node: Any) -> bool:
        """Return whether this multiplies two stored matrices, which onnxruntime does only once, on opening."""
        return node.op_type == "MatMul" and all(map(self.is_matrix, node.input))

    def weight(self, name: str) -> npt.NDArray[np.float32]:
        """Return the values stored under a name."""
        return np.asarray(numpy_helper.to_array(self._constants[name]))

    def has(self, name: str) -> bool:
        """Return whether a constant of this name is stored."""
        return name in self._constants

    def constant(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """Store `values` under `name` unless that name is taken, and return the name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(values, dtype=dtype), name)
        return name

    def keep(self, node: Any) -> None:
        """Append a node of `source` unchanged."""
        self.nodes.append(node)

    def add(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """Append a node that is named after its output, and return the output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, domain=domain, **attributes))
        self.made.add(output)
        return output

    def write(self, path: Path) -> None:
        """Save the graph; constants that no node reads are left out."""
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input}
        kept = [item for name, item in self._constants.items() if name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        del graph.node[:]
        graph.node.extend(self.nodes)
        save_model(self.model, path)
