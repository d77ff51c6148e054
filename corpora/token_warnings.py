"""Warnings about how tokenizers read a corpus, and the error if a teacher cannot read one of its scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from distill.corpora.token_counts import SplitTokens, by_script
from distill.export.runtime.errors import InputError

# the share of a split's texts that are cut, or of a corpus's tokens in a script, that is worth a line
MUCH = 0.05

# the share of unknown tokens that is worth a line
UNKNOWN = 0.01

# tokens per character of a script above which a tokenizer spells it instead of reading it
SPELT = 1.5

# the encoder whose tokenizer reads the corpus, by the argument that names it, and the recipe key of each
Reader = Literal["model", "base"]

TOKENIZERS: Mapping[Reader, str] = {
    "model": "the teacher's tokenizer",
    "base": "the tokenizer of the student's base",
}

NAMED: Mapping[Reader, str] = {"model": "teacher.model", "base": "student.base"}


def token_warnings(
    teacher: Mapping[str, SplitTokens],
    student: Mapping[str, SplitTokens] | None,
    max_tokens: int,
    reader: Reader = "model",
) -> tuple[str, ...]:
    """Return what to look at, one sentence each.

    Args:
        teacher: counts per split under the teacher's tokenizer, or that of the student's base.
        student: the same under the student's own; None where it is the teacher's.
        max_tokens: length at which texts are cut.
        reader: whose tokenizer the first is.
    """
    return (*_of_cuts(teacher, student or {}, max_tokens), *_of_unknown(teacher, student or {}, reader))


def require_known(teacher: Mapping[str, SplitTokens], most: float, reader: Reader = "model") -> None:
    """Refuse an encoder that cannot read a script of the corpus.

    Args:
        teacher: counts per split under its tokenizer.
        most: the greatest share of unknown tokens in a script that makes up much of the corpus.
        reader: whose tokenizer it is.

    Raises:
        InputError: there is a larger one.
    """
    scripts = by_script(teacher)
    total = sum(counts.tokens for counts in scripts.values())
    for script, counts in scripts.items():
        share = counts.unknown / max(counts.tokens, 1)
        if counts.tokens > MUCH * total and share > most:
            raise InputError(
                f"{share:.0%} of the tokens in the script {script} are unknown to {TOKENIZERS[reader]}, and "
                f"{counts.tokens / total:.0%} of the corpus's tokens are in it: nothing can be learned from them. "
                f"Name an encoder of the corpus's language as `{reader}`, or raise `max_unknown` from {most:g}."
            )


def _share(share: float, split: SplitTokens) -> str:
    return f"about {share:.1%}" if split.sampled else f"{share:.1%}"


def _of_cuts(
    teacher: Mapping[str, SplitTokens], student: Mapping[str, SplitTokens], max_tokens: int
) -> Iterator[str]:
    at = f"corpus.max_tokens = {max_tokens}"
    for name, split in teacher.items():
        if split.cut_share > MUCH:
            yield f"{_share(split.cut_share, split)} of the texts of {name} are cut at {at}"
        of_student = student.get(name, split)
        if of_student.cut_share > MUCH and of_student.cut_share > 1.1 * split.cut_share:
            yield (
                f"{_share(of_student.cut_share, of_student)} of the texts of {name} are cut at {at} for the "
                f"student, whose trimmed vocabulary needs more tokens than the teacher's ({split.cut_share:.1%}); "
                "raise corpus.max_tokens, or lower student.min_piece_groups"
            )


def _of_unknown(
    teacher: Mapping[str, SplitTokens], student: Mapping[str, SplitTokens], reader: Reader
) -> Iterator[str]:
    tokenizer, another = TOKENIZERS[reader], f"name an encoder of the corpus's language in {NAMED[reader]}"
    shares = [
        f"{_share(split.unknown_share, split)} of {name}"
        for name, split in teacher.items()
        if split.unknown_share > UNKNOWN
    ]
    if shares:
        yield f"{', '.join(shares)} are tokens unknown to {tokenizer}; {another}"
    student_shares = [
        f"{_share(split.unknown_share, split)} of {name}"
        for name, split in student.items()
        if split.unknown_share > UNKNOWN + teacher[name].unknown_share
    ]
    if student_shares:
        yield (
            f"{', '.join(student_shares)} are tokens unknown to the student's trimmed tokenizer, fewer to the "
            "teacher's; lower student.min_piece_groups"
        )
    scripts = by_script(teacher)
    total = sum(counts.tokens for counts in scripts.values())
    for script, counts in scripts.items():
        if counts.tokens <= MUCH * total:
            continue
        unknown, length = counts.unknown / counts.tokens, counts.tokens / max(counts.characters, 1)
        if unknown > UNKNOWN:
            share = _share(unknown, max(teacher.values(), key=lambda split: split.sampled))
            yield f"{share} of the tokens in the script {script} are unknown to {tokenizer}"
        if length > SPELT:
            yield (
                f"the script {script} takes {length:.1f} tokens per character: {tokenizer} spells it; {another}"
            )
