"""Rows of a corpus in several scripts are divided by the script of most of their letters."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from distill.corpora.corpus import Corpus, Split, Subgroup
from distill.corpora.script_groups import test_columns as columns_of
from distill.corpora.scripts import script_of_text
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.reading.inputs import Row, Turn, Window


def corpus(texts: Sequence[Row]) -> Corpus:
    empty = Split([], None)
    return Corpus(SingleLabel(("a", "b")), empty, empty, Split(texts, np.zeros(len(texts), dtype=np.int64)))


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("I said 你好", "Latin"),
        ("我今天 ok 很难过", "Han"),
        ("今日は学校に行かない", "Kana"),  # four of its ten letters are kana
        ("大韓民國 입니다", "Hangul"),
        ("12 :) \U0001f600", None),
        ("мне грустно", "Cyrillic"),
    ],
)
def test_a_text_has_the_script_of_most_of_its_letters(text: str, script: str | None) -> None:
    assert script_of_text(text) == script


def test_rows_in_several_scripts_are_divided() -> None:
    texts = ["sad", "我很难过", "!", "glad"] * 20 + ["грусть"]
    (found,) = columns_of([corpus(texts[:30]), corpus(texts[30:])])
    assert (found.column, found.values) == ("script", ("Han", "Latin", "other"))
    assert found.numbers.tolist() == [1, 0, -1, 1] * 20 + [2]


def test_turns_to_come_have_the_script_of_the_newest() -> None:
    said = ["sad", "我很难过"] * 20
    windows = [Window(Turn("b", ""), (Turn("a", "12"), Turn("a", text))) for text in said]
    (found,) = columns_of([corpus(windows)])
    assert (found.values, found.numbers.tolist()) == (("Han", "Latin"), [1, 0] * 20)


def test_rows_in_one_script_are_not_and_a_column_of_that_name_stays() -> None:
    assert columns_of([corpus(["sad"] * 40 + ["我很难过"])]) == ()
    own = Subgroup("script", ("x",), np.zeros(4, dtype=np.int32))
    (kept,) = columns_of([replace(corpus(["sad", "我很难过"] * 2), subgroups=(own,))])
    assert (kept.column, kept.values) == ("script", ("x",))
