from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from transformers import AlbertConfig

from distill.export.graph.from_torch import export_onnx, fuse, torch_logits
from distill.export.graph.model import add_calibration, add_contract, save_model
from distill.export.graph.pooling import pool_by_matmul
from distill.export.graph.session import GraphRunner
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.teachers.encoder import Pooling
from tests.support.export_models import (
    HEADS,
    KINDS,
    LABELS,
    MAX_TOKENS,
    OF_STUDENTS,
    WIDTH,
    batch,
    random_rows,
    tiny_classifier,
    tiny_graph,
)


@pytest.fixture(params=[(kind, pooling) for kind in KINDS for pooling in OF_STUDENTS], ids="-".join)
def exported(request, tmp_path):
    model = tiny_classifier(*request.param)
    return model, tiny_graph(tmp_path, model)


def test_the_graphs_give_pytorchs_logits(exported):
    model, fused = exported
    runners = [GraphRunner(fused), GraphRunner(fused.with_name("unfused.onnx"))]
    for count, length in ((1, 1), (1, MAX_TOKENS), (2, 5), (7, 9), (32, MAX_TOKENS)):
        ids, mask = batch(random_rows(count, seed=length, longest=length))
        expected = torch_logits(model, ids, mask)
        assert expected.std() > 0.1 or count == 1
        for runner in runners:
            np.testing.assert_allclose(runner(ids, mask), expected, atol=1e-5)


def test_padding_on_the_left_is_masked_too(tmp_path):
    model = tiny_classifier("bert")
    runner = GraphRunner(tiny_graph(tmp_path, model))
    ids, mask = (np.flip(values, axis=1).copy() for values in batch(random_rows(5, seed=1)))
    np.testing.assert_allclose(runner(ids, mask), torch_logits(model, ids, mask), atol=1e-5)


def test_logits_are_the_same_bits_alone_and_in_a_batch(exported):
    _, fused = exported
    runner, rows = GraphRunner(fused), random_rows(64, seed=4)
    np.testing.assert_array_equal(runner(*batch(rows)), runner.run_rows(rows))


def test_mean_pooling_becomes_a_product_and_no_other_sum_does(tmp_path):
    fused = onnx.load(tiny_graph(tmp_path, tiny_classifier("bert")))
    plain = onnx.load(tmp_path / "unfused.onnx")
    sums = [sum(node.op_type == "ReduceSum" for node in model.graph.node) for model in (plain, fused)]
    assert sums == [2, 1]  # the number of tokens is still counted
    assert pool_by_matmul(fused) == 0
    first = onnx.load(tiny_graph(tmp_path, tiny_classifier("bert", Pooling.FIRST)))
    assert pool_by_matmul(first) == 0


def test_every_layer_is_fused_and_gelu_stays_exact(tmp_path):
    for kind in KINDS:
        model = tiny_classifier(kind)
        export_onnx(model, model.config, tmp_path / "plain.onnx")
        counts = fuse(tmp_path / "plain.onnx", tmp_path / "fused.onnx", heads=HEADS, width=WIDTH)
        assert counts == {"MultiHeadAttention": 2, "LayerNormalization": 5, "BiasGelu": 2}
        kinds = {node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node}
        assert not kinds & {"FastGelu", "EmbedLayerNormalization"}


def test_a_graph_without_attention_is_refused(tmp_path):
    from tests.support.tiny_bundle import tiny_graph as mean_of_words

    onnx.save(mean_of_words(), tmp_path / "plain.onnx")
    with pytest.raises(CheckFailedError, match="Attention was not fused"):
        fuse(tmp_path / "plain.onnx", tmp_path / "fused.onnx", heads=HEADS, width=WIDTH)


def test_inputs_and_axes(tmp_path):
    for kind, extra in (("bert", ["token_type_ids"]), ("roberta", []), ("distilbert", [])):
        session = GraphRunner(tiny_graph(tmp_path, tiny_classifier(kind))).session
        found = {value.name: value for value in session.get_inputs()}
        assert list(found) == ["input_ids", "attention_mask", *extra]
        assert all(value.type == "tensor(int64)" for value in found.values())
        assert all(isinstance(axis, str) for value in found.values() for axis in value.shape)
        assert session.get_outputs()[0].shape[-1] == len(LABELS)


def test_exporting_twice_gives_the_same_bytes(tmp_path):
    model = tiny_classifier("bert")
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written.append(tiny_graph(tmp_path / name, model).read_bytes())
    assert written[0] == written[1]
    assert str(Path.home()).encode() not in written[0]


def test_another_body_is_refused_by_name(tmp_path):
    model = tiny_classifier("bert")
    config = AlbertConfig()
    config.model_type = "no-such-body"
    with pytest.raises(InputError, match=r"no-such-body.*BERT, RoBERTa or DistilBERT"):
        export_onnx(model, config, tmp_path / "x.onnx")


def test_calibration_is_the_last_node_pair(tmp_path):
    fused = tiny_graph(tmp_path, tiny_classifier("bert"))
    scale = np.array([1.5, 0.5, 2.0, 1.0], dtype=np.float32)
    bias = np.array([0.1, -0.2, 0.0, 3.0], dtype=np.float32)
    model = onnx.load(fused)
    add_calibration(model, scale, bias)
    save_model(model, tmp_path / "calibrated.onnx")
    last = onnx.load(tmp_path / "calibrated.onnx").graph
    assert [node.op_type for node in last.node][-2:] == ["Mul", "Add"]
    assert list(last.node[-1].output) == ["logits"]
    stored = {item.name: numpy_helper.to_array(item) for item in last.initializer}
    np.testing.assert_array_equal(stored[last.node[-2].input[1]], scale)
    np.testing.assert_array_equal(stored[last.node[-1].input[1]], bias)
    ids, mask = batch(random_rows(4))
    raw = GraphRunner(fused)(ids, mask)
    np.testing.assert_allclose(GraphRunner(tmp_path / "calibrated.onnx")(ids, mask), raw * scale + bias, rtol=1e-6)


def test_the_contract_stands_in_the_file(tmp_path):
    model = onnx.load(tiny_graph(tmp_path, tiny_classifier("distilbert")))
    add_contract(model, {"labels": list(LABELS)})
    save_model(model, tmp_path / "own.onnx")
    session = GraphRunner(tmp_path / "own.onnx").session
    assert '"joy"' in "".join(session.get_modelmeta().custom_metadata_map.values())
