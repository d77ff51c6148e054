"""Make the golden bundles anew: `python -m tests.golden.make`, after which `git diff` shows what changed.

Tiny networks of random weights go the way that a run takes: a student from a teacher, the fused graph, int8,
calibration, a bundle. What they answer here is what every supported onnxruntime and tokenizers must answer.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model, strip_metadata
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.runtime import Classifier, load
from distill.export.runtime.task import Policy, Task
from distill.export.runtime.tasks import task_of
from distill.students.families import FAMILIES
from distill.students.networks.compact import Shape, compact_student
from distill.students.networks.layers import layers_student
from distill.students.networks.static import StaticClassifier, StaticConfig, static_student
from distill.teachers.encoder import EncoderClassifier, Pooling
from tests.support.tiny_models import TEXTS

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
LABELS = ("joy", "sadness", "fear")
PRECISIONS = ("fp32", "int8-static", "int8-dynamic", "int8-weights")
# of the tables, in the bundles whose names end so; 5 are packed in two ways, as 4 and 6 are
BITS = {"": 8, "-narrow": 5}
TASKS = {
    "layers": "multi_label",
    "compact": "single_label",
    "static": "multi_label",
}
MAX_TOKENS = 24
POSITIONS = 32
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
THRESHOLDS = (0.5, 0.45, 0.55)
MODEL_CARD = "# A golden bundle\n\nRandom weights, made by `tests/golden/make.py`: it classifies nothing.\n"
# a score this near to another decision proves nothing about versions
MARGIN = 0.02
# invented, as all texts here
GOLDEN_TEXTS = (
    *dict.fromkeys(TEXTS),
    "",
    "x",
    "Happy, HAPPY, happy!",
    "nobody knows the address of the dark stairs and i am afraid of it all, so thank you for the kind words today",
    "i feel\0very\tsad\ntoday",
    "so sad 😟👨‍👩‍👧‍👦",
    "שלום sad ﷺ e\u0301\u0301",
    "happy" * 50,
    "the sun " * 200,
)


def tokenizer_of_words() -> BertTokenizerFast:
    """Special tokens, letters and the words of the texts, always in the same order, as no trainer gives them."""
    words = sorted({word for text in TEXTS for word in text.split()})
    pieces = [
        *SPECIAL,
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
        *(word for word in words if len(word) > 1),
    ]
    inner = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    ids = [(name, SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")]
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return BertTokenizerFast(tokenizer_object=inner)


def teacher(task: Task, vocabulary: int) -> EncoderClassifier:
    """A body of three layers of width 16; its weights are larger than usual, so that the layers matter."""
    set_seed(5)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
    )
    model = EncoderClassifier(BertModel(config), task, Pooling.MEAN, 0.0)
    nn.init.normal_(model.head.weight, std=0.7)
    return model.eval()


def student(kind: str, tokenizer: BertTokenizerFast) -> nn.Module:
    """A student of this kind."""
    whole = teacher(task_of(TASKS[kind], LABELS), len(tokenizer))
    if kind == "layers":
        return layers_student(whole, [0, 2], pooling=Pooling.MEAN, dropout=0.0).eval()
    if kind == "compact":
        found: nn.Module = compact_student(
            whole, Shape(1, 8, 2), texts=None, pooling=Pooling.MEAN, dropout=0.0, seed=5
        )
    else:
        found = static_of_all_parts(whole, tokenizer)
    nn.init.normal_(found.head.weight, std=1.5)
    return found.eval()


def static_of_all_parts(whole: EncoderClassifier, tokenizer: BertTokenizerFast) -> StaticClassifier:
    """A static student with windows and n-grams; those and the token weights are larger than at a real start."""
    sources = [(piece,) for piece in range(len(tokenizer))]
    config = StaticConfig(len(sources), width=8, window_channels=8, hash_buckets=64, ngrams=3, hidden=16)
    found = static_student(whole, tokenizer, sources, config, dropout=0.0, seed=5)
    with torch.no_grad():
        found.weights[1:] = torch.randn(len(sources))
        for table in (found.vectors, *found.ngrams):
            table.weight[1:] += torch.randn(len(table.weight) - 1, config.width)
    return found


def calibration(fused: Path, rows: list[list[int]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A scale and a bias for each label, such that each is decided for about half of the texts."""
    logits = GraphRunner(fused).run_rows(rows).astype(np.float64)  # (N, C)
    scale = np.round(1.5 / logits.std(axis=0), 3)
    return tuple(map(float, scale)), tuple(map(float, np.round(-scale * logits.mean(axis=0), 3)))


