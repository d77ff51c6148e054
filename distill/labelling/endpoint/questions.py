"""The questions that a server is asked about one text, and the scores that their answers make."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.labelling.codebook import Codebook, Shot

YES_NO = ("yes", "no")

# options of one question: as many as servers give log-probabilities of
MOST_OPTIONS = 20

# a question with fewer leaves too little of it beside "none of these"
FEWEST_OPTIONS = 3

NONE_OF_THESE = "none of these"

CHOOSE = "Read the text and choose the label that fits it best."
CHOOSE_SOME = "Read the text and choose the label that fits it best, or none of these if no label fits."
DECIDE = "Read the text and decide whether this label applies to it."
BY_LETTER, BY_WORD = "Answer with one letter.", "Answer yes or no."


@dataclass(frozen=True)
class Question:
    """One question about a text.

    Attributes:
        head: text that precedes every row.
        options: the answers that count, such as letters.
        labels: the label of each option; None is none of them.
        ending: text that follows every row.
        shots: texts that are shown, each with the option that answers it.
    """

    head: str
    options: tuple[str, ...]
    labels: tuple[int | None, ...]
    ending: str
    shots: tuple[tuple[str, str], ...] = ()

    def messages(self, book: Codebook, text: str) -> list[dict[str, str]]:
        """Return the question about a text as the messages of a chat."""
        turns = [(shot, answer) for shot, answer in self.shots] + [(text, "")]
        messages = [{"role": "system", "content": self.head}]
        for shown, answer in turns:
            messages.append({"role": "user", "content": f"{book.shown(shown)}\n\n{self.ending}"})
            if answer:
                messages.append({"role": "assistant", "content": answer})
        return messages


def questions_of(book: Codebook, most_options: int = MOST_OPTIONS) -> tuple[Question, ...]:
    """Return the questions about one text.

    One of all labels where a text has one label and the options suffice; else one per group of labels, each with
    the option that none of them fits, which makes the groups comparable. One per label where a text may have
    several, or where there are too few options for groups.

    Args:
        book: the labels, and the rows to show.
        most_options: the most options that one question may have.
    """
    labels = range(book.task.num_labels)
    if book.several or (len(labels) > most_options < FEWEST_OPTIONS):
        return tuple(_decision(book, label) for label in labels)
    if len(labels) <= most_options:
        return (_choice(book, list(labels), CHOOSE),)
    size = most_options - 1
    count = -(-len(labels) // size)
    groups = [[int(label) for label in group] for group in np.array_split(np.arange(len(labels)), count)]
    return tuple(_choice(book, [*group, None], CHOOSE_SOME) for group in groups)


def scores_of(
    questions: Sequence[Question], answers: Sequence[Sequence[float]], labels: int
) -> NDArray[np.float32]:
    """Return one text's raw scores ``(C,)``: log-probabilities, or the log-odds of each label.

    Args:
        questions: as `questions_of` returns them.
        answers: log-probabilities of the options of each question, up to a constant.
        labels: the number of labels, C.
    """
    scores = np.zeros(labels, dtype=np.float64)
    for question, answer in zip(questions, answers, strict=True):
        values = np.asarray(answer, dtype=np.float64)
        values = values - np.logaddexp.reduce(values)
        reference = values[question.labels.index(None)] if None in question.labels else 0.0
        for label, value in zip(question.labels, values, strict=True):
            if label is not None:
                scores[label] = value - reference
    return scores.astype(np.float32)


def _choice(book: Codebook, labels: Sequence[int | None], task: str) -> Question:
    letters = tuple(string.ascii_uppercase[: len(labels)])
    shown = [NONE_OF_THESE if label is None else book.described(label) for label in labels]
    options = "\n".join(f"{letter}. {words}" for letter, words in zip(letters, shown, strict=True))
    by_label = dict(zip(labels, letters, strict=True))
    shots = [
        (shot.text, by_label.get(shot.labels[0], by_label.get(None, ""))) for shot in book.shots if shot.labels
    ]
    return Question(
        f"{task}\n\n{options}\n\n{BY_LETTER}", letters, tuple(labels), BY_LETTER, tuple(s for s in shots if s[1])
    )


def _decision(book: Codebook, label: int) -> Question:
    """Return the question whether one label applies: to as many shown rows without it as with it."""
    applies = [shot for shot in book.shots if label in shot.labels]
    others = [shot for shot in book.shots if label not in shot.labels][: len(applies)]
    shots = [shot for shot in book.shots if shot in applies or shot in others]
    yes, no = YES_NO

    def answer(shot: Shot) -> str:
        return yes if label in shot.labels else no

    head = f"{DECIDE}\n\nLabel: {book.described(label)}\n\n{BY_WORD}"
    return Question(head, YES_NO, (label, None), BY_WORD, tuple((shot.text, answer(shot)) for shot in shots))
