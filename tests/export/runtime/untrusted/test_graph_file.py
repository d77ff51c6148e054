"""A bundle's graph is read by hand before onnxruntime opens it: arithmetic on its own weights, nothing else."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from transformers.activations import ACT2FN

from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.precision import Precision
from distill.export.runtime import BundleError
from distill.export.runtime.untrusted.graph_file import check_graph_file
from distill.teachers.encoder import Pooling
from tests.support.export_models import KINDS, OF_STUDENTS, feeds, random_rows, tiny_classifier, tiny_graph
from tests.support.hostile_graphs import made_of

INPUT = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
OUTPUT = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])


def model(*nodes: Any, **more: Any) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(np.ones(3, dtype=np.float32), "w")]
    return helper.make_model(helper.make_graph(list(nodes), "g", [INPUT], [OUTPUT], weights), **more)


def node(kind: str = "Add", **attributes: Any) -> Any:
    domain = attributes.pop("domain", "")
    return helper.make_node(kind, ["x", "w"], ["y"], domain=domain, **attributes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", OF_STUDENTS)
def test_every_form_of_every_body_may_ship(kind: str, pooling: Pooling, tmp_path: Path) -> None:
    fused = tiny_graph(tmp_path, tiny_classifier(kind, pooling))  # beside Optimum's plain unfused.onnx
    scales = fit_input_scales(fused, feeds(random_rows(5), GraphRunner(fused).inputs))
    for form in Precision:
        write_precision(form, fused, tmp_path / f"{form}.onnx", scales=scales)
    for path in (tmp_path / f"{name}.onnx" for name in ("unfused", *Precision)):
        assert check_graph_file(path.read_bytes(), path) == len(onnx.load(path).graph.node)


@pytest.mark.parametrize("activation", ["gelu_new", "relu", "silu", "tanh", "quick_gelu", "mish"])
def test_other_activations_may_ship(activation: str, tmp_path: Path) -> None:
    body = tiny_classifier("bert")
    body.encoder.encoder.layer[0].intermediate.intermediate_act_fn = ACT2FN[activation]
    fused = tiny_graph(tmp_path, body)
    for path in (fused, tmp_path / "unfused.onnx"):
        assert check_graph_file(path.read_bytes(), path) > 0


def test_nodes_are_counted_as_onnx_counts_them(runs: Path) -> None:
    path = next((runs / "bundle/onnx").iterdir())
    assert check_graph_file(path.read_bytes(), path) == len(onnx.load(path).graph.node)


@pytest.mark.parametrize("content", [b"", b"\x00", b"not an onnx file", b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"^here\.onnx: "):
        check_graph_file(content, "here.onnx")


@given(data=st.data())
def test_any_damage_ends_in_a_count_or_in_our_own_error(data: st.DataObject) -> None:
    whole = bytearray(model(node(), node("Mul")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(BundleError):
        assert check_graph_file(damaged, "here.onnx") >= 1


def test_packed_dimensions_are_read_too() -> None:
    weights = numpy_helper.from_array(np.ones((2, 3), dtype=np.float32), "w")
    plain = b"".join(b"\x08" + bytes([size]) for size in (2, 3))
    whole = weights.SerializeToString()
    assert plain in whole
    packed = whole.replace(plain, b"\x0a\x02\x02\x03")
    graph = model(node())
    for content, fits in ((packed, True), (packed.replace(b"\x02\x02\x03", b"\x02\x02\x04"), False)):
        del graph.graph.initializer[:]
        base = graph.SerializeToString()
        inner = b"\x2a" + bytes([len(content)]) + content
        start = base.index(graph.graph.SerializeToString())
        size = len(graph.graph.SerializeToString()) + len(inner)
        assert size < 128
        changed = base[: start - 1] + bytes([size]) + graph.graph.SerializeToString() + inner
        changed += base[start + len(graph.graph.SerializeToString()) :]
        if fits:
            assert check_graph_file(changed, "here.onnx") == 1
        else:
            with pytest.raises(BundleError, match="do not fit"):
                check_graph_file(changed, "here.onnx")


@pytest.mark.parametrize("shape", [[], [0], [2**24], [2**12, 2**12]])
def test_a_shape_that_the_graph_says_itself_may_be_small(shape: list[int]) -> None:
    graph = model(node())
    made_of(shape)(graph)
    assert check_graph_file(graph.SerializeToString(), "here.onnx") == 2
