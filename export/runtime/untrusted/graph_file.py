"""What is in an ONNX file, read without onnx and before onnxruntime opens it.

A bundle's graph needs plain arithmetic and nothing else. Here the file's protobuf is walked by hand, which costs
milliseconds, and a file is refused that holds an operator outside the list, a subgraph, a function of its own,
weights in another file or tensors that claim more than their bytes: what onnxruntime does not have to open cannot
surprise it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.errors import BundleError
from distill.export.runtime.untrusted.protobuf import Broken, Field, Reader, Refused

# What our own graphs and Optimum's plain ones hold, measured over every body, pooling and precision, and what
# other activations of a body's configuration become. Not more: Tile, Range and their like make gigabytes out of
# a few bytes. ConstantOfShape and Expand do too, but RoBERTa's positions need them.
STANDARD = """
Abs Add BitwiseAnd Cast Clip Concat Constant ConstantOfShape CumSum Div Equal Erf Expand Gather Gelu Gemm Identity
LayerNormalization MatMul Max Mul Neg Not Pow QuantizeLinear ReduceMax ReduceSum Relu Reshape Shape Sigmoid Slice
Softmax Softplus Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""

CONTRIB = "BiasGelu FastGelu Gelu MatMulIntegerToFloat MultiHeadAttention QuickGelu SkipLayerNormalization"

ALLOWED = {
    "": frozenset(STANDARD.split()),
    "ai.onnx": frozenset(STANDARD.split()),
    "com.microsoft": frozenset(CONTRIB.split()),
}

MAX_RANK = 8

# where these operators find the shape of what they make; a graph may say itself a shape of so many elements
SHAPE_INPUTS = {"ConstantOfShape": 0, "Expand": 1}

MAX_VOLUME = 2**24

# onnxruntime's own format, which it tells by these bytes at this place; a file can be that and protobuf at once
ORT_FORMAT, ORT_PLACE = b"ORTM", 4

# field numbers of onnx.proto
MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25

GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15

GRAPH_INPUT = 11

GRAPH_VALUES = (GRAPH_INPUT, 12, 13)  # what is said of inputs, outputs and what lies between

VALUE_NAME = 1

NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 3, 4, 5, 7

ATTRIBUTE_NAME = 1

ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11

ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23

TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14

TENSOR_TYPED = (4, 5, 7, 10, 11)  # one list of numbers for each group of types

# the texts in a value's description: its name, and type / tensor / shape / dimension / name
_Texts = dict[int, "_Texts | None"]

VALUE_TEXTS: _Texts = {1: None, 2: {1: {2: {1: {2: None}}}}}

# bytes of one element, by number in TensorProto.DataType: float, (u)int8, int32, int64, bool, float16, double
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}

INT64, TENSOR_INT64 = 7, 7  # the type, and the field of its numbers where they are not raw


@dataclass(frozen=True)
class _Node:
    """What feeds a node and what it makes; `volume` as that of a tensor, where it is a constant."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    volume: float


def check_graph_file(content: bytes, where: str | Path) -> int:
    """Refuse an ONNX file that holds more than arithmetic on its own weights; gives the number of its nodes.

    Args:
        content: the file's bytes.
        where: its path, which opens each complaint.

    Raises:
        BundleError: an operator, subgraph, function or outside weight that no bundle needs, or no ONNX file.
    """
    try:
        return _check_model(Reader(content))
    except Refused as refused:
        raise BundleError(f"{where}: {refused}; a bundle's graph must not have that: export it again") from None
    except Broken as error:
        raise BundleError(f"{where}: is not a whole ONNX file; copy it again") from error


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
    """Refuse a few bytes that ask for gigabytes: onnxruntime makes what is constant while it opens a file.

    Args:
        nodes: in the order of the file.
        volumes: of the constants, by name; what nodes make of constants alone is added.
        varying: names of what depends on a text; what nodes make of that is added.
    """
    for node in nodes:
        place = SHAPE_INPUTS.get(node.operator, len(node.inputs))
        if any(volumes.get(name, 0) > MAX_VOLUME for name in node.inputs[place : place + 1]):
            raise Refused(f"makes a tensor of more than {MAX_VOLUME} elements out of its shape")
        fed = {name for name in node.inputs if name}  # an input that is left out has no name
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
    """Gives the volume of its tensor, as `_check_tensor` does."""
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
    if tensors > 1:  # other readers merge them into one that was never looked at
        raise Refused("holds an attribute of two tensors")
    return volume


def _check_texts(reader: Reader, message: Field, texts: _Texts) -> None:
    """Refuse names that are no text, in the fields of `texts` and in the messages that those hold."""
    for field in reader.fields(*message.inside()):
        inner = texts.get(field.number)
        if inner is not None:
            _check_texts(reader, field, inner)
        elif field.number in texts:
            reader.text(field)


def _check_tensor(reader: Reader, tensor: Field) -> tuple[str, float]:
    """Weights must be in this file, and as many as their dimensions say.

    Gives the name, and the elements of a tensor that has these numbers as its shape: infinite where they are none.
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
                if rank > MAX_RANK or value > len(reader.data):  # a negative one reads as a very large one
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
    # a number outside of raw data takes a byte at least
    if (stored != elements * ELEMENT_BYTES[kind]) if raw else (stored < elements):
        raise Refused("holds a tensor whose dimensions do not fit its bytes")
    return name, _volume(reader, raw, typed) if kind == INT64 and elements <= MAX_RANK else math.inf


def _volume(reader: Reader, raw: Field | None, typed: Iterable[Field]) -> float:
    """The product of the few numbers of a tensor; a negative one reads as a very large one, 0 as 1."""
    if raw is None:
        sizes = [value for field in typed for value in reader.numbers(field)]
    else:
        start, end = raw.inside()
        sizes = [int.from_bytes(reader.data[at : at + 8], "little") for at in range(start, end, 8)]
    return math.prod(max(1, size) for size in sizes)
