"""Texts in a file instead of memory, so that a corpus may be larger than the machine's memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.reading.inputs import Row, segments_of

# number of texts that are read from the file at once
BLOCK = 4096

# a block is read in one go unless fewer than one in SPARSEST of the file's texts are in it; splits of a tenth are
# usual
SPARSEST = 16


class TextStore:
    """A list of rows that only grows, in an anonymous temporary file that the system deletes with the process.

    The first row says whether rows are texts or pairs. The segments of a pair lie one after the other in the file.

    Args:
        folder: folder of the file; by default the system's folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open for the store's lifetime
        weakref.finalize(self, self._file.close)
        self._ends = array("q", [0])  # segment i is the bytes from _ends[i] to _ends[i + 1]
        self._segments = 1  # of a row

    def __len__(self) -> int:
        """Return the number of rows."""
        return (len(self._ends) - 1) // self._segments

    def append(self, row: Row) -> None:
        """Add a row, which must be valid Unicode.

        Raises:
            TypeError: it is a pair and the rows before it are texts, or the other way about.
        """
        segments = segments_of(row)
        if len(self._ends) == 1:
            self._segments = len(segments)
        if len(segments) != self._segments:
            raise TypeError("A store holds texts or pairs, not both.")
        for segment in segments:
            data = segment.encode()
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))

    def extend(self, rows: Iterable[Row]) -> None:
        """Add several rows."""
        for row in rows:
            self.append(row)

    def view(self, start: int, stop: int) -> StoredTexts:
        """Return the rows from `start` up to, but not including, `stop`."""
        return StoredTexts(self, np.arange(start, stop, dtype=np.int32))

    def read(self, rows: NDArray[np.int32]) -> Sequence[Row]:
        """Return some rows, which must ascend."""
        if self._segments == 1:
            return self._read(rows.tolist())
        found = self._read([2 * row + segment for row in rows.tolist() for segment in (0, 1)])
        return list(zip(found[::2], found[1::2], strict=True))

    def _read(self, places: list[int]) -> list[str]:
        """Return the segments at some places, which must ascend."""
        if not places:
            return []
        first, last = places[0], places[-1]
        if last - first < SPARSEST * len(places):
            start = self._ends[first]
            data = self._bytes(start, self._ends[last + 1])
            return [data[self._ends[place] - start : self._ends[place + 1] - start].decode() for place in places]
        return [self._bytes(self._ends[place], self._ends[place + 1]).decode() for place in places]

    def _bytes(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


class StoredTexts(Sequence[Row]):
    """Rows of a store by their ascending numbers ``(N,)``; they are read on access, slice by slice."""

    def __init__(self, store: TextStore, rows: NDArray[np.int32]) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """Return one row, or the list of those in a slice."""
        if isinstance(place, slice):
            return [row for block in blocks(self._rows[place]) for row in self._store.read(block)]
        return self._store.read(np.array([self._rows[place]], dtype=np.int32))[0]

    def __iter__(self) -> Iterator[Row]:
        """Yield all rows in order, with one block of them in memory at a time."""
        for block in blocks(self._rows):
            yield from self._store.read(block)


def blocks(rows: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Yield the rows, `BLOCK` at a time."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]
