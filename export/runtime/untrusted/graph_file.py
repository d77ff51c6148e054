"""Check of an ONNX file, without onnx and before onnxruntime opens it.

A bundle's graph needs plain arithmetic and nothing else. This module walks the file's protobuf, which takes
milliseconds, and refuses a file with an operator outside the list, a subgraph, a function of its own, weights in
another file, or tensors that claim more than their bytes. So onnxruntime never sees what it could fail on.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.errors import BundleError
from distill.export.runtime.untrusted.protobuf import Broken, Field, Reader, Refused

# The operators of the project's graphs and of Optimum's plain ones, over every architecture, pooling and
# precision, and those of other activations that a configuration may name. No others: Tile, Range and similar ones
# make gigabytes out of a few bytes. ConstantOfShape and Expand do too, but RoBERTa's positions need them.
STANDARD = """
Abs Add BitwiseAnd Cast Clip Concat Constant ConstantOfShape CumSum Div Equal Erf Expand Gather Gelu Gemm Identity
LayerNormalization Log MatMul Max Mul Neg Not Pow QuantizeLinear ReduceMax ReduceSum Relu Reshape Shape Sigmoid
Slice Softmax Softplus Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""

CONTRIB = "BiasGelu FastGelu Gelu MatMulIntegerToFloat MultiHeadAttention QuickGelu SkipLayerNormalization"

ALLOWED = {
    "": frozenset(STANDARD.split()),
    "ai.onnx": frozenset(STANDARD.split()),
    "com.microsoft": frozenset(CONTRIB.split()),
}

MAX_RANK = 8

# index of the input that is the shape of the result; a graph may itself state shapes of up to MAX_VOLUME elements
SHAPE_INPUTS = {"ConstantOfShape": 0, "Expand": 1}

MAX_VOLUME = 2**24

# magic bytes of onnxruntime's own format, and their position; a file can be both that and protobuf
ORT_FORMAT, ORT_PLACE = b"ORTM", 4

# field numbers of onnx.proto
MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25

GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15

GRAPH_INPUT = 11

GRAPH_VALUES = (GRAPH_INPUT, 12, 13)  # descriptions of inputs, outputs and values in between

VALUE_NAME = 1

NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 3, 4, 5, 7

ATTRIBUTE_NAME = 1

ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11

ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23

TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14

TENSOR_TYPED = (4, 5, 7, 10, 11)  # one list of numbers for each group of types

# field numbers of the texts in a value's description: its name, and type / tensor / shape / dimension / name
_Texts = dict[int, "_Texts | None"]

VALUE_TEXTS: _Texts = {1: None, 2: {1: {2: {1: {2: None}}}}}

# bytes per element, by number in TensorProto.DataType: float, (u)int8, int32, int64, bool, float16, double
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}

INT64, TENSOR_INT64 = 7, 7  # the type, and the field of its numbers if they are not raw


