"""Make golden bundles: `python -m tests.golden.make ordinal` makes those of one model, without a name all of them.

A bundle that is there stays as it is, byte for byte, as long as it is read at all; `git diff` shows what changed.

Tiny networks of random weights go the way that a run takes: a student from a teacher, the fused graph, int8,
calibration, a bundle. What they answer here is what every supported onnxruntime and tokenizers must answer.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model, strip_metadata
from distill.export.graph.session import GraphRunner, types_of
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.runtime import Classifier, load
from distill.export.runtime.deciding.kinds.ordinal import at_or_above
from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.deciding.tasks import task_of
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Turns
from distill.export.runtime.reading.turns import Template
from distill.students.families import FAMILIES
from distill.students.networks.compact import Shape, compact_student
from distill.students.networks.layers import layers_student
from distill.students.networks.static import StaticClassifier, StaticConfig, static_student
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.encoding import encode
from distill.teachers.markers import add_markers, with_markers
from tests.support.tiny_models import TEXTS

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
LABELS = ("joy", "sadness", "fear")
LEVELS = ("calm", "uneasy", "distressed", "desperate")


@dataclass(frozen=True)
class Golden:
    """A model that there are golden bundles of, in every precision: its family, its task, and what it reads."""

    family: str
    task: Task
    reads: Input = ONE_TEXT


# of the first bundles: a newest turn that does not fit is left out, with all turns before it
TEMPLATE = Template(("[CLS]", "{target}", "[SEP]"), ("{turns}", "[SEP]"))
TURNS = Turns(3, {"client": "[C]", "therapist": "[T]"}, ("client",), segments=4, template=TEMPLATE)


MODELS: Mapping[str, Golden] = {
    "layers": Golden("layers", task_of("multi_label", LABELS)),
    "compact": Golden("compact", task_of("single_label", LABELS)),
    "static": Golden("static", task_of("multi_label", LABELS)),
    "ordinal": Golden("compact", task_of("ordinal", LEVELS)),
    "turns": Golden("static", task_of("multi_label", LABELS), TURNS),
}
PRECISIONS = ("fp32", "int8-static", "int8-dynamic", "int8-weights")
# of the tables, in the bundles whose names end so; 5 are packed in two ways, as 4 and 6 are
BITS = {"": 8, "-narrow": 5}
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


def given(golden: Golden) -> list[Any]:
    """What a bundle is given: the texts, or conversations of them, each with the texts before it."""
    if not isinstance(golden.reads, Turns):
        return list(GOLDEN_TEXTS)
    speakers = [("client", "therapist", "therapist")[at % 3] for at in range(len(GOLDEN_TEXTS))]
    said = list(map(list, zip(speakers, GOLDEN_TEXTS, strict=True)))
    return [[*said[max(0, at - at % 5) : at], ["client", text]] for at, text in enumerate(GOLDEN_TEXTS)]


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


def student(golden: Golden, tokenizer: BertTokenizerFast) -> nn.Module:
    """A student of this family and task; in the end `eval` ties what a task's head shares."""
    whole = teacher(golden.task, len(tokenizer))
    add_markers(whole, tokenizer, tokenizer, golden.reads)
    if golden.family == "layers":
        return layers_student(whole, [0, 2], pooling=Pooling.MEAN, dropout=0.0).eval()
    if golden.family == "compact":
        found: nn.Module = compact_student(
            whole, Shape(1, 8, 2), texts=None, pooling=Pooling.MEAN, dropout=0.0, seed=5
        )
    else:
        segments = golden.reads.segments if isinstance(golden.reads, Turns) else 0
        found = static_of_all_parts(whole, tokenizer, segments)
    # outputs that share a slope share the mean of these rows, and wide ones reach every level
    nn.init.normal_(found.head.weight, std=4.0 if golden.task.head.one_slope else 1.5)
    return found.eval()


def static_of_all_parts(whole: EncoderClassifier, tokenizer: BertTokenizerFast, segments: int) -> StaticClassifier:
    """A static student with windows and n-grams; those and the token weights are larger than at a real start."""
    sources = [(piece,) for piece in range(len(tokenizer))]
    config = StaticConfig(
        len(sources), width=8, window_channels=8, hash_buckets=64, ngrams=3, hidden=16, segments=segments
    )
    found = static_student(whole, tokenizer, sources, config, dropout=0.0, seed=5)
    with torch.no_grad():
        found.weights[1:] = torch.randn(len(sources))
        for table in (found.vectors, *found.ngrams):
            table.weight[1:] += torch.randn(len(table.weight) - 1, config.width)
        if found.context_weights is not None and found.distances is not None:
            found.context_weights[1:] = torch.randn(len(sources))
            found.distances += torch.randn(segments)
    return found


