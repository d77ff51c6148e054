"""Questions about labels, and what answers to them are worth, against sums by hand."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from distill.corpora.corpus import Split
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.rows import Turn, Window
from distill.labelling.codebook import Codebook, codebook_of, text_of
from distill.labelling.endpoint.answers import (
    LEAST,
    MalformedAnswer,
    next_tokens,
    option_scores,
    vote,
    vote_scores,
)
from distill.labelling.endpoint.questions import NONE_OF_THESE, questions_of, scores_of
from distill.recipe.llm import VerbaliserRecipe

LABELS = ("joy", "sadness", "fear")
TRAIN = Split([f"row {number}" for number in range(6)], np.array([0, 0, 1, 1, 2, 2]))
NO_ROWS = Split([], None)


def book(labels: Sequence[str] = LABELS, *, several: bool = False, **keys: Any) -> Codebook:
    task = MultiLabel(tuple(labels)) if several else SingleLabel(tuple(labels))
    return codebook_of(VerbaliserRecipe(**keys), task, TRAIN if keys.get("shots") else NO_ROWS, 0)


def reply(top: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    tokens = [{"token": token, "logprob": value} for token, value in top]
    return {"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": tokens}]}}]}


def test_one_question_of_all_labels() -> None:
    (question,) = questions_of(book(definitions={"fear": "Afraid of something."}, words={"joy": ["gladness"]}))
    assert question.options == ("A", "B", "C")
    assert "A. gladness\nB. sadness\nC. fear: Afraid of something." in question.head
    messages = question.messages(book(prompt="Read: {text}!"), "a {text} b")
    assert messages[-1]["content"].startswith("Read: a {text} b!\n\n")


def test_a_question_per_label_where_a_text_may_have_several() -> None:
    questions = questions_of(book(several=True))
    assert [question.labels for question in questions] == [(0, None), (1, None), (2, None)]
    scores = scores_of(questions, [(-1.0, -2.0), (-3.0, -1.0), (-0.5, -0.5)], 3)
    assert scores.tolist() == pytest.approx([1.0, -2.0, 0.0])


def test_many_labels_are_asked_about_in_groups_that_can_be_compared() -> None:
    names = [f"label {number}" for number in range(45)]
    questions = questions_of(book(names))
    assert [len(question.options) for question in questions] == [16, 16, 16]
    assert all(NONE_OF_THESE in question.head for question in questions)
    truth = np.random.default_rng(0).normal(size=45)
    answers = []
    for question in questions:  # a model whose odds between any two labels are the truth's, and "none" is 0
        weights = np.array([0.0 if label is None else truth[label] for label in question.labels])
        answers.append(tuple(weights - np.logaddexp.reduce(weights)))
    assert scores_of(questions, answers, 45) == pytest.approx(truth, abs=1e-5)
    assert len(questions_of(book(names), 2)) == 45  # two log-probabilities are too few for groups
    assert len(questions_of(book(), 2)) == 3


def test_shots_are_train_rows_of_each_label() -> None:
    (question,) = questions_of(book(shots=2))
    texts = dict(question.shots)
    assert texts == {f"row {row}": "AABBCC"[row] for row in range(6)}
    again = questions_of(book(shots=2))[0]
    assert again.shots == question.shots
    with pytest.raises(InputError, match="`shots` is 3"):
        book(shots=3)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"words": {"anger": ["rage"]}}, "not a label"),
        ({"definitions": {"anger": "rage"}}, "not a label"),
        ({"words": {"joy": ["fear"]}}, "stands for"),
    ],
)
def test_words_belong_to_labels_and_to_one_only(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        book(**keys)


def test_tokens_that_mean_an_option_are_added_up() -> None:
    tokens = next_tokens(reply([(" A", math.log(0.4)), ("A", math.log(0.2)), ("(a)", math.log(0.1)), ("x", -9.0)]))
    assert tokens is not None
    scores, unnamed = option_scores(tokens, ("A", "B"))
    assert scores == pytest.approx((math.log(0.7), -10.0))
    assert unnamed == 1


@pytest.mark.parametrize(
    "broken",
    [
        None, [], {}, {"choices": []}, {"choices": [None]}, reply([("A", float("nan"))]), reply([("A", 0.5)]),
        reply([("A", None)]), reply([("A", "0")]), reply([(3, -1.0)]), reply([("A", True)]),
    ],
)  # fmt: skip
def test_what_is_not_an_answer_is_malformed(broken: Any) -> None:
    with pytest.raises(MalformedAnswer):
        next_tokens(broken)


@pytest.mark.parametrize(
    "silent",
    [
        {"choices": [{"message": {"content": "A"}}]},
        {"choices": [{"message": {"content": "A"}, "logprobs": None}]},
        {"choices": [{"message": {"content": "A"}, "logprobs": {"content": []}}]},
        reply([]),
    ],
)
def test_a_server_may_give_no_log_probabilities(silent: Any) -> None:
    assert next_tokens(silent) is None


def test_next_to_nothing_is_bounded_and_the_older_form_is_read() -> None:
    assert next_tokens(reply([("A", -9999.0), ("B", -math.inf)])) == {"A": LEAST, "B": LEAST}
    older = {"choices": [{"text": "A", "logprobs": {"tokens": ["A"], "top_logprobs": [{"A": -0.5, "B": -1.0}]}}]}
    assert next_tokens(older) == {"A": -0.5, "B": -1.0}


def test_votes_begin_with_an_option() -> None:
    def answer(text: Any) -> dict[str, Any]:
        return {"choices": [{"message": {"content": text}}]}

    assert [vote(answer(text), ("yes", "no")) for text in (" Yes.", "NO!", "maybe", "", "yesterday")] == [
        0, 1, None, None, None,
    ]  # fmt: skip
    with pytest.raises(MalformedAnswer):
        vote(answer(None), ("yes", "no"))
    assert vote_scores([0, 0, 1, None], 2) == pytest.approx((math.log(2.5 / 4), math.log(1.5 / 4)))


def test_a_turn_is_shown_behind_those_before_it() -> None:
    window = Window(Turn("client", "i am sad"), (Turn("helper", "how are you?"),))
    assert text_of(window) == "helper: how are you?\nclient: i am sad"
    assert text_of(Window(Turn("helper", ""), window.context)) == "helper: how are you?\nhelper:"
    assert text_of(("a", "b")) == "a\nb"
