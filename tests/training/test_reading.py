"""How a corpus reads under two tokenizers: whole for `check`, a sample for a run."""

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest

from distill.corpora.corpus import Corpus, Split
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.training import reading
from distill.training.reading import Sample, read_whole
from tests.support.tiny_models import bert_tokenizer

SHORT, LONG = "so sad today", "so sad today " * 9


def corpus(rows: int = 300) -> Corpus:
    """Every tenth text is long."""
    texts = [SHORT if row % 10 else LONG for row in range(rows)]
    split = Split(texts, np.array([row % 2 for row in range(rows)]), None)
    return Corpus(SingleLabel(("x", "y")), split, split, split)


@pytest.fixture
def tokenizer() -> Any:
    return bert_tokenizer()


def test_a_sample_is_all_where_that_is_little(tokenizer: Any) -> None:
    whole = read_whole(corpus(), Counter(), tokenizer, None, 12)
    sample = Sample(corpus(), 12)
    assert sample.read(tokenizer) == whole.teacher
    assert sample.warnings(Counter(), tokenizer, tokenizer) == whole.warnings
    assert [line for line in whole.warnings if "cut" in line] == [
        f"10.0% of the texts of {name} are cut at corpus.max_tokens = 12"
        for name in ("train", "validation", "test")
    ]


def test_a_sample_is_spread_evenly_and_says_so(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SAMPLED", 45)
    sample = Sample(corpus(), 12)
    assert {split.texts for split in sample.read(tokenizer).values()} == {43}  # one in seven
    cut = [line for line in sample.warnings(Counter(), tokenizer, tokenizer) if "cut" in line]
    assert cut[0].startswith("about 11.6% of the texts of train are cut")


def test_a_tokenizer_counts_once(tokenizer: Any) -> None:
    sample = Sample(corpus(), 12)
    first = sample.read(tokenizer)
    assert sample.read(copy.deepcopy(tokenizer)) is first
    assert sample.read(bert_tokenizer(vocabulary=90)) is not first
