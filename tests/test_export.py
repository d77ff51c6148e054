"""Graphs, int8, gate and bundle on tiny models of each architecture, against PyTorch and slow oracles."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from corpora.metrics import macro_f1
from export.bundle import Shipment, write_bundle
from export.gate import Bounds, Check, check_contract, check_decisions, check_shapes, failures
from export.graph import add_calibration, export_onnx, fuse, save, strip, torch_logits
from export.quantize import quantize_dynamic, quantize_static, quantize_weights, roles
from export.runtime import load, self_test
from export.runtime.errors import CheckFailedError
from export.session import GraphRunner
from tests.tiny_models import TEXTS, bert_tokenizer, tiny_classifier

BODIES = ("bert", "roberta", "distilbert")
SCALE, BIAS = (1.5, 0.5, 1.0), (0.1, -0.2, 0.0)


def batch(seed: int = 0, rows: int = 4, width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 100, size=(rows, width))
    mask = np.ones_like(ids)
    mask[1:, width // 2 :] = 0
    ids[mask == 0] = 1
    return ids, mask


def fused_graph(folder: Path, body: str = "bert", vocabulary: int = 400) -> tuple[Path, object]:
    model = tiny_classifier(body, vocabulary)
    export_onnx(model, model.config, folder / "plain.onnx")
    fuse(folder / "plain.onnx", folder / "fused.onnx", heads=4, width=32)
    return folder / "fused.onnx", model


@pytest.mark.parametrize("body", BODIES)
def test_the_fused_graph_gives_pytorchs_logits_with_padding(body: str, tmp_path: Path) -> None:
    path, model = fused_graph(tmp_path, body)
    runner = GraphRunner(path)
    for rows, width in ((1, 1), (3, 5), (7, 30)):
        ids, mask = batch(rows, rows, width)
        mask[:, 0] = 1
        np.testing.assert_allclose(runner(ids, mask), torch_logits(model, ids, mask), atol=1e-5)
    check_contract(runner.session, runner.inputs, 3)


def test_a_graph_without_fusions_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", 1, [1])
    out = onnx.helper.make_tensor_value_info("y", 1, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value], [out])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "i.onnx",
    )
    with pytest.raises(CheckFailedError, match="none of the transformer fusions"):
        fuse(tmp_path / "i.onnx", tmp_path / "o.onnx", heads=4, width=32)


def test_calibration_is_the_last_node_pair(tmp_path: Path) -> None:
    path, model = fused_graph(tmp_path)
    proto = onnx.load(path)
    add_calibration(proto, SCALE, BIAS)
    save(proto, tmp_path / "calibrated.onnx")
    assert [node.op_type for node in proto.graph.node][-2:] == ["Mul", "Add"]
    ids, mask = batch()
    expected = torch_logits(model, ids, mask) * np.float32(SCALE) + np.float32(BIAS)
    np.testing.assert_allclose(GraphRunner(tmp_path / "calibrated.onnx")(ids, mask), expected, atol=1e-5)


def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path, _ = fused_graph(tmp_path / name)
        proto = onnx.load(path)
        strip(proto)
        quantize_weights(proto)
        save(proto, path)
        found.append(path.read_bytes())
    assert found[0] == found[1]


def test_int8_weights_are_within_half_a_step_of_each_row(tmp_path: Path) -> None:
    path, model = fused_graph(tmp_path)
    words = model.encoder.embeddings.word_embeddings.weight.detach().numpy()
    proto = onnx.load(path)
    quantize_weights(proto)
    tensors = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    (name,) = [n for n in tensors if "word_embeddings" in n and n.endswith("_int8")]
    scale = tensors[name.replace("_int8", "_scale")]
    assert tensors[name].dtype == np.int8
    assert (np.abs(tensors[name] * scale - words) <= scale / 2 + 1e-6).all()
    save(proto, tmp_path / "w.onnx")
    assert (tmp_path / "w.onnx").stat().st_size < path.stat().st_size * 0.6
    ids, mask = batch()
    np.testing.assert_allclose(
        GraphRunner(tmp_path / "w.onnx")(ids, mask), torch_logits(model, ids, mask), atol=0.05
    )


def test_roles_are_read_from_the_neighbours(tmp_path: Path) -> None:
    path, _ = fused_graph(tmp_path)
    found = list(roles(onnx.load(path)).values())
    assert {kind: found.count(kind) for kind in set(found)} == {
        "attention": 3,
        "attention_output": 3,
        "ffn_up": 3,
        "ffn_output": 3,
    }


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_int8_arithmetic_stays_near_and_leaves_out_what_it_is_told(kind: str, tmp_path: Path) -> None:
    path, model = fused_graph(tmp_path)
    sizes = []
    for keep in ((), ("ffn_output",)):
        target = tmp_path / f"{len(keep)}.onnx"
        if kind == "dynamic":
            quantize_dynamic(path, target, keep=keep)
        else:
            inputs = GraphRunner(path).inputs
            feeds = []
            for seed in range(8):
                ids, mask = batch(seed)
                values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
                feeds.append({name: values[name] for name in inputs})
            quantize_static(path, target, keep=keep, feeds=feeds)
        proto = onnx.load(target)
        sizes.append(
            [n.op_type for n in proto.graph.node].count("MatMul" if kind == "dynamic" else "DequantizeLinear")
        )
        quantize_weights(proto)
        save(proto, target)
        ids, mask = batch(99)
        np.testing.assert_allclose(GraphRunner(target)(ids, mask), torch_logits(model, ids, mask), atol=0.1)
    assert sizes[0] != sizes[1]


def test_the_gate_counts_flips_and_drops_like_a_slow_oracle() -> None:
    rng = np.random.default_rng(1)
    gold = (rng.random((200, 4)) < 0.4).astype(np.float32)
    reference = gold > 0
    variant = reference ^ (rng.random((200, 4)) < 0.02)
    checks = {
        check.name: check
        for check in check_decisions(variant, reference, gold, macro_f1, Bounds(min_recall_rows=1))
    }
    cells = sum(variant[r, c] != reference[r, c] for r in range(200) for c in range(4)) / 800
    rows = sum(any(variant[r, c] != reference[r, c] for c in range(4)) for r in range(200)) / 200
    assert checks["flips per (row, label)"].value == pytest.approx(cells)
    assert checks["rows with a flip"].value == pytest.approx(rows)
    drops = [1 - variant[gold[:, c] > 0, c].mean() for c in range(4)]
    assert checks["largest recall drop"].value == pytest.approx(max(drops), abs=1e-6)
    assert not checks["flips per (row, label)"].passed
    assert "flips per (row, label)" in failures(tuple(checks.values()))


def test_a_check_that_is_not_a_number_fails() -> None:
    assert not Check("x", float("nan"), 1.0).passed


def test_shapes_see_a_graph_that_moves_with_its_batch() -> None:
    def steady(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return ((ids * mask).sum(axis=1, keepdims=True) / 1000).astype(np.float32)

    def moving(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return steady(ids, mask) + np.float32(0.01 * len(ids))

    stream = np.arange(5, 300)
    bounds = Bounds()
    good = check_shapes(steady, steady, stream, max_tokens=16, int8=False, bounds=bounds)
    assert good.batch_invariant
    assert all(check.passed for check in good.checks)
    bad = check_shapes(moving, steady, stream, max_tokens=16, int8=False, bounds=bounds)
    assert not bad.batch_invariant
    assert not all(check.passed for check in bad.checks)


def shipment(folder: Path) -> Shipment:
    tokenizer = bert_tokenizer()
    path, model = fused_graph(folder, vocabulary=len(tokenizer))
    proto = onnx.load(path)
    strip(proto)
    quantize_weights(proto)
    add_calibration(proto, SCALE, BIAS)
    save(proto, folder / "graph.onnx")
    tokenizer.save_pretrained(folder / "tokenizer")
    return Shipment(
        name="tiny",
        task="multi_label",
        labels=("joy", "sadness", "fear"),
        scale=SCALE,
        bias=BIAS,
        thresholds=(0.3, 0.4, 0.5),
        max_tokens=16,
        max_batch=None,
        precision="int8-weights",
        inputs=tuple(GraphRunner(folder / "graph.onnx").inputs),
        graph=folder / "graph.onnx",
        tokenizer_folder=folder / "tokenizer",
        config=model.config.to_dict(),
        provenance={},
        metrics={},
        model_card="# tiny\n",
    )


def test_a_bundle_is_the_same_bytes_twice_and_passes_its_self_test(tmp_path: Path) -> None:
    made = shipment(tmp_path)
    for name in ("one", "two"):
        write_bundle(tmp_path / name, made)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    assert self_test(load(tmp_path / "one")) == 0.0
    assert str(tmp_path).encode() not in b"".join((tmp_path / "one" / f).read_bytes() for f in files)


def test_every_loader_decides_the_same(tmp_path: Path) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    write_bundle(tmp_path / "bundle", shipment(tmp_path))
    ours = load(tmp_path / "bundle")
    texts = TEXTS[:6]
    expected = [prediction.labels for prediction in ours.predict(texts)]
    session = onnxruntime.InferenceSession(str(tmp_path / "bundle/onnx/model_quantized.onnx"))
    model = ORTModelForSequenceClassification.from_pretrained(
        tmp_path / "bundle", file_name="model_quantized.onnx", subfolder="onnx"
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "bundle")
    thresholds = np.array(ours.manifest.thresholds)
    for text, labels in zip(texts, expected, strict=True):
        ids = np.array(ours.token_ids([text]), dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        bare = session.run(["logits"], {value.name: feed[value.name] for value in session.get_inputs()})[0]
        theirs = model(**tokenizer(text, return_tensors="pt")).logits.detach().numpy()
        for logits in (bare, theirs):
            chosen = (1 / (1 + np.exp(-logits[0]))) >= thresholds
            assert tuple(np.array(ours.labels)[chosen]) == labels
    metadata = {
        entry.key: entry.value for entry in onnx.load(tmp_path / "bundle/onnx/model_quantized.onnx").metadata_props
    }
    assert '"thresholds": [0.3, 0.4, 0.5]' in metadata["distill"]
