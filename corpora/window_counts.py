"""Counts of how many turns of context a tokenizer leaves room for, and of decided turns that are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from distill.corpora.storage.text_store import BLOCK
from distill.export.runtime.reading.inputs import Encoded, Row, Window

# the share of decided turns that are cut, or of turns of context that do not fit, that is worth a line
MUCH = 0.05

MUCH_CONTEXT = 0.25


@dataclass(frozen=True)
class WindowTokens:
    """Rows of turns of one split under one tokenizer.

    `cut` counts decided turns that are cut, `alone` rows that have context in the corpus and none that fits, and
    `shortened` rows whose newest turn of context is cut; `turns` counts rows by the turns of context that fit, and
    `wanted` is the number of turns that would be read if all did.
    """

    rows: int
    cut: int
    alone: int
    shortened: int
    wanted: int
    turns: Mapping[int, int]

    @property
    def read(self) -> int:
        """The number of turns of context that are read."""
        return sum(turns * rows for turns, rows in self.turns.items())

    @property
    def mean_turns(self) -> float:
        """The mean number of turns of context that a row is read with."""
        return self.read / max(self.rows, 1)


@dataclass
class _Counts:
    rows: int = 0
    cut: int = 0
    alone: int = 0
    shortened: int = 0
    wanted: int = 0
    turns: Counter[int] = field(default_factory=Counter)


@final
class WindowCounter:
    """Counter of rows of turns by split.

    Args:
        encode: returns what is read of each row.
        turns: most turns of context.
    """

    def __init__(self, encode: Callable[[list[Row]], Sequence[Encoded]], turns: int) -> None:
        self._encode, self._turns = encode, turns

    def count(self, rows: Sequence[Row]) -> WindowTokens:
        """Count all rows of a split."""
        counts = _Counts()
        for start in range(0, len(rows), BLOCK):
            block = list(rows[start : start + BLOCK])
            for row, encoded in zip(block, self._encode(block), strict=True):
                had = min(len(row.context), self._turns) if isinstance(row, Window) else 0
                counts.rows += 1
                counts.cut += encoded.truncated
                counts.alone += had > 0 and not encoded.turns
                counts.shortened += encoded.shortened
                counts.wanted += had
                counts.turns[encoded.turns] += 1
        return WindowTokens(**vars(counts) | {"turns": dict(sorted(counts.turns.items()))})


def window_warnings(splits: Mapping[str, WindowTokens], max_tokens: int) -> Iterable[str]:
    """Return what to look at, one sentence each."""
    return tuple(_warnings(splits, max_tokens))


def _warnings(splits: Mapping[str, WindowTokens], max_tokens: int) -> Iterator[str]:
    for name, split in splits.items():
        at = f"corpus.max_tokens = {max_tokens}"
        if split.cut > MUCH * split.rows:
            yield f"{split.cut / split.rows:.1%} of the decided turns of {name} are cut at {at}"
        if split.wanted and split.wanted - split.read > MUCH_CONTEXT * split.wanted:
            yield (
                f"{split.read / split.wanted:.0%} of the turns of context of {name} fit into {at} "
                f"({split.mean_turns:.1f} per row); raise it, or lower corpus.context.turns"
            )
