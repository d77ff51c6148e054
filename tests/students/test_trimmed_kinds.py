"""Trimmed Unigram and byte-level BPE vocabularies: the same pieces where all are kept, and no text lost."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from distill.students.pieces import Goal
from distill.students.vocabulary import trim
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
WORDS = ("▁so", "▁happy", "▁sad", "▁and", "▁the", "▁sun", "ap", "py", "▁h", "nd", "▁zan", "zib", "ar", "▁q")
LETTERS = "▁abdehinopstuyz"


def unigram_tokenizer(*, byte_fallback: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer as XLM-R's: `q` is in no piece but `▁q`."""
    pieces = [(name, 0.0) for name in SPECIAL]
    pieces += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)] if byte_fallback else []
    pieces += [(word, -3.0 - place / 8) for place, word in enumerate(WORDS)]
    pieces += [(letter, -9.0 - place / 16) for place, letter in enumerate(LETTERS)]
    tokenizer = Tokenizer(models.Unigram(pieces, 3, byte_fallback))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        cls_token="<s>", sep_token="</s>",
    )  # fmt: skip


ROWS = [
    (text, str(group))
    for group, text in enumerate(["so happy", "happy and so sad", "the sun", "so sad and happy"])
]
TOKENIZERS = {
    "unigram": unigram_tokenizer(),
    "unigram with bytes": unigram_tokenizer(byte_fallback=True),
    "bpe": roberta_tokenizer(),
}


@cache
def smaller_of(kind: str) -> Any:
    return trim(TOKENIZERS[kind], ROWS, min_groups=2).tokenizer


def pieces_of(tokenizer: Any, text: str) -> list[str]:
    return list(tokenizer.backend_tokenizer.encode(text).tokens)


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("so hapyndqzi\u00e9心\n"), max_size=24))
def test_a_text_is_read_as_before_or_by_smaller_pieces(kind: str, text: str) -> None:
    full = TOKENIZERS[kind]
    smaller = smaller_of(kind)
    before, after = pieces_of(full, text), pieces_of(smaller, text)
    kept = smaller.get_vocab()
    assert len(kept) < len(full.get_vocab())
    if set(before) <= kept.keys():
        assert after == before
    # nothing becomes unknown that was known
    assert after.count("<unk>") <= before.count("<unk>")
    if "<unk>" not in before:
        assert smaller.decode(smaller(text).input_ids, skip_special_tokens=True) == full.decode(
            full(text).input_ids, skip_special_tokens=True
        )


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_each_new_id_comes_from_the_old_id_of_its_piece(kind: str) -> None:
    full = TOKENIZERS[kind]
    trimmed = trim(full, ROWS, min_groups=1)
    old, new = full.get_vocab(), trimmed.tokenizer.get_vocab()
    assert sorted(new.values()) == list(range(len(trimmed.sources)))
    assert all(trimmed.sources[index] == (old[piece],) for piece, index in new.items())
    assert set(full.all_special_tokens) <= new.keys()
    assert pieces_of(trimmed.tokenizer, "so happy")[0] == "<s>"
    assert trimmed.tokenizer("so happy").input_ids[-1] == new["</s>"]
    check_tokenizer_file(trimmed.tokenizer.backend_tokenizer.to_str().encode(), "trimmed")


def test_bytes_and_rare_characters_stay_and_rare_words_go() -> None:
    plain = trim(TOKENIZERS["unigram"], ROWS, min_groups=2).tokenizer.get_vocab()
    assert set(LETTERS) | {"▁q", "▁so", "▁happy", "<unk>"} <= plain.keys()
    assert not {"▁zan", "zib", "▁sun"} & plain.keys()
    with_bytes = trim(TOKENIZERS["unigram with bytes"], ROWS, min_groups=2).tokenizer
    assert pieces_of(with_bytes, "心")[1:-1][-3:] == ["<0xE5>", "<0xBF>", "<0x83>"]
    bpe = trim(roberta_tokenizer(), [(text, text) for text in TEXTS], min_groups=3).tokenizer.get_vocab()
    assert set(pre_tokenizers.ByteLevel.alphabet()) <= bpe.keys()


def test_a_goal_bounds_a_unigram_vocabulary_too() -> None:
    least = len(trim(TOKENIZERS["unigram"], ROWS, min_groups=99).sources)
    assert len(trim(TOKENIZERS["unigram"], ROWS, min_groups=1, goal=Goal(pieces=least + 2)).sources) == least + 2
    with pytest.raises(InputError, match="always kept"):
        trim(TOKENIZERS["unigram"], ROWS, min_groups=1, goal=Goal(pieces=least - 1))


def test_a_kind_that_nobody_trims_is_refused() -> None:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "so": 1}, "<unk>"))
    with pytest.raises(
        InputError, match=r"only WordPiece, BPE, Unigram tokenizers .* not WordLevel\. Set it to false"
    ):
        trim(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>"), ROWS, min_groups=1)


def test_named_words_are_read_as_before_however_rare_they_are() -> None:
    for make in (bert_tokenizer, roberta_tokenizer, unigram_tokenizer):  # WordPiece, BPE with merges, Unigram
        tokenizer = make()
        rows = [("so sad and so sad", str(row)) for row in range(5)]
        plain, kept = (
            trim(tokenizer, rows, min_groups=5, whole=whole).tokenizer for whole in ((), ("happy", "so"))
        )
        for text in ("happy", "so happy"):
            assert kept.tokenize(text) == tokenizer.tokenize(text) != plain.tokenize(text)
        tight = trim(tokenizer, rows, min_groups=5, goal=Goal(len(kept), None), whole=("happy",)).tokenizer
        assert tight.tokenize("happy") == tokenizer.tokenize("happy")
