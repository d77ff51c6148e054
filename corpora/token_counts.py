"""Counts of how a tokenizer reads a corpus: tokens, unknown ones by script, and texts that are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

from distill.corpora.scripts import script_of
from distill.export.runtime.reading.inputs import Row, segments_of

# number of texts per split whose tokens are all counted by script; of the texts after them, 1 in ONE_IN
LOOKED_AT, ONE_IN = 50_000, 16


class Encoding(Protocol):
    """One row's tokens, special ones included: their ids, and where each begins and ends in which text."""

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]
    sequence_ids: Sequence[int | None]


@dataclass(frozen=True)
class ScriptTokens:
    """Tokens that begin with a letter of one script, the unknown among them, and the characters they stand for."""

    tokens: int
    unknown: int
    characters: int


@dataclass(frozen=True)
class SplitTokens:
    """One split under one tokenizer; `cut` counts texts that are longer than the recipe lets them be.

    `sampled` says whether only some of the split's texts were counted.
    """

    texts: int
    cut: int
    tokens: int
    unknown: int
    scripts: Mapping[str, ScriptTokens]
    sampled: bool = False

    @property
    def cut_share(self) -> float:
        """The share of the texts that are cut."""
        return self.cut / max(self.texts, 1)

    @property
    def unknown_share(self) -> float:
        """The share of the tokens that are unknown."""
        return self.unknown / max(self.tokens, 1)


@dataclass
class _Counts:
    texts: int = 0
    cut: int = 0
    tokens: int = 0
    unknown: int = 0
    by_script: Counter[tuple[str, str]] = field(default_factory=Counter)


@final
class TokenCounter:
    """Counter of the tokens of texts by split, which keeps no text and no encoding.

    Args:
        encode: returns the encodings of several texts, uncut and with special tokens.
        unknown_id: the id of the token for unknown words; None where there is none.
        max_tokens: length at which texts are cut.
    """

    def __init__(
        self, encode: Callable[[list[Row]], Sequence[Encoding]], unknown_id: int | None, max_tokens: int
    ) -> None:
        self._encode, self._unknown_id, self._max_tokens = encode, unknown_id, max_tokens
        self._counts: dict[str, _Counts] = {}

    def __call__(self, split: str, texts: list[Row]) -> list[int]:
        """Count some texts of a split, and return their lengths in tokens."""
        counts, lengths = self._counts.setdefault(split, _Counts()), []
        for text, encoding in zip(texts, self._encode(texts), strict=True):
            ids = encoding.ids
            lengths.append(len(ids))
            counts.texts += 1
            counts.cut += len(ids) > self._max_tokens
            counts.tokens += len(ids)
            unknown = 0 if self._unknown_id is None else ids.count(self._unknown_id)
            counts.unknown += unknown
            if counts.texts <= LOOKED_AT or counts.texts % ONE_IN == 0:
                self._count_scripts(counts.by_script, text, encoding, unknown)
        return lengths

    def splits(self) -> dict[str, SplitTokens]:
        """Return what was counted, by split."""
        return {
            name: SplitTokens(
                counts.texts,
                counts.cut,
                counts.tokens,
                counts.unknown,
                {
                    script: ScriptTokens(*(counts.by_script[script, count] for count in _WHAT))
                    for script in sorted({script for script, _ in counts.by_script})
                },
            )
            for name, counts in self._counts.items()
        }

    def _count_scripts(
        self, by_script: Counter[tuple[str, str]], row: Row, encoding: Encoding, unknown: int
    ) -> None:
        texts = segments_of(row)
        if all(map(str.isascii, texts)):  # most texts of most corpora; their offsets need not be looked at
            by_script["Latin", "tokens"] += len(encoding.ids)
            by_script["Latin", "unknown"] += unknown
            by_script["Latin", "characters"] += sum(map(len, texts))
            return
        reads = [0] * len(texts)
        # the offsets of a pair are those in one of its texts, and of a special token in neither
        places = encoding.sequence_ids if len(texts) > 1 else [0] * len(encoding.ids)
        for token, (start, end), place in zip(encoding.ids, encoding.offsets, places, strict=True):
            if place is None:
                continue
            text, read = texts[place], reads[place]
            script = next((found for found in map(script_of, text[start:end]) if found is not None), None)
            if script is not None:
                by_script[script, "tokens"] += 1
                by_script[script, "unknown"] += token == self._unknown_id
                by_script[script, "characters"] += max(0, end - max(start, read))  # bytes share a character
            reads[place] = max(read, end)


_WHAT = ("tokens", "unknown", "characters")


def by_script(splits: Mapping[str, SplitTokens]) -> dict[str, ScriptTokens]:
    """Return the counts of each script over all splits."""
    counts: Counter[tuple[str, str]] = Counter()
    for split in splits.values():
        for script, tokens in split.scripts.items():
            counts.update({(script, field): getattr(tokens, field) for field in _WHAT})
    return {
        script: ScriptTokens(*(counts[script, field] for field in _WHAT))
        for script in sorted({s for s, _ in counts})
    }
