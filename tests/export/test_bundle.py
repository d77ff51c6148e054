import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from distill.export.bundle import SELF_TEST_TEXTS, Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.runtime import load, verify
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.task import Policy
from distill.export.runtime.errors import BundleError
from tests.support.export_models import (
    KINDS,
    LABELS,
    MAX_TOKENS,
    VOCABULARY,
    feeds,
    random_rows,
    tiny_classifier,
    tiny_graph,
)

SCALE = (1.5, 0.8, 1.1, 0.9)
BIAS = (0.2, -0.1, 0.0, 0.4)
THRESHOLDS = (0.5, 0.4, 0.6, 0.3)
TEXTS = ["i feel calm today", "sad", "", "thank you so much, this realy helped!!", "you " * 60]


def make_tokenizer(folder: Path, kind: str) -> None:
    folder.mkdir(exist_ok=True)
    words = ["<s>", "<pad>", "</s>", "<unk>", "[MASK]"]
    words += sorted({word for text in (*SELF_TEST_TEXTS, *TEXTS) for word in text.split()})
    assert len(words) <= VOCABULARY
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    # as published tokenizers have it, and as nobody wants it in a bundle
    tokenizer.enable_padding(length=128, pad_id=1, pad_token="<pad>")
    tokenizer.save(str(folder / "tokenizer.json"))
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if kind == "bert" else [])
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": inputs,
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "name_or_path": str(folder),
        "cache_dir": str(folder),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def make_shipment(folder: Path, kind: str = "bert", precision: str = "fp32") -> Shipment:
    model = tiny_classifier(kind)
    graph = tiny_graph(folder, model)
    inputs = GraphRunner(graph).inputs
    if precision == "int8-static":
        scales = fit_input_scales(graph, feeds(random_rows(40), inputs))
        write_precision(precision, graph, folder / "int8.onnx", scales=scales)
        graph = folder / "int8.onnx"
    proto = onnx.load(graph)
    add_calibration(proto, SCALE, BIAS)
    save_model(proto, folder / "calibrated.onnx")
    make_tokenizer(folder / "tokenizer", kind)
    return Shipment(
        name="tiny",
        task=MultiLabel(LABELS),
        scale=SCALE,
        bias=BIAS,
        policy=Policy(THRESHOLDS),
        max_tokens=MAX_TOKENS,
        max_batch=None,
        precision=precision,
        inputs=tuple(inputs),
        graph=folder / "calibrated.onnx",
        tokenizer_folder=folder / "tokenizer",
        config={**model.config.to_dict(), "_name_or_path": str(folder)},
        provenance={"seed": 3},
        metrics={"test": {"macro_f1": 0.5}},
        model_card="# tiny\n",
    )


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    shipment = make_shipment(folder)
    write_bundle(folder / "bundle", shipment)
    return folder / "bundle", shipment


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_verifies_and_has_its_files(shipped):
    bundle, _ = shipped
    assert verify(bundle) == 0
    names = {
        "README.md",
        "config.json",
        "manifest.json",
        "onnx/model.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert set(everything(bundle)) == names
    assert not bundle.with_name("bundle.partial").exists()


def test_the_same_shipment_gives_the_same_bytes_without_a_path_in_them(shipped, tmp_path):
    bundle, shipment = shipped
    write_bundle(tmp_path / "again", shipment)
    assert everything(bundle) == everything(tmp_path / "again")
    for name, content in everything(bundle).items():
        assert str(bundle.parent).encode() not in content, name
        assert b"/tmp/" not in content, name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["fp32", "int8-static"])
def test_ortmodel_and_bare_onnxruntime_decide_as_the_runtime(tmp_path, kind, precision):
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    write_bundle(tmp_path / "bundle", make_shipment(tmp_path, kind, precision))
    classifier = load(tmp_path / "bundle")
    scores = classifier.predict_proba(TEXTS)
    assert scores.std(axis=0).max() > 0.01
    file = classifier.manifest.model_file
    model = ORTModelForSequenceClassification.from_pretrained(
        tmp_path / "bundle", subfolder="onnx", file_name=Path(file).name, config=tmp_path / "bundle"
    )
    assert list(model.config.id2label.values()) == list(LABELS)
    assert model.config.problem_type == "multi_label_classification"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "bundle")
    session = onnxruntime.InferenceSession(str(tmp_path / "bundle" / file), providers=["CPUExecutionProvider"])
    bare = Tokenizer.from_file(str(tmp_path / "bundle" / "tokenizer.json"))
    for text, expected in zip(TEXTS, scores, strict=True):
        batch = tokenizer(text, truncation=True, return_tensors="pt")
        found = model(**batch).logits.sigmoid().numpy()[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        ids = np.array([bare.encode(text).ids], dtype=np.int64)
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        logits = session.run(["logits"], {name: values[name] for name in classifier.manifest.inputs})[0][0]
        decided = tuple(np.array(LABELS)[1 / (1 + np.exp(-logits)) >= np.array(THRESHOLDS)])
        assert decided == classifier.predict([text])[0].labels


def test_the_contract_stands_in_the_graph(shipped):
    bundle, _ = shipped
    session = onnxruntime.InferenceSession(str(bundle / "onnx/model.onnx"), providers=["CPUExecutionProvider"])
    (text,) = session.get_modelmeta().custom_metadata_map.values()
    stored = json.loads(text)
    assert stored["labels"] == list(LABELS)
    assert stored["thresholds"] == list(THRESHOLDS)
    assert "files" not in stored


def test_a_later_bundle_takes_the_place_of_an_earlier_one(shipped, tmp_path):
    _, shipment = shipped
    write_bundle(tmp_path / "bundle", shipment)
    (tmp_path / "bundle" / "onnx" / "stray.onnx").write_bytes(b"x")
    write_bundle(tmp_path / "bundle", replace(shipment, name="second"))
    assert load(tmp_path / "bundle").manifest.name == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_refused_bundle_leaves_the_earlier_one(shipped, tmp_path):
    _, shipment = shipped
    write_bundle(tmp_path / "bundle", shipment)
    before = everything(tmp_path / "bundle")
    with pytest.raises(BundleError, match="thresholds"):
        write_bundle(tmp_path / "bundle", replace(shipment, policy=Policy((0.5,))))
    assert everything(tmp_path / "bundle") == before
