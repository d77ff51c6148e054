"""Pairs the whole way: training and a bundle read the same tokens of them, and give the same logits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch import nn

from distill.corpora.storage.token_rows import TokenRows
from distill.export.graph.from_torch import torch_logits
from distill.export.graph.session import GraphRunner
from distill.export.runtime import Classifier, InputError, verify
from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import Pair, Truncate
from distill.students.families import FAMILIES
from distill.students.networks.static import StaticConfig, random_student
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.inference import predict_logits
from tests.support.shipped_model import ship_model
from tests.support.tiny_models import multi_label_task, pair_tokenizer, tiny_classifier

MAX_TOKENS = 16

READS = Pair(("question", "answer"), Truncate("answer"))

TEXT = st.one_of(
    st.text(st.sampled_from("abc défß ☕🙂👍🏽 你好嗎 שלום\u0301.,!?\n"), max_size=60),
    st.sampled_from(["", "i feel very sad today", "thank you " * 20, "[SEP] [CLS]", "happy"]),
)


@dataclass(frozen=True)
class Shipped:
    """A model, its tokenizer, and its bundle."""

    model: nn.Module
    tokenizer: object
    folder: Path
    bundle: Classifier

    def rows(self, pairs: list[tuple[str, str]]) -> TokenRows:
        return encode(self.tokenizer, pairs, MAX_TOKENS, reads=READS)  # type: ignore[arg-type]


def ship(folder: Path, kind: str) -> Shipped:
    tokenizer = pair_tokenizer("roberta" if kind == "roberta" else "bert")
    if kind == "static":
        family = FAMILIES["static"]
        model: nn.Module = random_student(StaticConfig(400, 16, 16, 64, 2, 16), multi_label_task(), 0.0, 3).eval()
    else:
        family = FAMILIES["layers"]
        model = tiny_classifier(kind)
        # far from their start, so that positions and the types of tokens matter
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=1.0 if "embeddings" in name else 0.2)
    bundle = ship_model(folder, family, model, tokenizer, READS, max_tokens=MAX_TOKENS)
    return Shipped(model, tokenizer, folder, bundle)


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "static"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    return ship(tmp_path_factory.mktemp(request.param), request.param)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example([("", "happy"), ("happy", ""), ("thank you " * 20, "i feel"), ("i feel", "thank you " * 20)])
@settings(max_examples=25)
def test_training_and_bundle_read_the_same_and_answer_the_same(
    shipped: Shipped, pairs: list[tuple[str, str]]
) -> None:
    rows = shipped.rows(pairs)
    assert shipped.bundle.token_ids(pairs) == list(rows)
    encoder = Encoder(Tokenizer.from_file(str(shipped.folder / "bundle/tokenizer.json")), MAX_TOKENS, rows=READS)
    found = encoder.encode(pairs, range(len(pairs)))
    assert [row.type_ids for row in found] == [rows.types_of(row) for row in range(len(rows))]
    assert [row.truncated for row in found] == [one.truncated for one in shipped.bundle.predict(pairs)]
    assert max(rows.lengths()) <= MAX_TOKENS
    pad_id = shipped.tokenizer.pad_token_id  # type: ignore[attr-defined]
    expected = predict_logits(shipped.model, rows, pad_id=pad_id)
    np.testing.assert_allclose(shipped.bundle.logits(pairs), expected, atol=2e-4)
    batch = [part.numpy() for part in pad_batch(rows, pad_id)]
    np.testing.assert_allclose(torch_logits(shipped.model, *batch), expected, atol=2e-4)
    runner = GraphRunner(shipped.folder / "fused.onnx")
    np.testing.assert_allclose(runner.run_rows(rows), expected, atol=2e-4)


def test_the_order_of_a_pair_matters_where_a_body_has_token_types(shipped: Shipped) -> None:
    """One token each: only types, positions and windows tell the two orders apart."""
    there, back = shipped.bundle.logits([("happy", "sad"), ("sad", "happy")])
    kind = shipped.bundle.manifest.inputs
    assert ("token_type_ids" in kind) == (shipped.folder.name.startswith("bert"))
    assert np.abs(there - back).max() > 1e-3
    rows = shipped.rows([("happy", "sad")])
    if "token_type_ids" in kind:
        without = GraphRunner(shipped.folder / "fused.onnx").run_rows(list(rows))
        assert np.abs(without - there).max() > 1e-2


def test_a_bundle_of_pairs_verifies_and_says_what_it_reads(shipped: Shipped) -> None:
    assert verify(shipped.folder / "bundle") < 1e-3
    manifest = shipped.bundle.manifest
    assert (manifest.format_version, manifest.reads) == (2, READS)
    cut = Tokenizer.from_file(str(shipped.folder / "bundle/tokenizer.json")).truncation
    assert (cut["strategy"], cut["direction"], cut["max_length"]) == ("only_second", "right", MAX_TOKENS)
    by_name = shipped.bundle.predict([{"answer": "sad", "question": "happy"}])
    assert by_name == shipped.bundle.predict([("happy", "sad")])
    with pytest.raises(InputError, match=r"texts\[1\]: This is one text, but the bundle reads pairs"):
        shipped.bundle.predict([("a", "b"), "a"])  # a plain text in the wrong place


def test_pairs_are_no_texts_in_training_either() -> None:
    with pytest.raises(TypeError, match="Pairs were given where texts are read"):
        encode(pair_tokenizer(), [("a", "b")], MAX_TOKENS)
    with pytest.raises(InputError, match="`max_tokens` is 3, but a pair has 3 special tokens"):
        encode(pair_tokenizer(), [("a", "b")], 3, reads=READS)


def test_rows_of_pairs_keep_their_types_in_slices_files_and_joins(tmp_path: Path) -> None:
    values = [([1, 2, 3], [0, 0, 1]), ([4], [0]), ([5, 6], [0, 1])]
    for rows in (TokenRows.typed(values), TokenRows.typed(values, tmp_path)):
        for some in (rows, rows[:], rows.take([0, 1, 2]), rows[:1].followed_by(rows[1:])):
            assert [(some[row], some.types_of(row)) for row in range(3)] == values
        with pytest.raises(TypeError, match="cannot follow"):
            rows.followed_by(TokenRows.of([[1]]))
    ids, mask, types = pad_batch(TokenRows.typed(values), 9)
    assert ids.tolist() == [[1, 2, 3], [4, 9, 9], [5, 6, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert types.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0]]
