"""Graphs that must be refused, with true hashes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.hostile_changes import Hostile, content
from tests.support.tiny_bundle import MODEL_FILE

BROKEN_VARINT = b"\x3a" + b"\xff" * 12


def graph(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change the graph."""

    def edit(before: bytes) -> bytes:
        model = onnx.load_from_string(before)
        change(model)
        return bytes(model.SerializeToString())

    return content(MODEL_FILE, edit)


def node(kind: str, **more: Any) -> Callable[[Path], None]:
    """Add one node that nothing needs."""
    return graph(lambda model: model.graph.node.append(helper.make_node(kind, ["bias"], ["extra"], **more)))


def weight(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change the first tensor."""
    return graph(lambda model: change(model.graph.initializer[0]))


def external(tensor: Any) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    tensor.ClearField("raw_data")


def external_constant(model: Any) -> None:
    tensor = numpy_helper.from_array(np.ones(3, dtype=np.float32), "c")
    external(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["extra"], value=tensor))


def made_of(
    shape: list[int], kind: str = "ConstantOfShape", *, through: str | None = None
) -> Callable[[Any], None]:
    """A tensor of a shape that the graph says itself: as weights, or a constant behind other nodes."""

    def change(model: Any) -> None:
        sizes = numpy_helper.from_array(np.array(shape, dtype=np.int64), "sizes")
        nodes = []
        if through is None:
            model.graph.initializer.append(sizes)
        else:
            nodes.append(helper.make_node("Constant", [], ["said"], value=sizes))
            nodes.append(helper.make_node(through, ["said"], ["sizes"]))
        inputs = ["sizes"] if kind == "ConstantOfShape" else ["bias", "sizes"]
        model.graph.node.extend([*nodes, helper.make_node(kind, inputs, ["large"])])

    return change


def typed_shape(model: Any) -> None:
    """The same, its numbers not as raw bytes, in a constant."""
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [2**12 + 1, 2**12])
    model.graph.node.append(helper.make_node("Constant", [], ["sizes"], value=sizes))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["sizes"], ["large"]))


def bits_of_floats(model: Any) -> None:
    """An operator of whole numbers, of a newer set than the graph's, on weights that are none."""
    model.opset_import[0].version = 18
    model.graph.node.append(helper.make_node("BitwiseAnd", ["bias", "bias"], ["extra"]))


def out_of_order(model: Any) -> None:
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))


def branch(model: Any) -> None:
    inner = helper.make_graph([helper.make_node("Add", ["bias", "bias"], ["o"])], "inner", [], [])
    model.graph.node.append(
        helper.make_node("If", ["attention_mask"], ["extra"], then_branch=inner, else_branch=inner)
    )


def function(model: Any) -> None:
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(
        helper.make_function("own", "Gather", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    )


def two_tensors(before: bytes) -> bytes:
    """An attribute whose tensor stands twice: readers merge the two into one."""
    tensor = numpy_helper.from_array(np.ones(3, dtype=np.float32), "c")
    constant = helper.make_node("Constant", [], ["extra"], value=tensor).SerializeToString()
    attribute = helper.make_attribute("value", tensor).SerializeToString()
    start = constant.index(attribute)
    again = attribute + field(5, tensor.SerializeToString())
    whole = constant[: start - 2] + field(5, again)
    return before + field(7, field(1, whole))


def field(number: int, inside: bytes) -> bytes:
    """A protobuf field of bytes, below 128 of them or above."""
    size, length = len(inside), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + inside


def ort_format(before: bytes) -> bytes:
    """Protobuf whose fifth to eighth bytes are the mark of onnxruntime's own format."""
    return field(2, b"xxORTM") + before


def output(name: str, kind: int, shape: list[Any]) -> Callable[[Path], None]:
    """Say something else of the graph's output."""

    def change(model: Any) -> None:
        last = model.graph.node[-1]
        last.output[0] = "score"
        produced = "score" if name == "logits" else name
        if name != "logits":
            last.output[0] = name
        else:
            model.graph.node.append(helper.make_node("Cast", [produced], ["logits"], to=kind))
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))

    return graph(change)


def many_fields(before: bytes) -> bytes:
    """The smallest fields, and many of them."""
    return before + b"\x28\x00" * 200_001


