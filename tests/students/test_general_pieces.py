"""Frequent pieces that stay whatever the corpus says: words of no row are read as the teacher reads them."""

from itertools import pairwise
from typing import Any

import pytest

from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.runs.fingerprints import student_inputs
from distill.students.vocabulary import trim
from tests.students.test_trimmed_kinds import unigram_tokenizer
from tests.support.tiny_models import bert_tokenizer, roberta_tokenizer

ROWS = [("so", "one"), ("so", "two")]
# a frequent word of each tokenizer that the rows do not have
UNSEEN = {"bert": "happy", "bpe": "happy", "unigram": "sad"}
MAKERS: dict[str, Any] = {"bert": bert_tokenizer, "bpe": roberta_tokenizer, "unigram": unigram_tokenizer}


def read(tokenizer: Any, text: str) -> list[str]:
    return list(tokenizer.backend_tokenizer.encode(text).tokens)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_frequent_word_of_no_row_keeps_its_pieces(kind: str) -> None:
    full = MAKERS[kind]()
    none = trim(full, ROWS, min_groups=2).tokenizer
    word = UNSEEN[kind]
    assert len(read(none, word)) > len(read(full, word))
    most = trim(full, ROWS, min_groups=2, general=10**6).tokenizer
    assert read(most, word) == read(full, word)


@pytest.mark.parametrize("kind", MAKERS)
def test_more_pieces_contain_fewer(kind: str) -> None:
    full = MAKERS[kind]()
    kept = [trim(full, ROWS, min_groups=2, general=count).tokenizer.get_vocab().keys() for count in (0, 3, 6, 12)]
    for fewer, more in pairwise(kept):
        assert fewer <= more
    assert len(kept[0]) < len(kept[-1])
    # the trimmed one still reads what it keeps by the full one's pieces
    smaller = trim(full, ROWS, min_groups=2, general=12).tokenizer
    before = read(full, "so happy")
    if set(before) <= smaller.get_vocab().keys():
        assert read(smaller, "so happy") == before


def test_it_says_nothing_of_the_corpus() -> None:
    full = bert_tokenizer()
    first, other = (trim(full, [(text, "g")], min_groups=2, general=5).tokenizer for text in ("so sad", "the sun"))
    assert first.get_vocab() == other.get_vocab()


def test_an_unused_key_makes_no_run_stale_and_one_without_trimming_is_refused() -> None:
    plain = load_recipe("smoke", []).student
    assert "general_pieces" not in student_inputs(plain)
    assert student_inputs(load_recipe("smoke", ["student.general_pieces=9"]).student)["general_pieces"] == 9
    with pytest.raises(InputError, match="general_pieces needs trim_vocabulary"):
        load_recipe("smoke", ["student.general_pieces=9", "student.trim_vocabulary=false"])
