"""Residual sums apart from their norms, biases inside of integer products: the same numbers, sooner."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.model import save_model
from distill.export.graph.norms import split_residual_norms
from distill.export.graph.session import GraphRunner
from distill.export.int8.biases import absorb_biases
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from tests.support.export_models import KINDS, feeds, random_rows, tiny_classifier, tiny_graph

WIDTH, TOKENS = 8, 5


def residual_graph(*, bias, gives_sum, epsilon):
    """One SkipLayerNormalization over ``(B, T, H)``, and the sum too where it is asked for."""
    generator = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(generator.standard_normal(WIDTH).astype(np.float32), name)
        for name in ("gamma", "beta", *(["bias"] if bias else []))
    ]
    inputs = ["hidden", "skip", "gamma", "beta", *(["bias"] if bias else [])]
    outputs = ["normed", "", "", "summed"] if gives_sum else ["normed"]
    attributes = {} if epsilon is None else {"epsilon": epsilon}
    node = helper.make_node(
        "SkipLayerNormalization", inputs, outputs, "norm", domain="com.microsoft", **attributes
    )
    shape = ["batch", "sequence", WIDTH]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("hidden", "skip")]
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("normed", *(["summed"] if gives_sum else []))
    ]
    graph = helper.make_graph([node], "g", values, given, weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(model):
    generator = np.random.default_rng(11)
    fed = {name: generator.standard_normal((2, TOKENS, WIDTH)).astype(np.float32) for name in ("hidden", "skip")}
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, fed)


@pytest.mark.parametrize("epsilon", [None, 1e-12, 0.5])
@pytest.mark.parametrize("gives_sum", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_sum_and_norm_give_what_the_fused_operator_gives(bias, gives_sum, epsilon):
    model = residual_graph(bias=bias, gives_sum=gives_sum, epsilon=epsilon)
    expected = run(model)
    assert split_residual_norms(model) == 1
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Sum", "LayerNormalization"]
    for found, value in zip(run(model), expected, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-5)
    assert split_residual_norms(model) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_onnxruntime_does_not_fuse_them_again(kind, tmp_path):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "opened.onnx")
    graph = tiny_graph(tmp_path, tiny_classifier(kind))
    ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    opened = Counter(node.op_type for node in onnx.load(tmp_path / "opened.onnx").graph.node)
    assert opened["LayerNormalization"] == 5
    assert opened["SkipLayerNormalization"] == 0


def static_form(folder, kind, keep_fp32=()):
    source = tiny_graph(folder, tiny_classifier(kind))
    scales = fit_input_scales(source, feeds(random_rows(60, seed=9), GraphRunner(source).inputs))
    write_precision("int8-static", source, folder / "static.onnx", keep_fp32=keep_fp32, scales=scales)
    return folder / "static.onnx"


@pytest.mark.parametrize("kind", KINDS)
def test_every_bias_behind_an_integer_product_is_in_it(kind, tmp_path, monkeypatch):
    rows = random_rows(20, seed=3)
    static = static_form(tmp_path, kind)
    nodes = onnx.load(static).graph.node
    products = [node for node in nodes if node.op_type == "MatMulIntegerToFloat"]
    assert [bool(node.input[6:]) for node in products] == [True] * 12
    kinds = Counter(node.op_type for node in nodes)
    assert (kinds["BiasGelu"], kinds["Gelu"]) == (0, 2)
    assert all(not node.input[3] for node in nodes if node.op_type == "MultiHeadAttention")
    with_biases = GraphRunner(static).run_rows(rows)
    monkeypatch.setattr("distill.export.int8.quantize.absorb_biases", lambda _: 0)
    (tmp_path / "apart").mkdir()
    apart = GraphRunner(static_form(tmp_path / "apart", kind)).run_rows(rows)
    np.testing.assert_allclose(with_biases, apart, atol=2e-2 * apart.std())


def test_a_bias_of_a_product_in_fp32_stays_where_it_was(tmp_path):
    keep = ("layer.0.key", "layer.0.ffn_up", "layer.1.ffn_output", "layer.1.attention_output")
    nodes = onnx.load(static_form(tmp_path, "bert", keep)).graph.node
    kinds = Counter(node.op_type for node in nodes)
    assert (kinds["BiasGelu"], kinds["Gelu"]) == (1, 1)
    # one of three in fp32, and attention adds all three
    assert [bool(node.input[3]) for node in nodes if node.op_type == "MultiHeadAttention"] == [True, False]
    sums = [len(node.input) for node in nodes if node.op_type == "Sum" and ".sum" in node.output[0]]
    assert sorted(sums) == [2, 2, 3, 3]


def test_a_product_that_something_else_reads_too_keeps_no_bias(tmp_path):
    static = static_form(tmp_path, "bert")
    model = onnx.load(static)
    reader = next(node for node in model.graph.node if node.op_type == "Gelu")
    up = next(node for node in model.graph.node if reader.input[0] in node.output)
    bias = up.input.pop()
    reader.op_type = "BiasGelu"
    reader.input.append(bias)
    model.graph.node.append(helper.make_node("Identity", [up.output[0]], ["also"], "also"))
    save_model(model, tmp_path / "read-twice.onnx")
    builder = GraphBuilder.load(tmp_path / "read-twice.onnx")
    for node in builder.source:
        builder.keep(node)
    assert absorb_biases(builder) == 0
    assert sum(node.op_type == "BiasGelu" for node in builder.nodes) == 1
