"""A language model behind a server as a labeller: rows to questions, answers to scores."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np

from distill.corpora.reading.scrub import scrub
from distill.evaluation.decision import Logits
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row
from distill.labelling.codebook import Codebook, text_of
from distill.labelling.endpoint.answers import MalformedAnswer, next_tokens, option_scores, vote, vote_scores
from distill.labelling.endpoint.cache import AnswerCache
from distill.labelling.endpoint.client import Client, Failure, Request
from distill.labelling.endpoint.probe import Server, request_of
from distill.labelling.endpoint.questions import Question, questions_of, scores_of
from distill.labelling.endpoint.workers import in_threads

# share of rows that may fail; one more ends the work
MOST_FAILED = 0.01

# raised when the form of requests, or what is read of an answer, changes
VERSION = 1

NO_VOTE = -1.0


@dataclass
class Tally:
    """Counts of what a labeller met: failed rows by status, options, and options that the server did not name."""

    failed: Counter[str] = field(default_factory=Counter)
    options: int = 0
    unnamed: int = 0

    @property
    def failed_rows(self) -> int:
        """The number of rows without a whole answer."""
        return sum(self.failed.values())

    def by_status(self) -> str:
        """Return the failed rows by status, the most frequent first."""
        return ", ".join(f"{status}: {count}" for status, count in self.failed.most_common())


@final
@dataclass(frozen=True)
class EndpointLabeller:
    """A server's answers to questions about texts, kept as they come.

    Attributes:
        book: the labels and the prompt.
        server: the model, and what a probe found.
        client: sends requests.
        cache: of answers.
        concurrency: requests at a time.
        samples: answers per question, where the server gives no log-probabilities.
        scrubs: whether personal data is masked in what is sent.
        total: rows that are labelled in all, of which a share may fail.
        advance: takes the number of rows done since its last call.
        tally: counts what it meets.
    """

    book: Codebook
    server: Server
    client: Client
    cache: AnswerCache
    concurrency: int
    samples: int
    scrubs: bool
    total: int
    advance: Callable[[int], None] = lambda _: None
    tally: Tally = field(default_factory=Tally)

    @property
    def identity(self) -> str:
        """See `Labeller.identity`; what the server reports is held against earlier answers instead."""
        return endpoint_identity(self.book, self.server.model, self.samples, scrubs=self.scrubs)

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions about each text."""
        return questions_of(self.book, self.server.options) if self.server.options else questions_of(self.book)

    @property
    def requests_per_row(self) -> int:
        """The number of requests about each text."""
        return len(self.questions) * (1 if self.server.options else self.samples)

    def label(self, rows: Sequence[Row]) -> Logits:
        """See `Labeller.label`; rows whose requests failed get the mean of the others.

        Raises:
            InputError: more than 1 % of all rows failed, or the server refuses every request.
        """
        questions = self.questions
        scores = np.full((len(rows), self.book.task.num_labels), np.nan, dtype=np.float32)

        def work(row: int) -> list[tuple[float, ...]] | Failure:
            return self._answers(questions, rows[row])

        try:
            for row, found in in_threads(range(len(rows)), work, self.concurrency):
                if isinstance(found, Failure):
                    self._note(found)
                else:
                    scores[row] = scores_of(questions, found, scores.shape[1])
                self.advance(1)
        except BaseException:
            self.client.stop()
            raise
        missing = np.isnan(scores).any(axis=1)
        if missing.any():
            scores[missing] = 0.0 if missing.all() else scores[~missing].mean(axis=0)
        return scores

    def unanswered(self, rows: Sequence[Row], advance: Callable[[int], None]) -> int:
        """Return the number of requests about rows that have no answer yet; `advance` is called after each row."""
        if not len(self.cache):
            return len(rows) * self.requests_per_row
        questions, left = self.questions, 0
        for row in rows:
            requests = self._requests(questions, row)
            left += sum(self.cache.get(self._key(request)) is None for _, request in requests)
            advance(1)
        return left

    def _requests(self, questions: Sequence[Question], row: Row) -> Iterator[tuple[Question, Request]]:
        """Yield every request about a row, with its question."""
        text = text_of(row)
        if self.scrubs:
            text, _ = scrub(text)
        samples: Sequence[int | None] = (None,) if self.server.options else range(self.samples)
        for question in questions:
            messages = question.messages(self.book, text)
            for sample in samples:
                asked = self.server.asked
                yield question, request_of(self.server.model, messages, sample=sample, asked=asked)

    def _key(self, request: Request) -> bytes:
        return self.cache.key({"request": request, "version": VERSION, "reported": self.server.reported})

    def _answers(self, questions: Sequence[Question], row: Row) -> list[tuple[float, ...]] | Failure:
        """Return the log-probabilities of each question's options, from the cache or from the server."""
        found: dict[Question, list[tuple[float, ...]]] = {question: [] for question in questions}
        for question, request in self._requests(questions, row):
            key = self._key(request)
            answer = self.cache.get(key)
            if answer is None:
                asked = self.client.ask(request, partial(self._read, options=question.options))
                if isinstance(asked, Failure):
                    return asked
                answer = asked
                self.cache.put(key, answer)
            found[question].append(answer)
        if self.server.options:
            return [answer for (answer,) in found.values()]
        return [
            vote_scores([None if place == NO_VOTE else int(place) for (place,) in votes], len(question.options))
            for question, votes in found.items()
        ]

    def _read(self, reply: Any, options: Sequence[str]) -> tuple[float, ...]:
        """Return an answer as the cache keeps it: log-probabilities of the options, or the place of a vote."""
        if not self.server.options:
            place = vote(reply, options)
            return (NO_VOTE if place is None else float(place),)
        tokens = next_tokens(reply)
        if tokens is None:  # a server that gave some to the probe
            raise MalformedAnswer
        scores, unnamed = option_scores(tokens, options)
        self.tally.options += len(options)
        self.tally.unnamed += unnamed
        return scores

    def _note(self, failure: Failure) -> None:
        self.tally.failed[failure.status] += 1
        if self.tally.failed_rows > MOST_FAILED * self.total:
            raise InputError(
                f"`url`: {self.tally.failed_rows} of {self.total} rows failed ({self.tally.by_status()}), more "
                f"than {MOST_FAILED:.0%}. Mend the server, and run the same command: answers so far are kept."
            )


def endpoint_identity(book: Codebook, model: str, samples: int, *, scrubs: bool) -> str:
    """Return the sha256 of everything in a recipe that answers depend on."""
    shots = [(shot.text, shot.labels) for shot in book.shots]
    parts = [VERSION, book.task.labels, book.prompt, book.words, book.definitions, shots, model, samples, scrubs]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