@dataclass(frozen=True)
class _Node:
    """Inputs and outputs of a node, and the `volume` of its tensor (see `_check_tensor`) if it is a constant."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    volume: float


def check_graph_file(content: bytes, where: str | Path) -> int:
    """Refuse an ONNX file that holds more than arithmetic on its own weights, and return its number of nodes.

    Args:
        content: the file's bytes.
        where: the file's path, which begins every message.

    Raises:
        BundleError: it has an operator, subgraph, function or external weight that no bundle needs, or is not
        ONNX.
    """
    try:
        return _check_model(Reader(content))
    except Refused as refused:
        raise BundleError(
            f"{where}: The graph {refused}. A bundle's graph must not have that: export it again."
        ) from None
    except Broken as error:
        raise BundleError(f"{where}: The file is not a whole ONNX file. Copy it again.") from error


def _check_model(reader: Reader) -> int:
    if reader.data[ORT_PLACE : ORT_PLACE + len(ORT_FORMAT)] == ORT_FORMAT:
        raise Refused("is in onnxruntime's own format")
    nodes = graphs = 0
    for field in reader.fields(0, len(reader.data)):
        if field.number in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise Refused("holds functions or training steps of its own")
        if field.number == MODEL_GRAPH:
            graphs += 1
            nodes += _check_graph(reader, field)
    if graphs != 1 or nodes == 0:
        raise Refused("holds no graph, or more than one")
    return nodes


def _check_graph(reader: Reader, graph: Field) -> int:
    nodes: list[_Node] = []
    volumes: dict[str, float] = {}
    inputs: set[str] = set()
    for field in reader.fields(*graph.inside()):
        if field.number == GRAPH_NODE:
            nodes.append(_check_node(reader, field))
        elif field.number == GRAPH_INITIALIZER:
            name, volume = _check_tensor(reader, field)
            volumes[name] = max(volume, volumes.get(name, 0))
        elif field.number in GRAPH_VALUES:
            _check_texts(reader, field, VALUE_TEXTS)
            if field.number == GRAPH_INPUT:
                inputs.update(
                    reader.text(inner) for inner in reader.fields(*field.inside()) if inner.number == VALUE_NAME
                )
        elif field.number == GRAPH_SPARSE:
            raise Refused("holds sparse weights")
    _check_volumes(nodes, volumes, inputs)
    return len(nodes)


def _check_volumes(nodes: Iterable[_Node], volumes: dict[str, float], varying: set[str]) -> None:
    """Refuse a few bytes that ask for gigabytes: onnxruntime computes constants while it opens a file.

    Args:
        nodes: the nodes in the order of the file.
        volumes: volume per constant, by name; outputs computed from constants alone are added.
        varying: names of values that depend on a text; outputs computed from these are added.
    """
    for node in nodes:
        place = SHAPE_INPUTS.get(node.operator, len(node.inputs))
        if any(volumes.get(name, 0) > MAX_VOLUME for name in node.inputs[place : place + 1]):
            raise Refused(f"makes a tensor of more than {MAX_VOLUME} elements out of its shape")
        fed = {name for name in node.inputs if name}  # an omitted input has no name
        if not fed <= volumes.keys() | varying:
            raise Refused("holds a node before what feeds it")
        if fed & varying:
            varying.update(node.outputs)
        else:
            volumes.update(dict.fromkeys(node.outputs, node.volume))


def _check_node(reader: Reader, node: Field) -> _Node:
    operator = domain = ""
    names: dict[int, list[str]] = {NODE_INPUT: [], NODE_OUTPUT: [], NODE_NAME: []}
    volumes: list[float] = []
    for field in reader.fields(*node.inside()):
        if field.number == NODE_OPERATOR:
            operator = reader.text(field)
        elif field.number == NODE_DOMAIN:
            domain = reader.text(field)
        elif field.number in names:
            names[field.number].append(reader.text(field))
        elif field.number == NODE_ATTRIBUTE:
            volumes.append(_check_attribute(reader, field))
    if operator not in ALLOWED.get(domain, ()):
        shown = f"{domain}.{operator}" if domain else operator
        raise Refused(f"holds the operator {shown[:80]!r}")
    made = max(volumes, default=math.inf) if operator == "Constant" else math.inf
    return _Node(operator, tuple(names[NODE_INPUT]), tuple(names[NODE_OUTPUT]), made)


def _check_attribute(reader: Reader, attribute: Field) -> float:
    """Check an attribute, and return the volume of its tensor as `_check_tensor` does."""
    tensors, volume = 0, math.inf
    for field in reader.fields(*attribute.inside()):
        if field.number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
            raise Refused("holds a subgraph")
        if field.number in (ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES):
            raise Refused("holds sparse weights")
        if field.number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
            _, volume = _check_tensor(reader, field)
        if field.number == ATTRIBUTE_NAME:
            reader.text(field)
        tensors += field.number == ATTRIBUTE_TENSOR
    if tensors > 1:  # other readers merge them into one that was never checked
        raise Refused("holds an attribute of two tensors")
    return volume


def _check_texts(reader: Reader, message: Field, texts: _Texts) -> None:
    """Refuse names that are not text, in the fields of `texts` and in the messages inside them."""
    for field in reader.fields(*message.inside()):
        inner = texts.get(field.number)
        if inner is not None:
            _check_texts(reader, field, inner)
        elif field.number in texts:
            reader.text(field)


def _check_tensor(reader: Reader, tensor: Field) -> tuple[str, float]:
    """Check that a tensor's weights are in this file, and as many as its dimensions say.

    Returns:
        The tensor's name, and its volume: the number of elements of a tensor that has these numbers as its shape;
        infinite if they are not a shape.
    """
    elements, rank, kind, stored, name = 1, 0, 0, 0, ""
    raw: Field | None = None
    typed: list[Field] = []
    for field in reader.fields(*tensor.inside()):
        if field.number == TENSOR_EXTERNAL or (field.number == TENSOR_LOCATION and field.value != 0):
            raise Refused("keeps weights in another file")
        if field.number == TENSOR_DIMS:
            for value in reader.numbers(field):
                rank, elements = rank + 1, elements * value
                if rank > MAX_RANK or value > len(reader.data):  # a negative number reads as a very large one
                    raise Refused("holds a tensor of impossible dimensions")
        elif field.number == TENSOR_TYPE:
            kind = field.value
        elif field.number == TENSOR_NAME:
            name = reader.text(field)
        elif field.number == TENSOR_RAW or field.number in TENSOR_TYPED:
            stored += field.end - field.start
            if field.number == TENSOR_RAW:
                raw = field
            elif field.number == TENSOR_INT64:
                typed.append(field)
    if kind not in ELEMENT_BYTES:
        raise Refused("holds a tensor of a type that no bundle needs")
    # outside raw data a number takes at least one byte
    if (stored != elements * ELEMENT_BYTES[kind]) if raw else (stored < elements):
        raise Refused("holds a tensor whose dimensions do not fit its bytes")
    return name, _volume(reader, raw, typed) if kind == INT64 and elements <= MAX_RANK else math.inf


def _volume(reader: Reader, raw: Field | None, typed: Iterable[Field]) -> float:
    """Return the product of a tensor's few numbers; a negative one reads as a very large one, 0 as 1."""
    if raw is None:
        sizes = [value for field in typed for value in reader.numbers(field)]
    else:
        start, end = raw.inside()
        sizes = [int.from_bytes(reader.data[at : at + 8], "little") for at in range(start, end, 8)]
    return math.prod(max(1, size) for size in sizes)
