"""Token ids of many texts in little memory: one flat array instead of a list per row."""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

# ids that are held in memory before they are written
WRITTEN_IDS = 2**20


class TokenRows(Sequence[list[int]]):
    """Token ids of N rows: those of row i are `ids[starts[i]:starts[i + 1]]`."""

    def __init__(self, starts: NDArray[np.int64], ids: NDArray[np.int32]) -> None:
        self._starts, self._ids = starts, ids

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> TokenRows:
        """Return the ids of each row, in memory."""
        starts, ids = array("q", [0]), array("i")
        for row in rows:
            ids.extend(row)
            starts.append(len(ids))
        return cls(np.array(starts, dtype=np.int64), np.array(ids, dtype=np.int32))

    @classmethod
    def in_file(cls, rows: Iterable[Sequence[int]], folder: Path) -> TokenRows:
        """Return the ids of each row, in an unnamed file in `folder` that ends with its last reader."""
        starts, ids = array("q", [0]), array("i")
        with tempfile.TemporaryFile(dir=folder) as file:
            for row in rows:
                ids.extend(row)
                starts.append(starts[-1] + len(row))
                if len(ids) >= WRITTEN_IDS:
                    ids.tofile(file)
                    ids = array("i")
            ids.tofile(file)
            file.flush()
            places = np.array(starts, dtype=np.int64)
            if not places[-1]:  # an empty file cannot be mapped
                return cls(places, np.zeros(0, dtype=np.int32))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(places, np.frombuffer(mapped, dtype=np.int32))

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self._starts) - 1

    @overload
    def __getitem__(self, row: int) -> list[int]: ...

    @overload
    def __getitem__(self, row: slice) -> list[list[int]]: ...

    def __getitem__(self, row: int | slice) -> list[int] | list[list[int]]:
        """Return the ids of one row, or the list of those in a slice."""
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        ids: list[int] = self._ids[self._starts[row] : self._starts[row + 1]].tolist()
        return ids

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens per row, ``(N,)``."""
        return np.diff(self._starts)

    def followed_by(self, other: TokenRows) -> TokenRows:
        """Return these rows followed by others."""
        starts = np.concatenate([self._starts, other._starts[1:] + self._starts[-1]])
        return TokenRows(starts, np.concatenate([self._ids, other._ids]))
