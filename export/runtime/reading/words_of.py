"""The words of a row as its tokens have them: which tokens each word is, and where it is in the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tokenizers import Encoding

from distill.export.runtime.reading.inputs import Encoded, Row, segments_of

# scripts without blanks between words: a tokenizer may take a whole sentence for one word
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")

_APOSTROPHES = "'’"


@dataclass(frozen=True)
class Span:
    """A place in a text: `text[start:end]`, in code points; `segment` is 0, or 1 for a pair's second text."""

    segment: int
    start: int
    end: int


@dataclass(frozen=True)
class Word:
    """A word, or several neighbours, and the places of its tokens among those that the graph reads."""

    span: Span
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class ReadWords:
    """Tokens that the graph reads of a row, the words that they are of, and the id of a mask, if there is one."""

    encoded: Encoded
    words: tuple[Word, ...]
    mask_id: int | None = None

    @classmethod
    def none(cls) -> "ReadWords":
        """Return those of a text that nobody reads."""
        return cls(Encoded([], [], truncated=False), ())


def words_of(row: Row, encoding: Encoding, places: Sequence[int], most: int) -> tuple[Word, ...]:
    """Return the words of a row, in order; where there are more than `most`, neighbours are put together.

    Args:
        row: the text or pair.
        encoding: its tokens, with their places in the row.
        places: the tokens that the graph reads.
        most: upper bound on the number of words.
    """
    texts = segments_of(row)
    found: list[Word] = []
    for segment in range(len(texts)):
        found += _contracted(texts[segment], list(_words_in(texts[segment], segment, encoding, places)))
    together = -(-len(found) // most)
    return tuple(found) if together < 2 else tuple(_grouped(found, together))


def _words_in(text: str, segment: int, encoding: Encoding, places: Sequence[int]) -> Iterator[Word]:
    of_words, segments, offsets = encoding.word_ids, encoding.sequence_ids, encoding.offsets
    tokens = [(at, place) for at, place in enumerate(places) if segments[place] == segment]

    def word(token: tuple[int, int]) -> tuple[int | None, int]:
        start, end = offsets[token[1]]
        return of_words[token[1]], start if UNSPACED.search(text[start:end]) else -1

    for _, members in groupby(tokens, word):
        group = list(members)
        start, end = min(offsets[place][0] for _, place in group), max(offsets[place][1] for _, place in group)
        inside = text[start:end]
        start += len(inside) - len(inside.lstrip())
        end -= len(inside) - len(inside.rstrip())
        if start < end:  # a blank may be a piece of its own
            yield Word(Span(segment, start, end), tuple(at for at, _ in group))


def _contracted(text: str, words: list[Word]) -> list[Word]:
    """Put words together that an apostrophe joins: don't is one."""
    joined: list[Word] = []
    for word in words:
        before = joined[-1] if joined else None
        touches = before is not None and before.span.end == word.span.start
        if before is not None and touches and _joins(text, before.span, word.span):
            joined[-1] = _merged([before, word])
        else:
            joined.append(word)
    return joined


def _joins(text: str, left: Span, right: Span) -> bool:
    """Return whether there is a letter on both sides of an apostrophe where two words touch."""
    first, second = text[left.start : left.end], text[right.start : right.end + 1]
    if second[:1] in _APOSTROPHES:
        return first[-1:].isalpha() and second[1:2].isalpha()
    return first[-1:] in _APOSTROPHES and len(first) > 1 and second[:1].isalpha()


def _grouped(words: Sequence[Word], together: int) -> Iterator[Word]:
    for _, of_segment in groupby(words, lambda word: word.span.segment):
        members = list(of_segment)
        yield from (_merged(members[at : at + together]) for at in range(0, len(members), together))


def _merged(words: Sequence[Word]) -> Word:
    span = Span(words[0].span.segment, words[0].span.start, words[-1].span.end)
    return Word(span, tuple(token for word in words for token in word.tokens))
