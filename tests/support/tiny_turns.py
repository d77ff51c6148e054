"""A bundle of turns small enough to be built in a test: the words of the tiny bundle, and a graph of numpy's."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.static import ContextWeights, StaticWeights, write_static_graph
from distill.export.runtime.deciding.task import Policy
from distill.export.runtime.deciding.tasks import task_of
from distill.export.runtime.manifest.optional import NO_OBJECTS, Objects
from distill.export.runtime.reading.inputs import Turns
from distill.export.runtime.reading.turns import Template
from tests.support.tiny_bundle import LABELS, WORDS

ROLES = {"client": "[C]", "therapist": "[T]"}

TEMPLATE = Template(("[CLS]", "{target}", "[SEP]"), ("{newest}", "{turns}", "[SEP]"))

# of bundles that leave out a newest turn that does not fit, with all turns before it
WHOLE = Template(("[CLS]", "{target}", "[SEP]"), ("{turns}", "[SEP]"))

TURNS_WORDS = [*WORDS, *ROLES.values()]

WIDTH, HIDDEN, MAX_TOKENS = 8, 12, 24


def turns_tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(TURNS_WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def turns_weights(segments: int) -> StaticWeights:
    rng = np.random.default_rng(5)

    def draw(*shape: int) -> np.ndarray:
        values: np.ndarray = rng.normal(size=shape).astype(np.float32)
        return values

    vectors = draw(len(TURNS_WORDS) + 1, WIDTH)
    vectors[0] = 0
    weights, shares = draw(len(vectors)), draw(len(vectors))
    weights[0] = shares[0] = -1e4
    parts = min(max(segments - 1, 0), 2)
    features = (2 + parts) * WIDTH
    return StaticWeights(
        edge=2,
        vectors=vectors,
        weights=weights,
        ngrams=(),
        factors=(),
        window=None,
        norm=(draw(features), draw(features), 1e-5),
        up=(draw(features, HIDDEN), draw(HIDDEN)),
        head=(draw(HIDDEN, len(LABELS)), draw(len(LABELS))),
        context=ContextWeights(shares, draw(segments), parts) if parts else None,
    )


def make_turns_bundle(folder: Path, reads: Turns, objects: Objects = NO_OBJECTS) -> Path:
    """Write a whole bundle of turns."""
    source = folder.with_name(f"{folder.name}-source")
    source.mkdir(parents=True)
    turns_tokenizer().save(str(source / "tokenizer.json"))
    (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    write_static_graph(turns_weights(reads.segments), source / "model.onnx")
    write_bundle(
        folder,
        Shipment(
            name="turns",
            task=task_of("multi_label", LABELS),
            scale=(1.0,) * len(LABELS),
            bias=(0.0,) * len(LABELS),
            policy=Policy((0.5,) * len(LABELS)),
            max_tokens=MAX_TOKENS,
            max_batch=None,
            precision="fp32",
            inputs=("input_ids", "attention_mask", "token_type_ids"),
            graph=source / "model.onnx",
            tokenizer_folder=source,
            config={"model_type": "bert"},
            provenance={},
            metrics={},
            model_card="# turns\n",
            reads=reads,
            objects=objects,
        ),
    )
    return folder
