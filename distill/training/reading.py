"""The reading of a corpus by the tokenizers of teacher and student, for `check` and for the report of a run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill.corpora.corpus import Corpus
from distill.corpora.describe import CorpusReport, describe
from distill.corpora.storage.text_store import BLOCK
from distill.corpora.token_counts import SplitTokens, TokenCounter
from distill.corpora.token_warnings import token_warnings
from distill.corpora.warnings import corpus_warnings
from distill.teachers.tokenizers import without_truncation

# texts of a split that tell whether a teacher can read a corpus at all
SAMPLED = 20_000


@dataclass(frozen=True)
class Reading:
    """A corpus in numbers, its tokens per split under both tokenizers, and what to look at."""

    report: CorpusReport
    teacher: Mapping[str, SplitTokens]
    student: Mapping[str, SplitTokens] | None
    warnings: tuple[str, ...]


def read_whole(
    corpus: Corpus, bad_rows: Counter[str], tokenizer: Any, student_tokenizer: Any | None, max_tokens: int
) -> Reading:
    """Count all tokens of a corpus.

    Args:
        corpus: the corpus.
        bad_rows: rows in quarantine, by reason.
        tokenizer: the teacher's.
        student_tokenizer: the student's; None where it is the teacher's.
        max_tokens: length at which texts are cut.
    """
    counter = _counter(tokenizer, max_tokens)
    report, student = describe(corpus, bad_rows, counter, max_tokens), None
    if student_tokenizer is not None:
        own = _counter(student_tokenizer, max_tokens)
        for name, split in corpus.splits():
            for start in range(0, len(split), BLOCK):
                own(name, list(split.texts[start : start + BLOCK]))
        student = own.splits()
    teacher = counter.splits()
    warnings = (*corpus_warnings(report), *token_warnings(teacher, student, max_tokens))
    return Reading(report, teacher, student, warnings)


def read_sample(corpus: Corpus, tokenizer: Any, max_tokens: int) -> dict[str, SplitTokens]:
    """Count the tokens of at most `SAMPLED` texts per split, spread evenly."""
    counter = _counter(tokenizer, max_tokens)
    for name, split in corpus.splits():
        step = -(-len(split) // SAMPLED) or 1
        rows = range(0, len(split), step)
        for start in range(0, len(rows), BLOCK):
            counter(name, [split.texts[row] for row in rows[start : start + BLOCK]])
    return counter.splits()


def _counter(tokenizer: Any, max_tokens: int) -> TokenCounter:
    return TokenCounter(without_truncation(tokenizer).encode_batch, tokenizer.unk_token_id, max_tokens)
