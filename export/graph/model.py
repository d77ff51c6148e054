"""ONNX models as values: save, count operators, add calibration and the decision contract, strip metadata."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from distill.export.graph.names import CALIBRATION_BIAS, CALIBRATION_SCALE
from distill.export.runtime.deciding.task import CALIBRATED, GraphNode

# the first opset in which ReduceMax takes its axes as an input, which the int8 precisions rely on
OPSET = 18

# domain of onnxruntime's own operators
CONTRIB = "com.microsoft"

LOGITS, RAW_LOGITS, SCALED_LOGITS = "logits", "raw_logits", "scaled_logits"

CONTRACT_KEY = "distill"


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model; the same model gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def count_operators(model: onnx.ModelProto, kinds: Sequence[str]) -> dict[str, int]:
    """Return the number of nodes per operator of `kinds`, without those that do not occur."""
    operators = [node.op_type for node in model.graph.node]
    return {kind: operators.count(kind) for kind in kinds if kind in operators}


def add_calibration(
    model: onnx.ModelProto, scale: npt.ArrayLike, bias: npt.ArrayLike, finish: Sequence[GraphNode] = ()
) -> None:
    """Append `logits * scale + bias`, each ``(K,)``, and then a task's own last nodes to the graph, in place."""
    graph = model.graph
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == LOGITS:
                node.output[index] = RAW_LOGITS
    for name, values in ((CALIBRATION_SCALE, scale), (CALIBRATION_BIAS, bias)):
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
    graph.node.append(helper.make_node("Mul", [RAW_LOGITS, CALIBRATION_SCALE], [SCALED_LOGITS], "calibrate_mul"))
    calibrated = CALIBRATED if finish else LOGITS
    graph.node.append(helper.make_node("Add", [SCALED_LOGITS, CALIBRATION_BIAS], [calibrated], "calibrate_add"))
    for index, node in enumerate(finish):
        names = [_input_name(graph, f"finish_{index}_{at}", value) for at, value in enumerate(node.inputs)]
        graph.node.append(helper.make_node(node.operator, names, [node.output], f"finish_{index}"))
    if finish:  # the output has another width now
        graph.output[0].type.tensor_type.shape.dim[-1].dim_value = _width(finish)


def _input_name(graph: onnx.GraphProto, name: str, value: str | npt.NDArray[np.float32]) -> str:
    """Return the name of a node's input; a constant is stored first."""
    if isinstance(value, str):
        return value
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _width(finish: Sequence[GraphNode]) -> int:
    """Return the columns of what the last nodes give: those of the last constant."""
    return next(
        int(value.shape[-1]) for node in reversed(finish) for value in node.inputs if not isinstance(value, str)
    )


def add_contract(model: onnx.ModelProto, contract: dict[str, Any]) -> None:
    """Write the decision contract into the metadata, so that a file without its bundle still explains itself."""
    entry = model.metadata_props.add()
    entry.key, entry.value = CONTRACT_KEY, json.dumps(contract, sort_keys=True)


def strip_metadata(model: onnx.ModelProto) -> None:
    """Remove doc strings and stack traces, which differ between machines and tell a reader nothing."""
    model.doc_string = ""
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