def make_graph(
    fused: Path,
    precision: str,
    table_bits: int,
    rows: list[list[int]],
    calibrated: tuple[tuple[float, ...], tuple[float, ...]],
) -> Path:
    """The graph of a precision with this scale and bias a label, beside the fused one."""
    graph = fused.with_name("graph.onnx")
    scales = fit_input_scales(fused, [GraphRunner(fused).row_feed(row) for row in rows])
    write_precision(precision, fused, graph, scales=scales, table_bits=table_bits)
    proto = onnx.load(graph)
    strip_metadata(proto)
    add_calibration(proto, *calibrated)
    save_model(proto, graph)
    return graph


def make_bundle(kind: str, precision: str, table_bits: int, folder: Path) -> None:
    """Write one golden bundle."""
    tokenizer = tokenizer_of_words()
    model = student(kind, tokenizer)
    rows = [tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"] for text in GOLDEN_TEXTS]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "student").mkdir()
        FAMILIES[kind].save(model, tokenizer, work / "student")
        FAMILIES[kind].export(model, work / "fused.onnx", POSITIONS)
        scale, bias = calibration(work / "fused.onnx", rows)
        graph = make_graph(work / "fused.onnx", precision, table_bits, rows, (scale, bias))
        published = FAMILIES[kind].published_config(work / "student")
        task = task_of(TASKS[kind], LABELS)
        shipment = Shipment(
            name=f"golden-{kind}",
            task=task,
            scale=scale,
            bias=bias,
            policy=Policy(THRESHOLDS[: task.num_thresholds] or None),
            max_tokens=MAX_TOKENS,
            max_batch=None,
            precision=precision,
            inputs=tuple(GraphRunner(graph).inputs),
            graph=graph,
            tokenizer_folder=work / "student",
            config=published if kind == "static" else model.config.to_dict(),
            provenance={"made_by": "tests/golden/make.py"},
            metrics={},
            model_card=MODEL_CARD,
        )
        write_bundle(folder, shipment)


def clear_of_others(classifier: Classifier, text: str) -> bool:
    """Whether no score of this text stands near to where its decision would be another one."""
    scores = sorted(classifier.predict_proba([text])[0].tolist())
    if classifier.manifest.thresholds is None:
        return scores[-1] - scores[-2] >= MARGIN
    found = classifier.predict_proba([text])[0].tolist()
    return all(abs(score - bound) >= MARGIN for score, bound in zip(found, THRESHOLDS, strict=True))


def make_expected(kind: str, precision: str, end: str) -> list[dict[str, object]]:
    """Make one bundle; gives what it must answer."""
    name = f"{kind}-{precision}{end}"
    make_bundle(kind, precision, BITS[end], FOLDER / name)
    classifier = load(FOLDER / name)
    texts = [text for text in GOLDEN_TEXTS if clear_of_others(classifier, text)]
    print(f"{name}: {len(texts)} of {len(GOLDEN_TEXTS)} texts are clear enough")
    return [
        {"text": text, "labels": list(found.labels), "scores": list(found.scores.values())}
        for text, found in zip(texts, classifier.predict(texts), strict=True)
    ]


def main() -> None:
    """Make all bundles and what they must answer."""
    torch.set_num_threads(1)
    expected = {}
    for kind in TASKS:
        for precision in PRECISIONS:
            expected[f"{kind}-{precision}"] = make_expected(kind, precision, "")
        expected[f"{kind}-int8-static-narrow"] = make_expected(kind, "int8-static", "-narrow")
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