def calibration(
    fused: Path, rows: Sequence[Sequence[int]], task: Task
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A scale and a bias for each output, such that it is above 0 for about half of the texts.

    Outputs that share a slope share both, or they would not descend any more.
    """
    logits = GraphRunner(fused).run_rows(rows).astype(np.float64)  # (N, K)
    spread, mean = logits.std(axis=0), logits.mean(axis=0)
    if task.head.one_slope:
        spread, mean = np.full_like(spread, spread.mean()), np.full_like(mean, mean.mean())
    scale = np.round(1.5 / spread, 3)
    return tuple(map(float, scale)), tuple(map(float, np.round(-scale * mean, 3)))


def make_graph(
    fused: Path,
    precision: str,
    table_bits: int,
    rows: Sequence[Sequence[int]],
    calibrated: tuple[tuple[float, ...], tuple[float, ...]],
    task: Task,
) -> Path:
    """The graph of a precision with this scale and bias per output, and the task's last nodes."""
    graph = fused.with_name("graph.onnx")
    scales = fit_input_scales(
        fused, [GraphRunner(fused).row_feed(row, types_of(rows, at)) for at, row in enumerate(rows)]
    )
    write_precision(precision, fused, graph, scales=scales, table_bits=table_bits)
    proto = onnx.load(graph)
    strip_metadata(proto)
    add_calibration(proto, *calibrated, task.finish_nodes())
    save_model(proto, graph)
    return graph


def make_bundle(model_name: str, precision: str, table_bits: int, folder: Path) -> None:
    """Write one golden bundle."""
    golden = MODELS[model_name]
    tokenizer: Any = with_markers(tokenizer_of_words(), golden.reads)
    family, task = FAMILIES[golden.family], golden.task
    model = student(golden, tokenizer)
    read = [golden.reads.row(one, "text") for one in given(golden)]
    rows = encode(tokenizer, read, MAX_TOKENS, reads=golden.reads)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "student").mkdir()
        family.save(model, tokenizer, work / "student")
        family.export(model, work / "fused.onnx", POSITIONS)
        scale, bias = calibration(work / "fused.onnx", rows, task)
        graph = make_graph(work / "fused.onnx", precision, table_bits, rows, (scale, bias), task)
        published = family.published_config(work / "student")
        shipment = Shipment(
            name=f"golden-{model_name}",
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
            config=published if golden.family == "static" else model.config.to_dict(),
            provenance={"made_by": "tests/golden/make.py"},
            metrics={},
            model_card=MODEL_CARD,
            reads=golden.reads,
        )
        write_bundle(folder, shipment)


def clear_of_others(classifier: Classifier, text: Any) -> bool:
    """Whether no score of this text stands near to where its decision would be another one."""
    found, bounds = classifier.predict_proba([text]), classifier.manifest.policy.thresholds
    if bounds is None:
        scores = sorted(found[0].tolist())
        return bool(scores[-1] - scores[-2] >= MARGIN)
    compared = found if len(bounds) == found.shape[1] else at_or_above(found)[:, 1:]
    return bool((abs(compared[0] - np.array(bounds)) >= MARGIN).all())


def make_expected(model_name: str, precision: str, end: str) -> list[dict[str, object]]:
    """Make one bundle; gives what it must answer."""
    name = f"{model_name}-{precision}{end}"
    make_bundle(model_name, precision, BITS[end], FOLDER / name)
    classifier = load(FOLDER / name)
    texts = [text for text in given(MODELS[model_name]) if clear_of_others(classifier, text)]
    print(f"{name}: {len(texts)} of {len(GOLDEN_TEXTS)} texts are clear enough")
    return [
        {"text": text, "labels": list(found.labels), "scores": list(found.scores.values())}
        for text, found in zip(texts, classifier.predict(texts), strict=True)
    ]


def main() -> None:
    """Make bundles and what they must answer."""
    parser = argparse.ArgumentParser(description="Make golden bundles.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"some of {', '.join(MODELS)}; all by default")
    torch.set_num_threads(1)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    for model_name in parser.parse_args().models or MODELS:
        for precision in PRECISIONS:
            expected[f"{model_name}-{precision}"] = make_expected(model_name, precision, "")
        expected[f"{model_name}-int8-static-narrow"] = make_expected(model_name, "int8-static", "-narrow")
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
