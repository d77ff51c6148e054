"""int8 for a fused graph: weights, embedding rows, and (dynamic or static) activations of chosen MatMuls.

Signed weights with one scale a channel, in the reduced range of 7 bits: CPUs without VNNI add two products in
16 bits and saturate. What is left in fp32 arithmetic still has int8 weights in the file: `Cast` and `Mul` on a
constant are folded once, when the session is made (a `DequantizeLinear` would run at every call).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.runtime.errors import InputError

Role = Literal["attention", "attention_output", "ffn_up", "ffn_output"]
# which parts compute in fp32, from the fastest graph to the most faithful one; FFN outputs go first, because the
# activations before them carry the outliers
LADDER: tuple[tuple[Role, ...], ...] = (
    (),
    ("ffn_output",),
    ("ffn_output", "attention_output"),
    ("ffn_output", "attention_output", "attention"),
)
MIN_COMPRESSED = 1024  # weights of a tensor; below, the bytes do not matter
REDUCED_MAX = 127


def roles(model: onnx.ModelProto) -> dict[str, Role]:
    """What each quantizable node of a fused graph does, by node name and from its neighbours."""
    producers = {name: node for node in model.graph.node for name in node.output}
    consumers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    constants = {tensor.name for tensor in model.graph.initializer}
    found: dict[str, Role] = {}
    for node in model.graph.node:
        if node.op_type == "Attention":
            found[node.name] = "attention"
        elif node.op_type == "MatMul" and node.input[1] in constants:
            before = producers.get(node.input[0])
            after = {consumer.op_type for consumer in consumers.get(node.output[0], [])}
            if before is not None and "Gelu" in before.op_type:
                found[node.name] = "ffn_output"
            elif any("Gelu" in kind for kind in after):
                found[node.name] = "ffn_up"
            else:
                found[node.name] = "attention_output"
    return found


def quantize_weights(model: onnx.ModelProto) -> None:
    """Store what is still float as int8, in place: embedding tables by row, MatMul weights by column.

    Rows: a table's rows differ in size by far, and one scale for all would erase the small ones.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    rebuilt: list[Any] = []
    for node in model.graph.node:
        rebuilt.append(node)
        position = {"Gather": 0, "MatMul": 1, "Attention": 1}.get(node.op_type)
        if position is None or node.input[position] not in tensors:
            continue
        name = node.input[position]
        values = numpy_helper.to_array(tensors[name])
        if values.dtype != np.float32 or values.ndim != 2 or values.size < MIN_COMPRESSED:
            continue
        axis = 1 if node.op_type == "Gather" else 0
        scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12) / REDUCED_MAX
        packed = np.clip(np.rint(values / scale), -REDUCED_MAX, REDUCED_MAX).astype(np.int8)
        if node.op_type == "Gather":
            rebuilt += _exchange_gather(model.graph, node, packed, scale.astype(np.float32))
        else:
            # constants come before the node that reads them
            rebuilt[-1:] = [*_exchange_weight(model.graph, node, position, packed, scale.astype(np.float32)), node]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rebuilt]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    _drop_unused(model.graph)


def quantize_dynamic(source: Path, target: Path, *, keep: Sequence[Role]) -> None:
    """int8 arithmetic with activations scaled at run time, per tensor: scores move with batch-mates.

    Args:
        source: a fused fp32 graph.
        target: the file to write.
        keep: roles that compute in fp32.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as quantize

    model = onnx.load(source)
    quantize(
        str(source),
        str(target),
        op_types_to_quantize=["MatMul", "Attention"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[name for name, role in roles(model).items() if role in keep],
        extra_options={"DefaultTensorType": TensorProto.FLOAT, "MatMulConstBOnly": True},
    )


def quantize_static(
    source: Path, target: Path, *, keep: Sequence[Role], feeds: Iterable[dict[str, npt.NDArray[np.int64]]]
) -> None:
    """int8 arithmetic with activations scaled once, on `feeds` of real texts: scores do not move with the batch.

    The fused attention computes in fp32: ONNX Runtime has no static form of it on CPUs.

    Raises:
        InputError: there are no texts to calibrate on.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    batches = list(feeds)
    if not batches:
        raise InputError("int8-static needs texts to calibrate on; the train split is empty")
    model = onnx.load(source)
    quantize(
        str(source),
        str(target),
        _reader(batches),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[name for name, role in roles(model).items() if role in keep],
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"DefaultTensorType": TensorProto.FLOAT, "MatMulConstBOnly": True},
    )


def _reader(batches: list[dict[str, npt.NDArray[np.int64]]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[dict[str, npt.NDArray[np.int64]]] = iter(batches)

        def get_next(self) -> dict[str, npt.NDArray[np.int64]] | None:
            return next(self._batches, None)

    return Reader()


def _exchange_gather(
    graph: Any, node: Any, packed: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
) -> list[Any]:
    """What follows a Gather of int8 rows: gather their scales, multiply; the float table is never made."""
    base, ids, output = node.input[0], node.input[1], node.output[0]
    graph.initializer.append(numpy_helper.from_array(packed, f"{base}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{base}_scale"))
    node.input[0], node.output[0] = f"{base}_int8", f"{output}_int8"
    return [
        helper.make_node("Gather", [f"{base}_scale", ids], [f"{output}_scale"], f"{node.name}_scale", axis=0),
        helper.make_node(
            "Cast", [f"{output}_int8"], [f"{output}_cast"], f"{node.name}_cast", to=TensorProto.FLOAT
        ),
        helper.make_node("Mul", [f"{output}_cast", f"{output}_scale"], [output], f"{node.name}_mul"),
    ]


def _exchange_weight(
    graph: Any, node: Any, position: int, packed: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
) -> list[Any]:
    """What makes the float weight of its int8 form."""
    base = node.input[position]
    graph.initializer.append(numpy_helper.from_array(packed, f"{base}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{base}_scale"))
    node.input[position] = f"{base}_float"
    return [
        helper.make_node("Cast", [f"{base}_int8"], [f"{base}_cast"], f"{node.name}_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{base}_cast", f"{base}_scale"], [f"{base}_float"], f"{node.name}_scale"),
    ]


def _drop_unused(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
