"""Every byte of a bundle has a component: they add up to its files, and each holds the weights that it names."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.packing import PLANES
from distill.export.int8.precisions import write_precision
from distill.export.int8.quantize import quantize_weights
from distill.export.measure.components import COMPONENTS, weigh_bundle, weigh_files, weigh_graph
from distill.export.precision import Precision
from distill.export.runtime import BundleError
from distill.students.networks.static import StaticClassifier, StaticConfig
from distill.students.static import StaticFamily
from tests.support.export_models import KINDS, feeds, random_rows, tiny_classifier, tiny_graph
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.tiny_models import multi_label_task

# of a layer of export_models: width 32, feed-forward 64, two layers
ATTENTION, FFN = 2 * 4 * 32 * 32, 2 * 2 * 32 * 64
VOCABULARY, POSITIONS = 120 * 32, 26 * 32


def forms(fused: Path, folder: Path) -> dict[str, Path]:
    """The graph in fp32 and in each int8 form."""
    scales = fit_input_scales(fused, feeds(random_rows(3), GraphRunner(fused).inputs))
    found = {name: folder / f"{name}.onnx" for name in Precision}
    for name, target in found.items():
        write_precision(name, fused, target, scales=scales)
    return found


def near(bytes_found: int, weights: int, width: int) -> bool:
    """Whether these bytes are the weights of so many bytes each, and little more: biases, norms and names."""
    return weights * width <= bytes_found <= weights * width + 0.25 * weights * 4 + 4000


@pytest.mark.parametrize("kind", KINDS)
def test_a_transformers_weights_stand_under_what_they_are_for(kind: str, tmp_path: Path) -> None:
    for form, path in forms(tiny_graph(tmp_path, tiny_classifier(kind)), tmp_path).items():
        found = weigh_graph(path)
        assert sum(found.values()) == path.stat().st_size
        assert list(found) == [name for name in COMPONENTS if name in found]
        width = 4 if form == "fp32" else 1
        assert near(found["attention"], ATTENTION, width), (form, found)
        assert near(found["ffn"], FFN, width), (form, found)
        assert near(found["token_table"], VOCABULARY, width), (form, found)
        assert near(found["position_and_type_tables"], POSITIONS, width), (form, found)
        assert found["head_and_calibration"] >= 4 * 32 * 4
        assert ("scales" in found) == (form != "fp32")
        # the norm behind the embeddings, and numbers that shape things
        assert found["other_weights"] < 1000, (form, found)


def test_a_static_students_tables_window_and_network_are_told_apart(tmp_path: Path) -> None:
    config = StaticConfig(vocabulary=200, width=16, window_channels=24, hash_buckets=64, ngrams=3, hidden=40)
    fused = tmp_path / "fused.onnx"
    StaticFamily.export(StaticClassifier(config, multi_label_task()).eval(), fused, 24)
    for form, path in forms(fused, tmp_path).items():
        found = weigh_graph(path)
        assert sum(found.values()) == path.stat().st_size
        width = 4 if form == "fp32" else 1
        assert near(found["token_table"], 201 * 16, width), (form, found)
        assert near(found["ngram_tables"], 2 * 64 * 16, width), (form, found)
        assert found["window"] >= 3 * 16 * 24 * width
        assert near(found["ffn"], (2 * 16 + 24) * 40, width), (form, found)
        assert "attention" not in found
        assert found.get("other_weights", 0) < 600, (form, found)


@pytest.mark.parametrize(("bits", "kind"), [(4, "bert"), (5, "distilbert"), (6, "roberta")])
def test_tables_of_few_bits_are_the_same_tables_and_their_scales_are_scales(
    bits: int, kind: str, tmp_path: Path
) -> None:
    fused, narrow, wide = tiny_graph(tmp_path, tiny_classifier(kind)), tmp_path / "n.onnx", tmp_path / "w.onnx"
    quantize_weights(fused, wide)
    quantize_weights(fused, narrow, table_bits=bits)
    found, before = weigh_graph(narrow), weigh_graph(wide)
    assert sum(found.values()) == narrow.stat().st_size
    # beside the numbers: names, masks of a byte's parts, a shape
    assert 0 <= found["token_table"] - VOCABULARY * bits // 8 < 300
    assert found["position_and_type_tables"] < before["position_and_type_tables"]
    # of each table and part of a byte a scale of each channel, 32 wide, and once what is taken off
    assert found["scales"] - before["scales"] >= (len(PLANES[bits]) + 1) * 32 * 4
    assert {name: found[name] for name in ("attention", "ffn", "other_weights")} == {
        name: before[name] for name in ("attention", "ffn", "other_weights")
    }


def test_the_components_of_a_bundle_are_all_its_files(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "b")
    (bundle / "LICENSE").write_text("terms")
    found = weigh_bundle(bundle)
    assert sum(found.values()) == sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    assert found["other_files"] == 5
    assert found["model_card"] == (bundle / "README.md").stat().st_size
    assert found["manifest"] == (bundle / "manifest.json").stat().st_size
    assert "model_card" not in weigh_files(bundle, ["onnx/model.onnx", "manifest.json"])


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(BundleError, match=r"x\.onnx: The file is not a whole ONNX file. Copy it again"):
        weigh_graph(path)


def test_a_constant_without_a_reader_or_a_known_name_is_other(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.ones(9, dtype=np.float32), "nothing")
    graph = onnx.helper.make_graph([], "g", [], [], [weight])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "x.onnx")
    found = weigh_graph(tmp_path / "x.onnx")
    assert found["other_weights"] == weight.ByteSize()