GRAPHS = (
    Hostile("a graph that is empty", content(MODEL_FILE, lambda _: b""), "no graph"),
    Hostile("a graph that is garbage", content(MODEL_FILE, lambda _: b"\xff" * 40), "is not a whole ONNX file"),
    Hostile("a graph cut short", content(MODEL_FILE, lambda before: before[:-7]), "is not a whole ONNX file"),
    Hostile("a number without an end", content(MODEL_FILE, lambda b: b + BROKEN_VARINT), "not a whole ONNX file"),
    Hostile("two graphs", content(MODEL_FILE, lambda before: before + before), "no graph, or more than one"),
    Hostile("onnxruntime's own format", content(MODEL_FILE, ort_format), "onnxruntime's own format"),
    Hostile("more fields than anybody needs", content(MODEL_FILE, many_fields), "more than 200000 fields"),
    Hostile("weights in another file", weight(external), "keeps weights in another file"),
    Hostile("weights in another file, in a constant", graph(external_constant), "keeps weights in another file"),
    Hostile("weights that claim a terabyte", weight(lambda t: t.dims.extend([2**40])), "impossible dimensions"),
    Hostile("weights below nothing", weight(lambda t: t.dims.extend([-1])), "impossible dimensions"),
    Hostile("weights of twice their size", weight(lambda t: t.dims.extend([2])), "do not fit its bytes"),
    Hostile("weights of nine dimensions", weight(lambda t: t.dims.extend([1] * 7)), "impossible dimensions"),
    Hostile(
        "strings as weights",
        graph(
            lambda model: model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))
        ),
        "a tensor of a type",
    ),
    Hostile("sparse weights", graph(lambda m: m.graph.sparse_initializer.add().dims.append(3)), "sparse weights"),
    Hostile("a subgraph", graph(branch), "a subgraph"),
    Hostile("a function under an operator's name", graph(function), "functions or training steps"),
    Hostile("an operator that loops", node("Loop"), "the operator 'Loop'"),
    Hostile("an operator that reads strings", node("StringNormalizer"), "the operator 'StringNormalizer'"),
    Hostile("an operator that makes gigabytes", node("Tile"), "the operator 'Tile'"),
    Hostile("an operator that adds gigabytes around", node("Pad"), "the operator 'Pad'"),
    Hostile("a remainder, which may be by nothing", node("Mod"), "the operator 'Mod'"),
    Hostile("bits of what has none", graph(bits_of_floats), "cannot be opened"),
    Hostile("a gigabyte out of a shape", graph(made_of([250_000_000])), "more than 16777216 elements"),
    Hostile("a gigabyte out of a negative shape", graph(made_of([-1])), "more than 16777216 elements"),
    Hostile("a gigabyte out of 12 bytes", graph(made_of([10**8, 3], "Expand")), "more than 16777216 elements"),
    Hostile("a gigabyte out of a constant", graph(typed_shape), "more than 16777216 elements"),
    Hostile(
        "a gigabyte out of what is worked out",
        graph(made_of([1], through="Neg")),
        "than 16777216 elements",
    ),
    Hostile("nodes out of order", graph(out_of_order), "a node before what feeds it"),
    Hostile("random numbers", node("RandomNormal", shape=[3]), "the operator 'RandomNormal'"),
    Hostile("another domain", node("Add", domain="evil.ops"), "the operator 'evil.ops.Add'"),
    Hostile("a contributed operator", node("Tokenizer", domain="com.microsoft"), "'com.microsoft.Tokenizer'"),
    Hostile("an attribute of two tensors", content(MODEL_FILE, two_tensors), "an attribute of two tensors"),
    Hostile(
        "a name that is no text", content(MODEL_FILE, lambda b: b.replace(b"batch", b"b\xb7tch")), "not UTF-8"
    ),
    Hostile(
        "a node's name that is no text", content(MODEL_FILE, lambda b: b.replace(b"mask3", b"m\xb7sk3")), "UTF-8"
    ),
    Hostile("no node", graph(lambda model: model.graph.ClearField("node")), "no graph"),
    Hostile("a node without its input", node("Add"), "cannot be opened"),
    Hostile("no logits", output("other", TensorProto.FLOAT, ["batch", 3]), "has no output 'logits'"),
    Hostile(
        "logits that are whole numbers", output("logits", TensorProto.INT64, ["b", 3]), "must be tensor(float)"
    ),
    Hostile(
        "input ids of a fixed size",
        graph(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1)),
        "must accept any batch and any length",
    ),
    Hostile(
        "input ids that are floats",
        graph(
            lambda model: model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b"]))
        ),
        "The graph's inputs are",
    ),
)
