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

from export.quantize import quantize_dynamic, quantize_static, quantize_weights
from export.runtime import BundleError
from export.runtime.graph_file import check_graph_file
from export.session import GraphRunner
from teachers.classifier import Pooling
from tests.export_models import KINDS, feeds, random_rows, tiny_classifier, tiny_graph

INPUT = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
OUTPUT = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])


def model(*nodes: Any, **more: Any) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(np.ones(3, dtype=np.float32), "w")]
    return helper.make_model(helper.make_graph(list(nodes), "g", [INPUT], [OUTPUT], weights), **more)


def node(kind: str = "Add", **attributes: Any) -> Any:
    domain = attributes.pop("domain", "")
    return helper.make_node(kind, ["x", "w"], ["y"], domain=domain, **attributes)


def external() -> onnx.ModelProto:
    found = model(node())
    weight = found.graph.initializer[0]
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    weight.ClearField("raw_data")
    return found


def external_in_an_attribute() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.ones(3, dtype=np.float32), "c")
    tensor.data_location = TensorProto.EXTERNAL
    return model(node("Constant", value=tensor))


def with_function() -> onnx.ModelProto:
    found = model(node())
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    found.functions.append(helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 18)]))
    return found


def branch() -> onnx.ModelProto:
    inner = helper.make_graph([node()], "inner", [], [OUTPUT])
    return model(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def sparse() -> onnx.ModelProto:
    found = model(node())
    found.graph.sparse_initializer.add().dims.append(3)
    return found


HOSTILE = {
    "weights in another file": (external, "another file"),
    "weights in another file, in an attribute": (external_in_an_attribute, "another file"),
    "a function of its own": (with_function, "functions"),
    "a subgraph": (branch, "subgraph"),
    "sparse weights": (sparse, "sparse"),
    "an operator that reads strings": (lambda: model(node("StringNormalizer")), "StringNormalizer"),
    "an operator that loops": (lambda: model(node("Loop")), "Loop"),
    "random numbers": (lambda: model(node("RandomNormal", shape=[3])), "RandomNormal"),
    "another domain": (lambda: model(node("Add", domain="evil.ops")), "evil.ops.Add"),
    "a contributed operator that is not needed": (
        lambda: model(node("Tokenizer", domain="com.microsoft")),
        "com.microsoft.Tokenizer",
    ),
    "no node": (model, "no graph"),
    "two graphs": (lambda: twice(model(node())), "more than one"),
}


def twice(found: onnx.ModelProto) -> onnx.ModelProto:
    class Twice:
        def SerializeToString(self) -> bytes:
            return found.SerializeToString() + found.SerializeToString()

    return Twice()  # type: ignore[return-value]


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_what_a_bundle_has_no_use_for_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    make, said = HOSTILE[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(BundleError) as caught:
        check_graph_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", list(Pooling))
def test_every_form_of_every_body_may_ship(kind: str, pooling: Pooling, tmp_path: Path) -> None:
    fused = tiny_graph(tmp_path, tiny_classifier(kind, pooling))
    quantize_weights(fused, tmp_path / "weights.onnx")
    quantize_dynamic(fused, tmp_path / "dynamic.onnx")
    some = feeds(random_rows(5), GraphRunner(fused).inputs)
    quantize_static(fused, tmp_path / "static.onnx", feeds=some)
    for path in (fused, *(tmp_path / f"{name}.onnx" for name in ("weights", "dynamic", "static"))):
        assert check_graph_file(path) == len(onnx.load(path).graph.node)


def test_nodes_are_counted_as_onnx_counts_them(runs: Path) -> None:
    path = next((runs / "bundle/onnx").iterdir())
    assert check_graph_file(path) == len(onnx.load(path).graph.node)


@pytest.mark.parametrize("content", [b"", b"\x00", b"not an onnx file", b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError):
        check_graph_file(tmp_path / "model.onnx")


@given(data=st.data())
def test_any_damage_ends_in_a_count_or_in_our_own_error(data: st.DataObject, tmp_path_factory: Any) -> None:
    whole = bytearray(model(node(), node("Mul")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "model.onnx"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(BundleError):
        assert check_graph_file(path) >= 1
