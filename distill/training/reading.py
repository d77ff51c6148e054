"""The reading of a corpus by the tokenizers of teacher and student, for `check` and for the report of a run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from distill.corpora.corpus import Corpus
from distill.corpora.describe import CorpusReport, describe
from distill.corpora.storage.text_store import BLOCK
from distill.corpora.token_counts import SplitTokens, TokenCounter
from distill.corpora.token_warnings import Reader, token_warnings
from distill.corpora.warnings import corpus_warnings
from distill.corpora.window_counts import WindowCounter, WindowTokens, window_warnings
from distill.export.runtime.reading.inputs import Row, Window, segments_of
from distill.teachers.markers import with_markers
from distill.teachers.token_cache import fingerprint_of
from distill.teachers.tokenizers import without_truncation

# texts of a split that tell how a tokenizer reads it, to a third of a percentage point
SAMPLED = 20_000


@dataclass(frozen=True)
class Reading:
    """A corpus in numbers, its tokens per split under both tokenizers, and what to look at."""

    report: CorpusReport
    teacher: Mapping[str, SplitTokens]
    student: Mapping[str, SplitTokens] | None
    warnings: tuple[str, ...]
    windows: Mapping[str, WindowTokens] = field(default_factory=dict)


def read_whole(
    corpus: Corpus,
    bad_rows: Counter[str],
    tokenizer: Any,
    student_tokenizer: Any | None,
    max_tokens: int,
    reader: Reader = "model",
) -> Reading:
    """Count all tokens of a corpus.

    Args:
        corpus: the corpus.
        bad_rows: rows in quarantine, by reason.
        tokenizer: the teacher's, or that of the encoder that the student starts from.
        student_tokenizer: the student's; None where it is the teacher's.
        max_tokens: length at which texts are cut.
        reader: whose tokenizer the first is.
    """
    counter = _counter(tokenizer, max_tokens)
    report, student = describe(corpus, bad_rows, counter, max_tokens), None
    if student_tokenizer is not None:
        student = _count(corpus, _counter(student_tokenizer, max_tokens), None)
    teacher = counter.splits()
    windows = _windows(corpus, tokenizer if student_tokenizer is None else student_tokenizer, max_tokens)
    warnings = (
        *corpus_warnings(report),
        *token_warnings(teacher, student, max_tokens, reader),
        *window_warnings(windows, max_tokens),
    )
    return Reading(report, teacher, student, warnings, windows)


def _windows(corpus: Corpus, tokenizer: Any, max_tokens: int) -> dict[str, WindowTokens]:
    """Count the turns that fit into rows as the student reads them; nothing where rows are not turns."""
    if corpus.turns is None:
        return {}
    plain = without_truncation(with_markers(tokenizer, corpus.turns))
    counter = WindowCounter(corpus.turns.reader(plain, max_tokens, type_ids=False).several, corpus.turns.turns)
    return {name: counter.count(split.texts) for name, split in corpus.splits() if len(split)}


@final
class Sample:
    """At most `SAMPLED` texts per split of a corpus, spread evenly, whose tokens are counted once per tokenizer.

    Args:
        corpus: the corpus.
        max_tokens: length at which texts are cut.
    """

    def __init__(self, corpus: Corpus, max_tokens: int) -> None:
        self._corpus, self._max_tokens = corpus, max_tokens
        self._read: dict[str, dict[str, SplitTokens]] = {}

    def read(self, tokenizer: Any) -> Mapping[str, SplitTokens]:
        """Count the tokens of each split's sample."""
        name = fingerprint_of(tokenizer)
        if name not in self._read:
            self._read[name] = _count(self._corpus, _counter(tokenizer, self._max_tokens), SAMPLED)
        return self._read[name]

    def warnings(
        self, bad_rows: Counter[str], tokenizer: Any, student_tokenizer: Any, reader: Reader = "model"
    ) -> tuple[str, ...]:
        """Return what `distill check` says of the corpus, with shares of the sample.

        Args:
            bad_rows: rows in quarantine, by reason.
            tokenizer: the teacher's, or that of the encoder that the student starts from.
            student_tokenizer: the student's.
            reader: whose tokenizer the first is.
        """
        report = describe(self._corpus, bad_rows, None, self._max_tokens)
        teacher, student = self.read(tokenizer), self.read(student_tokenizer)
        return (*corpus_warnings(report), *token_warnings(teacher, student, self._max_tokens, reader))


def _count(corpus: Corpus, counter: TokenCounter, most: int | None) -> dict[str, SplitTokens]:
    """Count the tokens of a corpus: of at most `most` texts per split, or of all."""
    sampled = set()
    for name, split in corpus.splits():
        step = 1 if most is None else -(-len(split) // most) or 1
        rows = range(0, len(split), step)
        for start in range(0, len(rows), BLOCK):
            counter(name, [split.texts[row] for row in rows[start : start + BLOCK]])
        if step > 1:
            sampled.add(name)
    return {name: replace(tokens, sampled=name in sampled) for name, tokens in counter.splits().items()}


def _counter(tokenizer: Any, max_tokens: int) -> TokenCounter:
    plain = without_truncation(tokenizer)

    def encode(rows: list[Row]) -> Any:
        # of a window the decided turn, so that each text is counted once
        return plain.encode_batch([segments_of(row)[0] if isinstance(row, Window) else row for row in rows])

    return TokenCounter(encode, tokenizer.unk_token_id, max_tokens)
