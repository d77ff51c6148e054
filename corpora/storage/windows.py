"""Conversations with each text stored once, and rows of turns with context that are built while they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from distill.corpora.storage.text_store import TextStore, blocks
from distill.export.runtime.reading.inputs import Turn, Window

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Conversations:
    """All turns of a corpus, conversation by conversation, each in its order; T of them.

    Attributes:
        texts: holds the text of each turn once.
        rows: the text of each turn, by its number in `texts` ``(T,)``.
        starts: place of the first turn of each turn's conversation ``(T,)``.
        speakers: number of each turn's speaker ``(T,)``.
        names: the speakers' names.
    """

    texts: TextStore
    rows: Ints
    starts: Ints
    speakers: NDArray[np.int8]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of turns, T."""
        return len(self.rows)

    def kept(self, wanted: NDArray[np.bool_]) -> tuple[Conversations, Ints]:
        """Return the conversations with a wanted turn ``(T,)``, and the new place of each turn, -1 for others."""
        first = np.zeros(len(self), dtype=np.bool_)
        first[self.starts[wanted]] = True
        stay = first[self.starts]
        places = np.where(stay, np.cumsum(stay) - 1, -1).astype(np.int32)
        smaller = replace(
            self, rows=self.rows[stay], starts=places[self.starts[stay]], speakers=self.speakers[stay]
        )
        return smaller, places

    def turns(self, places: Ints) -> list[Turn]:
        """Return the turns at some ascending places."""
        rows = self.rows[places]
        order = np.argsort(rows, kind="stable")
        texts: list[str] = [""] * len(rows)
        for place, text in zip(order.tolist(), self.texts.read(rows[order]), strict=True):
            texts[place] = str(text)
        speakers = self.speakers[places].tolist()
        return [Turn(self.names[speaker], text) for speaker, text in zip(speakers, texts, strict=True)]


class Windows(Sequence[Window]):
    """Rows of turns: those at some places ``(N,)`` of the conversations, each with the turns before it.

    Args:
        log: the conversations.
        places: the decided turns.
        most: most turns of context that a row is built with.
        silent: whether the decided turn's own text is left out, because it has not been said yet.
    """

    def __init__(self, log: Conversations, places: Ints, most: int, *, silent: bool) -> None:
        self.log, self.places, self.most, self.silent = log, places, most, silent

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.places)

    def at(self, rows: NDArray[np.integer]) -> Windows:
        """Return some of the rows, in that order."""
        return Windows(self.log, self.places[rows], self.most, silent=self.silent)

    def with_context(self, most: int) -> Windows:
        """Return the same rows with at most N turns of context."""
        return Windows(self.log, self.places, most, silent=self.silent)

    @overload
    def __getitem__(self, place: int) -> Window: ...

    @overload
    def __getitem__(self, place: slice) -> list[Window]: ...

    def __getitem__(self, place: int | slice) -> Window | list[Window]:
        """Return one row, or the list of those in a slice."""
        if isinstance(place, slice):
            return [row for block in blocks(self.places[place]) for row in self._build(block)]
        return self._build(np.array([self.places[place]], dtype=np.int32))[0]

    def __iter__(self) -> Iterator[Window]:
        """Yield all rows in order, with one block of them in memory at a time."""
        for block in blocks(self.places):
            yield from self._build(block)

    def said(self) -> Iterator[tuple[str, int]]:
        """Yield every text that these rows read, each turn once, with the number of its conversation."""
        if not len(self.places):
            return
        reach = np.zeros(len(self.log) + 1, dtype=np.int32)
        first = np.maximum(self.places - self.most, self.log.starts[self.places])
        np.add.at(reach, first, 1)
        np.add.at(reach, self.places + (not self.silent), -1)
        for block in blocks(np.flatnonzero(np.cumsum(reach[:-1]) > 0).astype(np.int32)):
            for place, turn in zip(block.tolist(), self.log.turns(block), strict=True):
                yield turn.text, int(self.log.starts[place])

    def _build(self, places: Ints) -> list[Window]:
        first = np.maximum(places - self.most, self.log.starts[places])
        spans = [np.arange(start, place + 1, dtype=np.int32) for start, place in zip(first, places, strict=True)]
        needed = np.unique(np.concatenate(spans)) if spans else np.empty(0, dtype=np.int32)
        turns = dict(zip(needed.tolist(), self.log.turns(needed), strict=True))
        return [self.row([turns[place] for place in span.tolist()]) for span in spans]

    def row(self, turns: Sequence[Turn]) -> Window:
        """Return the row of a turn that is decided, the last one, and of all turns before it that it reads."""
        *context, target = turns
        return Window(Turn(target.speaker, "") if self.silent else target, tuple(context))
