"""What is in an ONNX file, read without onnx and before onnxruntime opens it.

A bundle's graph needs plain arithmetic and nothing else. Here the file's protobuf is walked by hand, which costs
milliseconds, and a file is refused that holds an operator outside the list, a subgraph, a function of its own or
weights in another file: what onnxruntime does not have to open cannot surprise it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from export.runtime.errors import BundleError

# pure functions of tensors; more than today's graphs hold, so that another exporter's may differ a little
STANDARD = """
Abs Add And Cast Clip Concat Constant ConstantOfShape CumSum DequantizeLinear Div Equal Erf Expand Flatten Gather
Gelu Gemm Greater GreaterOrEqual Identity IsNaN LayerNormalization Less LessOrEqual MatMul MatMulInteger Max Min
Mul Neg Not Or Pow QuantizeLinear Range ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Shape Sigmoid Slice
Softmax Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze Where
"""
CONTRIB = """
Attention BiasGelu DynamicQuantizeMatMul EmbedLayerNormalization FastGelu FusedMatMul Gelu
MatMulIntegerToFloat MatMulNBits MultiHeadAttention SkipLayerNormalization
"""
ALLOWED = {
    "": frozenset(STANDARD.split()),
    "ai.onnx": frozenset(STANDARD.split()),
    "com.microsoft": frozenset(CONTRIB.split()),
}
MAX_NODES = 100_000

# field numbers of onnx.proto
MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
MAX_KEY = 2**32 - 1


class _Refused(Exception):
    """What a file holds that it must not."""


class _Broken(Exception):
    """The file is cut short, or no ONNX file."""


@dataclass(frozen=True)
class _Field:
    """One field of a protobuf message: where its bytes are, and its value where it is a number."""

    number: int
    kind: int
    start: int
    end: int
    value: int

    def inside(self) -> tuple[int, int]:
        """Where the message or text in it stands; other readers skip a field of another kind, this one refuses."""
        if self.kind != BYTES:
            raise _Broken
        return self.start, self.end


def check_graph_file(path: Path) -> int:
    """Refuse an ONNX file that holds more than arithmetic on its own weights; gives the number of its nodes.

    Raises:
        BundleError: an operator, subgraph, function or outside weight that no bundle needs, or no ONNX file.
    """
    try:
        with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            return _check_model(data)
    except _Refused as refused:
        raise BundleError(f"{path}: {refused}; a bundle's graph must not have that: export it again") from None
    except (_Broken, OSError, ValueError) as error:  # an empty file cannot be mapped
        raise BundleError(f"{path}: is not a whole ONNX file; copy it again") from error


def _check_model(data: mmap) -> int:
    nodes = graphs = 0
    for field in _fields(data, 0, len(data)):
        if field.number in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise _Refused("holds functions or training steps of its own")
        if field.number == MODEL_GRAPH:
            graphs += 1
            nodes += _check_graph(data, field)
    if graphs != 1 or nodes == 0:
        raise _Refused("holds no graph, or more than one")
    return nodes


def _check_graph(data: mmap, graph: _Field) -> int:
    nodes = 0
    for field in _fields(data, *graph.inside()):
        if field.number == GRAPH_NODE:
            nodes += 1
            if nodes > MAX_NODES:
                raise _Refused(f"holds more than {MAX_NODES} nodes")
            _check_node(data, field)
        elif field.number == GRAPH_INITIALIZER:
            _check_tensor(data, field)
        elif field.number == GRAPH_SPARSE:
            raise _Refused("holds sparse weights")
    return nodes


def _check_node(data: mmap, node: _Field) -> None:
    operator = domain = ""
    for field in _fields(data, *node.inside()):
        if field.number == NODE_OPERATOR:
            operator = _text(data, field)
        elif field.number == NODE_DOMAIN:
            domain = _text(data, field)
        elif field.number == NODE_ATTRIBUTE:
            _check_attribute(data, field)
    if operator not in ALLOWED.get(domain, ()):
        shown = f"{domain}.{operator}" if domain else operator
        raise _Refused(f"holds the operator {shown[:80]!r}")


def _check_attribute(data: mmap, attribute: _Field) -> None:
    for field in _fields(data, *attribute.inside()):
        if field.number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
            raise _Refused("holds a subgraph")
        if field.number in (ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES):
            raise _Refused("holds sparse weights")
        if field.number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
            _check_tensor(data, field)


def _check_tensor(data: mmap, tensor: _Field) -> None:
    for field in _fields(data, *tensor.inside()):
        if field.number == TENSOR_EXTERNAL or (field.number == TENSOR_LOCATION and field.value != 0):
            raise _Refused("keeps weights in another file")


def _fields(data: mmap, start: int, end: int) -> Iterator[_Field]:
    """The fields of one message, bounds checked."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        if key > MAX_KEY:  # readers differ in what they make of such a one
            raise _Broken
        number, kind = key >> 3, key & 7
        value, stop = 0, at
        if kind == VARINT:
            value, stop = _varint(data, at, end)
        elif kind == BYTES:
            length, at = _varint(data, at, end)
            stop = at + length
        elif kind in (FIXED64, FIXED32):
            stop = at + (8 if kind == FIXED64 else 4)
        else:
            raise _Broken
        if stop > end or number == 0:
            raise _Broken
        yield _Field(number, kind, at, stop, value)
        at = stop


def _varint(data: mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(MAX_VARINT_BYTES):
        if at + place >= end:
            raise _Broken
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise _Broken


def _text(data: mmap, field: _Field) -> str:
    start, end = field.inside()
    return data[start:end].decode("utf-8", errors="replace")
