"""Texts made out of a corpus's own rows, for a teacher to label: joined, cut, crossed, thinned out, masked.

A teacher has seen the train rows and their labels; on texts near them it says what it has learnt (Tang et al.,
arXiv 1903.12136; TinyBERT, arXiv 1909.10351, augment likewise). Everything is drawn from one seed.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distill.corpora.assembly.splits import normalise_text
from distill.corpora.storage.columns import DIGEST_BYTES

Way = Literal["join", "cut", "cross", "drop", "mask", "substitute"]

Words = list[str]

# gives a text's words back, those at some places exchanged for words that fit there
Substitute = Callable[[Words, Sequence[int], np.random.Generator], Words]

# a text is drawn anew when it turns out empty or already known; a corpus of few words has only so many
MAX_DRAWS_A_TEXT = 20

# after so many in a row for which no draw was new there is little left; millions were asked for, perhaps
MAX_BARREN_TEXTS = 100


@dataclass(frozen=True)
class Augmenter:
    """How texts are made; `mask` stands in for a hidden word, `share` bounds how many words are touched."""

    ways: tuple[Way, ...]
    share: float
    mask: str | None = None
    substitute: Substitute | None = None

    def make(self, texts: Sequence[str], rng: np.random.Generator) -> str:
        """One text out of one or two of `texts`; may be empty, or one of them as it is."""
        way = self.ways[rng.integers(len(self.ways))]
        first = texts[int(rng.integers(len(texts)))].split()
        if way in ("join", "cross"):
            second = texts[int(rng.integers(len(texts)))].split()
            return " ".join(first + second if way == "join" else cross(first, second, rng))
        if way == "cut":
            return " ".join(cut(first, rng))
        chosen = touched(len(first), self.share, rng)
        if way == "drop":
            return " ".join(word for place, word in enumerate(first) if place not in chosen)
        if way == "mask":
            return " ".join((self.mask or "") if place in chosen else word for place, word in enumerate(first))
        return " ".join(self.substitute(first, sorted(chosen), rng) if self.substitute else first)


def augment(
    texts: Sequence[str], rows: int, augmenter: Augmenter, *, known: Collection[bytes], seed: int
) -> Iterator[str]:
    """Up to `rows` texts, none of which repeats a known one or another; fewer where there are no more to be had.

    Args:
        texts: the train rows.
        rows: how many to make.
        augmenter: how.
        known: `text_key` of what must not come out: train, validation and test rows.
        seed: of everything drawn.
    """
    rng = np.random.default_rng((seed, len(texts)))
    made: set[bytes] = set()
    barren = 0
    for _ in range(rows if len(texts) else 0):
        barren += 1
        for _ in range(MAX_DRAWS_A_TEXT):
            text = augmenter.make(texts, rng)
            key = text_key(text)
            if text and key not in known and key not in made:
                made.add(key)
                barren = 0
                yield text
                break
        if barren == MAX_BARREN_TEXTS:
            return


def text_key(text: str) -> bytes:
    """Equal for texts that count as the same one, and never for others."""
    return hashlib.blake2b(normalise_text(text).encode(), digest_size=DIGEST_BYTES).digest()


def cut(words: Words, rng: np.random.Generator) -> Words:
    """A run of the words, from one of them up to all but one."""
    if len(words) < 2:
        return words
    length = int(rng.integers(1, len(words)))
    start = int(rng.integers(0, len(words) - length + 1))
    return words[start : start + length]


def cross(first: Words, second: Words, rng: np.random.Generator) -> Words:
    """The beginning of one text and the end of another."""
    return first[: int(rng.integers(1, len(first) + 1))] + second[int(rng.integers(len(second))) :]


def touched(words: int, share: float, rng: np.random.Generator) -> set[int]:
    """The places of some words, each with one probability that is drawn up to `share`; some, and never all."""
    chosen = np.flatnonzero(rng.random(words) < rng.uniform(0, share))
    if not len(chosen) and words:
        chosen = rng.integers(words, size=1)
    return set(chosen.tolist()) if len(chosen) < words or words == 1 else set(chosen[1:].tolist())
