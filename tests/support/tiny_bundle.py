"""A bundle small enough to be built in a test: 14 words, 4 dimensions, 3 labels, answers known to numpy."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from distill.export.runtime.deciding.tasks import TASKS
from distill.export.runtime.manifest.manifest import Manifest, contract, dump_json
from distill.export.runtime.manifest.parts import Calibration, SelfTest
from distill.export.runtime.manifest.records import FileRecord

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, "i", "you", "feel", "am", "very", "happy", "sad", "calm", "today", "not"]
VOCABULARY = {word: index for index, word in enumerate(WORDS)}
LABELS = ("joy", "sadness", "calm")
SCALE = np.array([1.5, 0.8, 1.1], dtype=np.float32)
BIAS = np.array([0.2, -0.1, 0.0], dtype=np.float32)
MAX_TOKENS = 8
SELF_TEST_TEXTS = ("i am happy", "you feel very sad today")
MODEL_FILE = "onnx/model.onnx"


def tiny_weights() -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (V, 4) and head (4, C), always the same."""
    rng = np.random.default_rng(7)
    embeddings = rng.normal(size=(len(WORDS), 4)).astype(np.float32)
    return embeddings, rng.normal(size=(4, len(LABELS))).astype(np.float32)


def tiny_ids(text: str, max_tokens: int = MAX_TOKENS) -> list[int]:
    """What the tokenizer gives, without it."""
    words = [VOCABULARY.get(word, VOCABULARY["[UNK]"]) for word in text.split()]
    return [VOCABULARY["[CLS]"], *words[: max_tokens - 2], VOCABULARY["[SEP]"]]


def tiny_logits(text: str, max_tokens: int = MAX_TOKENS) -> np.ndarray:
    """The calibrated logits (C,) that the graph must give."""
    embeddings, head = tiny_weights()
    return embeddings[tiny_ids(text, max_tokens)].mean(axis=0) @ head * SCALE + BIAS


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", VOCABULARY["[CLS]"]), ("[SEP]", VOCABULARY["[SEP]"])],
    )
    return tokenizer


def tiny_graph(*, nan_word: str | None = None) -> onnx.ModelProto:
    """Gather, masked mean, MatMul, then calibration as the last two nodes; `nan_word` poisons one row.

    The mean is a product, as in every export: its bits do not depend on the batch.
    """
    embeddings, head = tiny_weights()
    if nan_word is not None:
        embeddings[VOCABULARY[nan_word]] = np.nan
    constants = {
        "embeddings": embeddings,
        "head": head,
        "scale": SCALE,
        "bias": BIAS,
        "one": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embeddings", "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "one"], ["mask3"]),  # (B, 1, T)
        helper.make_node("MatMul", ["mask3", "tokens"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "one"], ["total"]),
        helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "head"], ["raw"]),
        helper.make_node("Mul", ["raw", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def tiny_manifest(task: str = "multi_label", files: dict[str, FileRecord] | None = None) -> Manifest:
    multi = task == "multi_label"
    blank = FileRecord(sha256="0" * 64, bytes=0)
    return Manifest(
        format_version=TASKS[task].manifest_version,
        name="tiny",
        task=task,
        labels=LABELS,
        activation="sigmoid" if multi else "softmax",
        calibration=Calibration(tuple(map(float, SCALE)), tuple(map(float, BIAS))),
        thresholds=(0.5, 0.4, 0.6) if multi else None,
        abstain=None,
        max_tokens=MAX_TOKENS,
        max_batch=None,
        model_file=MODEL_FILE,
        tokenizer_file="tokenizer.json",
        inputs=("input_ids", "attention_mask"),
        precision="fp32",
        self_test=SelfTest(
            texts=SELF_TEST_TEXTS,
            input_ids=tuple(tuple(tiny_ids(text)) for text in SELF_TEST_TEXTS),
            logits=tuple(tuple(map(float, tiny_logits(text))) for text in SELF_TEST_TEXTS),
            tolerance=1e-4,
        ),
        files=files if files is not None else {MODEL_FILE: blank, "tokenizer.json": blank},
        provenance={"seed": 7},
        metrics={"macro_f1": 0.5},
    )


def record(path: Path) -> FileRecord:
    content = path.read_bytes()
    return FileRecord(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def rewrite_manifest(folder: Path, **changes: object) -> Path:
    """Change manifest keys by hand, with the files' records made true again."""
    data = tiny_manifest(str(changes.get("task", "multi_label"))).to_dict()
    names = (MODEL_FILE, "tokenizer.json", "config.json")
    data["files"] = {name: vars(record(folder / name)) for name in names}
    (folder / "manifest.json").write_text(dump_json(data | changes), encoding="utf-8")
    return folder


def make_tiny_bundle(folder: Path, *, task: str = "multi_label", nan_word: str | None = None) -> Path:
    """Write a whole bundle into `folder`, which is made where it does not stand yet."""
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    model = tiny_graph(nan_word=nan_word)
    helper.set_model_props(model, {"contract": dump_json(contract(tiny_manifest(task)))})
    onnx.save_model(model, str(folder / MODEL_FILE))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    problem = "multi_label_classification" if task == "multi_label" else "single_label_classification"
    config = {"id2label": {str(i): label for i, label in enumerate(LABELS)}, "problem_type": problem}
    (folder / "config.json").write_text(dump_json(config), encoding="utf-8")
    (folder / "README.md").write_text("# tiny\n", encoding="utf-8")
    return rewrite_manifest(folder, task=task)
