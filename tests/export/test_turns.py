"""Turns the whole way: training and a bundle read the same tokens of them, with the same logits in any batch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from distill.export.graph.session import GraphRunner
from distill.export.runtime import Classifier, Turn, verify
from distill.export.runtime.reading.inputs import Row, Turns, Window
from distill.students.families import FAMILIES
from distill.students.networks.static import StaticConfig, random_student
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.inference import predict_logits
from distill.teachers.markers import add_markers, with_markers
from tests.support.shipped_model import ship_model
from tests.support.tiny_models import bert_tokenizer, multi_label_task, roberta_tokenizer, tiny_classifier

MAX_TOKENS = 24

READS = Turns(3, {"client": "[C]", "therapist": "[T]"}, ("client",), segments=4)

TEXT = st.one_of(
    st.text(st.sampled_from("abc défß ☕🙂👍🏽 你好嗎 שלום\u0301.,!?\n"), max_size=30),
    st.sampled_from(["", "i feel very sad today", "thank you " * 20, "[SEP] [CLS] [C] [T]", "happy"]),
)

TALK = st.lists(st.tuples(st.sampled_from(["client", "therapist"]), TEXT).map(Turn._make), max_size=5)


@dataclass(frozen=True)
class Shipped:
    """A model, its tokenizer, and its bundle."""

    model: nn.Module
    tokenizer: Any
    folder: Path
    bundle: Classifier


def ship(folder: Path, kind: str) -> Shipped:
    plain = roberta_tokenizer() if kind == "roberta" else bert_tokenizer()
    tokenizer: Any = with_markers(plain, READS)
    if kind == "static":
        family = FAMILIES["static"]
        config = StaticConfig(len(tokenizer), 16, 16, 64, 2, 16, READS.segments)
        model: Any = random_student(config, multi_label_task(), 0.0, 3)
    else:
        family = FAMILIES["layers"]
        model = tiny_classifier(kind.partition("-")[0])
        add_markers(model, plain, tokenizer, READS)
        if kind.endswith("target"):
            model.pooling = Pooling.TARGET
    # far from their start, so that positions and the types of tokens matter
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and not (kind == "static" and ("vectors" in name or "ngrams" in name)):
            nn.init.normal_(parameter, std=1.0 if "embeddings" in name else 0.2)
    reads = READS.with_template(tokenizer.backend_tokenizer)
    bundle = ship_model(folder, family, model.eval(), tokenizer, reads, max_tokens=MAX_TOKENS)
    return Shipped(family.load(folder / "student", multi_label_task()).eval(), tokenizer, folder, bundle)


@pytest.fixture(scope="module", params=["bert", "bert-target", "roberta", "distilbert", "static"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    return ship(tmp_path_factory.mktemp(request.param), request.param)


@given(st.lists(st.tuples(TEXT, TALK), min_size=1, max_size=4))
@example([("happy", [Turn("client", "i feel"), Turn("therapist", "thank you " * 20)]), ("", [])])
@settings(max_examples=20)
def test_training_and_bundle_read_the_same_and_answer_the_same(
    shipped: Shipped, talks: list[tuple[str, list[Turn]]]
) -> None:
    windows: list[Row] = [Window(Turn("client", text), tuple(talk)) for text, talk in talks]
    rows = encode(shipped.tokenizer, windows, MAX_TOKENS, reads=READS)
    assert shipped.bundle.token_ids(windows) == list(rows)
    assert max(rows.lengths()) <= MAX_TOKENS
    expected = predict_logits(shipped.model, rows, pad_id=shipped.tokenizer.pad_token_id)
    found = shipped.bundle.logits(windows)
    np.testing.assert_allclose(found, expected, atol=3e-4)
    alone = np.concatenate([shipped.bundle.logits([window]) for window in windows])
    np.testing.assert_array_equal(found, alone)
    batch = [part.numpy() for part in pad_batch(rows, shipped.tokenizer.pad_token_id)]
    np.testing.assert_array_equal(GraphRunner(shipped.folder / "model.onnx")(*batch), alone)


def test_context_and_its_order_move_the_answer(shipped: Shipped) -> None:
    turns = [Turn("client", "i am afraid"), Turn("therapist", "so happy"), Turn("client", "thank you")]
    swapped = [turns[1], turns[0], turns[2]]
    other = [turns[0], Turn("client", "so happy"), turns[2]]
    logits = shipped.bundle.logits([turns, swapped, other, turns[2:]])
    assert min(np.abs(logits[0] - logits[at]).max() for at in (1, 2, 3)) > 1e-3
    types = "token_type_ids" in shipped.bundle.manifest.inputs
    assert types == (shipped.folder.name.startswith(("bert", "static")))


def test_a_bundle_of_turns_verifies_and_says_what_it_reads(shipped: Shipped) -> None:
    assert verify(shipped.folder / "bundle") < 1e-3
    manifest = shipped.bundle.manifest
    assert manifest.format_version == 2
    assert isinstance(manifest.input, Turns)
    assert manifest.input.template is not None
    found = shipped.bundle.predict_turns([Turn("therapist", "how are you"), Turn("client", "happy")])
    assert found[0] is None
    assert found[1] is not None
    assert found[1].context == 1
