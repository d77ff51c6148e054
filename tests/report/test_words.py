"""How words are read: unknown, split further than by the teacher, and which words of crisis are; both kinds."""

from collections import Counter
from importlib import resources

import pytest

from distill.report.sections.budget import budget_sections
from distill.report.sections.words import word_sections
from distill.report.words import LISTS, rates, read_list, word_rates, words_of
from distill.students.vocabulary import trim
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer

ROWS = [(text, str(row)) for row, text in enumerate(TEXTS)]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_words_each_once_with_what_they_are_for(name: str) -> None:
    words = read_list(name)
    assert len(words) > 100
    lines = (
        (resources.files("distill.report") / "word_lists" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    )
    assert len({word.casefold() for word in words}) == len(lines) - 1  # the first says what the list is
    assert all(word.strip() == word and " " not in word and use for word, use in words.items())


def test_words_are_what_stands_between_blanks_without_punctuation() -> None:
    found = words_of(['so "happy"... I\'m happy!', "😂 -- happy,"])
    assert found == Counter({"happy": 3, "so": 1, "I'm": 1, "😂": 1})


@pytest.mark.parametrize("make", [bert_tokenizer, roberta_tokenizer])
def test_a_word_that_the_student_splits_further_counts_as_often_as_it_is_said(make) -> None:  # type: ignore[no-untyped-def]
    full = make()
    small = trim(full, ROWS, min_groups=10**6).tokenizer  # characters alone
    found = rates(small, full, {"happy": 3, "i": 1})
    assert found["words"] == 4
    assert found["split_more"] == 0.75
    assert found["pieces"] > found["pieces_of_teacher"]
    # shares of all words are 1 and no rounding more
    for count in range(1, 200):
        assert rates(full, full, {"😂" * length: 1 for length in range(1, count)})["unknown"] in (0, 1)
    same = rates(full, full, {"happy": 3, "i": 1})
    assert same["split_more"] == 0.0
    assert same["pieces"] == same["pieces_of_teacher"]


def test_what_the_teacher_does_not_know_is_told_from_what_the_student_lost() -> None:
    found = rates(bert_tokenizer(), bert_tokenizer(), {"日": 1, "happy": 3})
    assert (found["unknown"], found["unknown_to_teacher"]) == (0.25, 0.25)
    assert rates(bert_tokenizer(), roberta_tokenizer(), {"日": 1})["unknown_to_teacher"] == 0.0  # bytes are known
    assert rates(bert_tokenizer(), bert_tokenizer(), {})["pieces"] == 0.0


def test_words_of_crisis_that_are_read_worse_are_named_and_no_other_word_is() -> None:
    full = bert_tokenizer(more=["suicide suicide suicide"] * 50, vocabulary=200)
    assert "suicide" in full.get_vocab()
    small = trim(full, ROWS, min_groups=2).tokenizer
    found = word_rates(small, full, ["zanzibar is a rare name"])
    named = {one["word"]: one for one in found["crisis_words"]}
    assert named["suicide"]["teacher"] == 1
    assert named["suicide"]["pieces"] > 1
    assert not named["suicide"]["unknown"]
    assert set(named) <= set(read_list("crisis"))
    ((title, page),) = word_sections({"words": found})
    assert title == "Vocabulary"
    assert f"suicide ({named['suicide']['pieces']} pieces, 1)" in page
    assert "out of nobody's text" in page
    assert "zanzibar" not in page
    assert found["rates"]["corpus"]["words"] == 5


def test_a_budget_without_a_plan_stands_beside_what_was_measured() -> None:
    found = {
        "asked": {"p95_ms": 2.0, "threads": 1},
        "plan": None,
        "predicted": None,
        "measured": {"p95_ms": 1.5, "size_mb": 3.25, "rss_mb": 80.0},
        "over_asked": {"p95_ms": -0.25},
        "over_predicted": {},
    }
    ((title, page),) = budget_sections({"budget": found})
    assert title == "Budget"
    assert "<tr><td>p95, ms</td><td>2.00</td><td>–</td><td>1.50</td><td>-25.0 %</td><td>–</td></tr>" in page
    assert "<tr><td>the bundle's size, MB</td><td>–</td><td>–</td><td>3.25</td><td>–</td><td>–</td></tr>" in page
    assert budget_sections({"budget": None}) == []
