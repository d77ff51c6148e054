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

# number of texts that are read from the file at once
BLOCK = 4096

# a block is read in one go unless fewer than one in SPARSEST of the file's texts are in it; splits of a tenth are
# usual
SPARSEST = 16


class TextStore:
    """A list of texts that only grows, in an anonymous temporary file that the system deletes with the process.

    Args:
        folder: folder of the file; by default the system's folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open for the store's lifetime
        weakref.finalize(self, self._file.close)
        self._ends = array("q", [0])  # text i is the bytes from _ends[i] to _ends[i + 1]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        """Add a text, which must be valid Unicode."""
        data = text.encode()
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def extend(self, texts: Iterable[str]) -> None:
        """Add several texts."""
        for text in texts:
            self.append(text)

    def view(self, start: int, stop: int) -> StoredTexts:
        """Return the texts from `start` up to, but not including, `stop`."""
        return StoredTexts(self, np.arange(start, stop, dtype=np.int32))

    def read(self, rows: NDArray[np.int32]) -> list[str]:
        """Return the texts of some rows, which must ascend."""
        if not len(rows):
            return []
        first, last = int(rows[0]), int(rows[-1])
        if last - first < SPARSEST * len(rows):
            start = self._ends[first]
            data = self._bytes(start, self._ends[last + 1])
            return [data[self._ends[row] - start : self._ends[row + 1] - start].decode() for row in rows.tolist()]
        return [self._bytes(self._ends[row], self._ends[row + 1]).decode() for row in rows.tolist()]

    def _bytes(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


class StoredTexts(Sequence[str]):
    """Texts of a store by their ascending rows ``(N,)``; they are read on access, slice by slice."""

    def __init__(self, store: TextStore, rows: NDArray[np.int32]) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        """Return the number of texts, N."""
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Return one text, or the list of those in a slice."""
        if isinstance(place, slice):
            return [text for block in blocks(self._rows[place]) for text in self._store.read(block)]
        row = self._rows[place]
        return self._store.read(np.array([row], dtype=np.int32))[0]

    def __iter__(self) -> Iterator[str]:
        """Yield all texts in order, with one block of them in memory at a time."""
        for block in blocks(self._rows):
            yield from self._store.read(block)


def blocks(rows: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Yield the rows, `BLOCK` at a time."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]
