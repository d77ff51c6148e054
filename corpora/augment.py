"""Augmentation: texts made from a corpus's own rows, for a teacher to label.

Rows are joined, cut or crossed, or lose words to deletion, masks, near words or a masked model's. A teacher's
logits on texts near its train rows show what it has learnt (Tang et al., arXiv 1903.12136; TinyBERT, arXiv
1909.10351, augments likewise). Everything is drawn from one seed.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distill.corpora.assembly.splits import normalise_text
from distill.corpora.storage.columns import DIGEST_BYTES
from distill.export.runtime.reading.inputs import Row, all_texts

Way = Literal["join", "cut", "cross", "drop", "mask", "near", "substitute"]

Words = list[str]

# returns a text's words, with those at some places replaced by words that fit there
Substitute = Callable[[Words, Sequence[int], np.random.Generator], Words]

# draws per text: one that is empty or already known is drawn again, and a corpus of few words has few new ones
MAX_DRAWS_PER_TEXT = 20

# give up after this many consecutive texts without a new draw: millions may have been asked for
MAX_BARREN_TEXTS = 100


@dataclass(frozen=True)
class Augmenter:
    """Ways to make texts; `mask` replaces a hidden word, `share` bounds the part of a text's words that change.

    `substitute` and `near` replace words, for the ways of these names.
    """

    ways: tuple[Way, ...]
    share: float
    mask: str | None = None
    substitute: Substitute | None = None
    near: Substitute | None = None

    def make(self, texts: Sequence[Row], rng: np.random.Generator) -> str:
        """Return a text made from one or two of `texts`; it may be empty, or one of them unchanged."""
        way = self._draw(rng)
        return self._made(way, texts[int(rng.integers(len(texts)))], texts, rng)

    def change(self, text: Row, texts: Sequence[Row], rng: np.random.Generator) -> str:
        """Return a text made from this one, and from one of `texts` where the way needs two."""
        return self._made(self._draw(rng), text, texts, rng)

    def _draw(self, rng: np.random.Generator) -> Way:
        return self.ways[rng.integers(len(self.ways))]

    def _made(self, way: Way, text: Row, texts: Sequence[Row], rng: np.random.Generator) -> str:
        first = _words(text)
        if way in ("join", "cross"):
            second = _words(texts[int(rng.integers(len(texts)))])
            return " ".join(first + second if way == "join" else cross(first, second, rng))
        if way == "cut":
            return " ".join(cut(first, rng))
        chosen = draw_places(len(first), self.share, rng)
        if way == "drop":
            return " ".join(word for place, word in enumerate(first) if place not in chosen)
        if way == "mask":
            return " ".join((self.mask or "") if place in chosen else word for place, word in enumerate(first))
        replace = self.near if way == "near" else self.substitute
        return " ".join(replace(first, sorted(chosen), rng) if replace else first)


def augment(
    texts: Sequence[Row], rows: int, augmenter: Augmenter, *, known: Collection[bytes], seed: int
) -> Iterator[str]:
    """Yield up to `rows` distinct new texts; fewer if hardly any new ones are left.

    Args:
        texts: the train rows.
        rows: number of texts to make.
        augmenter: the ways to make them.
        known: `text_key` of the texts that must not be made: train, validation and test rows.
        seed: seed of everything that is drawn.
    """
    rng = np.random.default_rng((seed, len(texts)))
    made: set[bytes] = set()
    barren = 0
    for _ in range(rows if len(texts) else 0):
        barren += 1
        for _ in range(MAX_DRAWS_PER_TEXT):
            text = augmenter.make(texts, rng)
            key = text_key(text)
            if text and key not in known and key not in made:
                made.add(key)
                barren = 0
                yield text
                break
        if barren == MAX_BARREN_TEXTS:
            return


def text_key(text: Row) -> bytes:
    """Return a key that is equal for texts, with their context, that count as the same, and never for others."""
    parts = "\n".join(map(normalise_text, all_texts(text)))
    return hashlib.blake2b(parts.encode(), digest_size=DIGEST_BYTES).digest()


def _words(row: Row) -> Words:
    if not isinstance(row, str):
        raise TypeError("Texts can be made from texts, not from pairs.")
    return row.split()


def cut(words: Words, rng: np.random.Generator) -> Words:
    """Return a run of the words, from one word up to all but one."""
    if len(words) < 2:
        return words
    length = int(rng.integers(1, len(words)))
    start = int(rng.integers(0, len(words) - length + 1))
    return words[start : start + length]


def cross(first: Words, second: Words, rng: np.random.Generator) -> Words:
    """Return the beginning of one text and the end of another."""
    return first[: int(rng.integers(1, len(first) + 1))] + second[int(rng.integers(len(second))) :]


def draw_places(words: int, share: float, rng: np.random.Generator) -> set[int]:
    """Draw places of words, all with one probability of up to `share`; at least one, never all of several."""
    chosen = np.flatnonzero(rng.random(words) < rng.uniform(0, share))
    if not len(chosen) and words:
        chosen = rng.integers(words, size=1)
    return set(chosen.tolist()) if len(chosen) < words or words == 1 else set(chosen[1:].tolist())
