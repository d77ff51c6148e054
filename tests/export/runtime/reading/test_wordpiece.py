"""Plain texts get from the dictionary what they get from the tokenizers package, or nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.wordpiece import PlainWordPiece
from tests.support.command import ROOT

GOLDEN = ROOT / "tests/golden/static-int8-static" / "tokenizer.json"
MAX_TOKENS = 12
WORDS = ["a", "##b", "##bc", "i", "'", "…", "don", "t", "sad", "##ness", "A", "#", "[", "]", "mask"]
# letters of the pieces above, marks, and what is not plain: accents, controls, other spaces, signs beyond ASCII
CHARACTERS = "abcidontsADne '’“…–—#[]MASKmask0.!~ÀéÄßΣ中\u0301\t\n\x01\u00a0😀"


def bert(*, lowercase: bool = True, longest: int = 100) -> Tokenizer:
    names = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=longest))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]:1", special_tokens=special)
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True)])
    return tokenizer


def pair(make: Any) -> tuple[Encoder, Encoder]:
    """An encoder with the short way, and one that asks the package for everything."""
    quick, plain = Encoder(make(), MAX_TOKENS), Encoder(make(), MAX_TOKENS)
    assert quick._plain is not None
    plain._plain = None
    return quick, plain


PAIRS = [
    pair(bert),
    pair(lambda: bert(lowercase=False)),
    pair(lambda: bert(longest=6)),
    pair(lambda: Tokenizer.from_file(str(GOLDEN))),
]


@given(st.lists(st.text(st.sampled_from(CHARACTERS), max_size=40), max_size=4))
def test_ids_types_and_cuts_are_those_of_the_package(texts: list[str]) -> None:
    for quick, plain in PAIRS:
        assert quick.encode(texts, range(len(texts))) == plain.encode(texts, range(len(texts)))


@pytest.mark.parametrize("text", ["", " ", "don't be sad…", "SADNESS " * 20, "a" * 101, "[mask", "~" * 50])
def test_plain_texts_do_without_the_package(text: str) -> None:
    for quick, plain in PAIRS:
        expected = plain.encode_one(text)
        quick._tokenizer = None  # not needed
        assert quick.encode_one(text) == expected


@pytest.mark.parametrize("text", ["é", "a\tb", "a\x01b", "中", "a [MASK] b", "a [mask] b", "\ud800"])
def test_other_texts_are_left_to_the_package(text: str) -> None:
    found = PlainWordPiece.of(bert())
    assert found is not None
    assert found.ids(text, MAX_TOKENS) is None


def test_only_what_is_known_to_split_alike_is_repeated() -> None:
    other = bert()
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    assert PlainWordPiece.of(other) is None
    other = bert()
    other.normalizer = normalizers.Lowercase()
    assert PlainWordPiece.of(other) is None
    other = bert()
    other.add_tokens([AddedToken("sèd", normalized=True)])
    assert PlainWordPiece.of(other) is None
    assert PlainWordPiece.of(bert(longest=3)) is None  # "[UNK]" has more
    left = bert()
    left.enable_truncation(max_length=MAX_TOKENS, direction="left")
    assert Encoder(left, MAX_TOKENS)._plain is None
    twice = bert()
    twice.post_processor = processors.TemplateProcessing(single="$A [SEP] $A", special_tokens=[("[SEP]", 2)])
    assert Encoder(twice, MAX_TOKENS)._encode_plain("sad") is None
