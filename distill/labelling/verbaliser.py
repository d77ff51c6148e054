"""A causal language model as a labeller: the log-probability of a label's words after a prompt with the text."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from distill.evaluation.decision import Logits
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row
from distill.labelling.codebook import Codebook, text_of
from distill.recipe.llm import PLACE
from distill.teachers.causal import Batch, CausalModel, Head, read_head

# raised when a prompt or a score is made differently
VERSION = 1

# tokens of a batch, the prompt's included, and rows: they bound its memory
BATCH_TOKENS, BATCH_ROWS = 8192, 64

# a prompt that leaves less room than this for a text is refused
FEWEST_TOKENS = 16

YES, NO = ("yes", "Yes"), ("no", "No")


@final
@dataclass(frozen=True)
class VerbaliserLabeller:
    """A causal language model that scores words.

    Of tasks with one label per row the scores are the log of the sum of the words' probabilities; of tasks with
    several, the log-odds of yes over no after a question per label.

    Attributes:
        book: the labels, the prompt, and rows to show.
        language: the model.
        model_hash: the sha256 of its files.
        advance: takes the number of rows done since its last call.
    """

    book: Codebook
    language: CausalModel
    model_hash: str
    advance: Callable[[int], None] = lambda _: None

    @property
    def identity(self) -> str:
        """See `Labeller.identity`."""
        return verbaliser_identity(self.book, self.model_hash)

    @property
    def head_tokens(self) -> int:
        """The number of tokens that every row begins with; words and questions are checked on the way."""
        self._row_ids("")
        return len(self._head_ids)

    def label(self, rows: Sequence[Row]) -> Logits:
        """See `Labeller.label`; rows are read in batches of similar length, behind one reading of the head."""
        texts = [self._row_ids(text_of(row)) for row in rows]
        head = self._head
        order = sorted(range(len(rows)), key=lambda row: len(texts[row]))
        scores = np.zeros((len(rows), self.book.task.num_labels), dtype=np.float32)
        start = 0
        while start < len(order):
            size = self._batch_size(order[start:], texts, head)
            chosen = order[start : start + size]
            scores[chosen] = self._scores(Batch(self.language, head, [texts[row] for row in chosen]))
            self.advance(size)
            start += size
        return scores

    @cached_property
    def _head(self) -> Head:
        return read_head(self.language, self._head_ids)

    @cached_property
    def _head_ids(self) -> list[int]:
        return self.language.begin(self._before)

    @property
    def _several(self) -> bool:
        return self.book.several

    @cached_property
    def _parts(self) -> tuple[str, str, str]:
        """The codebook and the shots, and the prompt before and after the text.

        Blanks before the text belong to its first token.
        """
        before, _, after = self.book.prompt.partition(PLACE)
        lead = before[len(before.rstrip(" ")) :]
        return self._shown() + before.rstrip(" "), lead, after

    @property
    def _before(self) -> str:
        return self._parts[0]

    def _shown(self) -> str:
        """Return what precedes the prompt of a text: the codebook, and rows with their labels."""
        book = self.book
        lines = [f"- {book.described(label)}" for label in range(book.task.num_labels) if book.definitions[label]]
        shown = ["Labels:\n" + "\n".join(lines)] if lines else []
        for shot in book.shots:
            if self._several:
                names = ", ".join(book.words[label][0] for label in shot.labels) or "none"
                shown.append(f"{book.shown(shot.text)}\nLabels: {names}")
            elif shot.labels:
                shown.append(f"{book.shown(shot.text)}{self._blank}{book.words[shot.labels[0]][0]}")
        return "".join(f"{part}\n\n" for part in shown)

    @property
    def _blank(self) -> str:
        """The blank between a prompt and a word; none where the prompt ends with one, or where words have none."""
        after = self.book.prompt.partition(PLACE)[2]
        return "" if after[-1:].isspace() else " "

    @cached_property
    def _after(self) -> list[int]:
        return self.language.encode(self._parts[2], control=True)

    def _row_ids(self, text: str) -> list[int]:
        """Return the ids of a text and of what follows it in the prompt, cut at the model's length."""
        room = self.language.positions - len(self._head_ids) - len(self._after) - self._longest
        if room < FEWEST_TOKENS:
            raise InputError(
                f"`prompt`: The prompt leaves {max(room, 0)} of the model's {self.language.positions} tokens to "
                "texts. Lower `shots`, or shorten the definitions."
            )
        ids = self.language.encode(self._parts[1] + text, control=False)[:room] + self._after
        # nothing at all would have no last token
        return ids or self.language.encode(" ", control=False)

    @cached_property
    def _words(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """The ids of each label's words."""
        blank, encode = self._blank, self.language.encode
        words = tuple(tuple(tuple(encode(blank + word, control=False)) for word in own) for own in self.book.words)
        _require_different(self.book, words)
        return words

    @cached_property
    def _questions(self) -> tuple[list[int], ...]:
        """The ids of the question about each label, for tasks with several."""
        asked = [
            f'\nDoes the label "{self.book.described(label)}" apply? Answer yes or no:'
            for label in range(self.book.task.num_labels)
        ]
        return tuple(self.language.encode(question, control=True) for question in asked)

    @cached_property
    def _answers(self) -> tuple[list[int], list[int]]:
        """The first ids of yes and of no."""
        encode = self.language.encode
        yes, no = (
            sorted({encode(blank + word, control=False)[0] for word in words for blank in ("", " ")})
            for words in (YES, NO)
        )
        return [token for token in yes if token not in no], [token for token in no if token not in yes]

    @property
    def _longest(self) -> int:
        if self._several:
            return max(map(len, self._questions)) + 1
        return max(len(word) for own in self._words for word in own)

    def _batch_size(self, order: Sequence[int], texts: Sequence[Sequence[int]], head: Head) -> int:
        """Return how many of the next rows fit into one batch; the rows are sorted by length."""
        size = 1
        while size < min(len(order), BATCH_ROWS):
            longest = len(texts[order[size]])
            if (size + 1) * (head.length + longest) > BATCH_TOKENS:
                break
            # to a window of attention padding is as far as a token
            fits = head.window is None or head.length + longest + self._longest <= head.window
            if not fits and longest > len(texts[order[0]]):
                break
            size += 1
        return size

    def _scores(self, batch: Batch) -> Logits:
        """Return raw scores of a batch, float32 ``(B, C)``."""
        if self._several:
            yes, no = self._answers
            columns = []
            for question in self._questions:
                last = batch.follow(question)[:, -1]  # (B, V)
                columns.append(last[:, yes].logsumexp(dim=1) - last[:, no].logsumexp(dim=1))
        else:
            columns = [
                torch.stack([self._word_score(batch, word) for word in own]).logsumexp(dim=0)
                for own in self._words
            ]
        scores: Logits = torch.stack(columns, dim=1).float().cpu().numpy()
        return scores

    @staticmethod
    def _word_score(batch: Batch, word: Sequence[int]) -> Tensor:
        """Return the log-probability of a word's tokens after every row: ``(B,)``."""
        score = batch.last[:, word[0]]
        if len(word) > 1:
            further = batch.follow(word[:-1])  # (B, n - 1, V)
            for place, token in enumerate(word[1:]):
                score = score + further[:, place, token]
        return score


def verbaliser_identity(book: Codebook, model_hash: str) -> str:
    """Return the sha256 of everything that a model's scores depend on."""
    shots = [(shot.text, shot.labels) for shot in book.shots]
    parts = [VERSION, book.task.labels, book.prompt, book.words, book.definitions, shots, model_hash]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _require_different(book: Codebook, words: Sequence[Sequence[Sequence[int]]]) -> None:
    """Refuse a word without a token, and one that begins with another label's word: it would count twice."""
    flat = [(label, tuple(word)) for label, own in enumerate(words) for word in own]
    for label, word in flat:
        if not word:
            raise InputError(f"`words`: A word for {book.task.labels[label]!r} has no token. Give another.")
        for other, longer in flat:
            if other != label and longer[: len(word)] == word:
                raise InputError(
                    f"`words`: To the model a word for {book.task.labels[other]!r} begins with one for "
                    f"{book.task.labels[label]!r}. Give them words that begin differently."
                )
