"""How words are read: unknown, split further than by the teacher, and which words of crisis are; both kinds."""

from collections import Counter
from importlib import resources

import pytest

from distill.artifacts.records import to_dict
from distill.report.page import render_page
from distill.report.words import LISTS, count_words, read_list, word_rates, word_report
from distill.students.vocabulary import trim
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer
from tests.support.tiny_report import tiny_report

ROWS = [(text, str(row)) for row, text in enumerate(TEXTS)]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_words_each_once_with_what_they_are_for(name: str) -> None:
    words = read_list(name)
    assert len(words) > 100
    package = "distill.students" if name == "crisis" else "distill.report"
    lines = (resources.files(package) / "word_lists" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    assert len({word.casefold() for word in words}) == len(lines) - 1  # the first says what the list is
    assert all(word.strip() == word and " " not in word and use for word, use in words.items())


def test_words_are_what_stands_between_blanks_without_punctuation() -> None:
    counts = count_words(['so "happy"... I\'m happy!', "😂 -- happy,"])
    assert counts == Counter({"happy": 3, "so": 1, "I'm": 1, "😂": 1})


@pytest.mark.parametrize("make", [bert_tokenizer, roberta_tokenizer])
def test_a_word_that_the_student_splits_further_counts_as_often_as_it_is_said(make) -> None:  # type: ignore[no-untyped-def]
    full = make()
    small = trim(full, ROWS, min_groups=10**6).tokenizer  # characters alone
    rates = word_rates(small, full, {"happy": 3, "i": 1})
    assert rates.words == 4
    assert rates.split_more == 0.75
    assert rates.tokens > rates.teacher_tokens
    # shares of all words are 1 and no rounding more
    for count in range(1, 200):
        assert word_rates(full, full, {"😂" * length: 1 for length in range(1, count)}).unknown in (0, 1)
    same = word_rates(full, full, {"happy": 3, "i": 1})
    assert same.split_more == 0.0
    assert same.tokens == same.teacher_tokens


def test_what_the_teacher_does_not_know_is_told_from_what_the_student_lost() -> None:
    rates = word_rates(bert_tokenizer(), bert_tokenizer(), {"日": 1, "happy": 3})
    assert (rates.unknown, rates.unknown_to_teacher) == (0.25, 0.25)
    assert (
        word_rates(bert_tokenizer(), roberta_tokenizer(), {"日": 1}).unknown_to_teacher == 0.0
    )  # bytes are known
    assert word_rates(bert_tokenizer(), bert_tokenizer(), {}).tokens == 0.0


def test_words_of_crisis_that_are_read_worse_are_named_and_no_other_word_is() -> None:
    full = bert_tokenizer(more=["suicide suicide suicide"] * 50, vocabulary=200)
    assert "suicide" in full.get_vocab()
    small = trim(full, ROWS, min_groups=2).tokenizer
    report = word_report(small, full, ["zanzibar is a rare name"])
    named = {word.word: word for word in report.crisis_words}
    assert named["suicide"].teacher_tokens == 1
    assert named["suicide"].tokens > 1
    assert not named["suicide"].unknown
    assert set(named) <= set(read_list("crisis"))
    page = render_page(tiny_report(words=to_dict(report)), ["words"])
    assert f"suicide ({named['suicide'].tokens} tokens, 1)" in page
    assert "zanzibar" not in page
    assert report.rates["corpus"].words == 5
