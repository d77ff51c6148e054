"""Token ids of many texts in little memory: one flat array instead of a list per row."""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

# numbers that are held in memory before they are written
WRITTEN_IDS = 2**20


class TokenRows(Sequence[list[int]]):
    """Token ids of N rows: those of row i are `ids[starts[i]:starts[i + 1]]`.

    Rows of several segments have the type of each token too, at the same places of `types`.
    """

    def __init__(
        self, starts: NDArray[np.int64], ids: NDArray[np.int32], types: NDArray[np.int8] | None = None
    ) -> None:
        self._starts, self._ids, self._types = starts, ids, types

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> TokenRows:
        """Return the ids of each row, in memory."""
        starts, ids = array("q", [0]), array("i")
        for row in rows:
            ids.extend(row)
            starts.append(len(ids))
        return cls(np.array(starts, dtype=np.int64), np.array(ids, dtype=np.int32))

    @classmethod
    def typed(cls, rows: Iterable[tuple[Sequence[int], Sequence[int]]], folder: Path | None = None) -> TokenRows:
        """Return the ids and types of each row, in memory or in unnamed files in `folder`."""
        starts, ids, types = array("q", [0]), _Numbers("i", folder), _Numbers("b", folder)
        for row, row_types in rows:
            ids.extend(row)
            types.extend(row_types)
            starts.append(starts[-1] + len(row))
        return cls(np.array(starts, dtype=np.int64), ids.finish(), types.finish())

    @classmethod
    def in_file(cls, rows: Iterable[Sequence[int]], folder: Path) -> TokenRows:
        """Return the ids of each row, in an unnamed file in `folder` that ends with its last reader."""
        starts, ids = array("q", [0]), _Numbers("i", folder)
        for row in rows:
            ids.extend(row)
            starts.append(starts[-1] + len(row))
        return cls(np.array(starts, dtype=np.int64), ids.finish())

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self._starts) - 1

    @overload
    def __getitem__(self, row: int) -> list[int]: ...

    @overload
    def __getitem__(self, row: slice) -> TokenRows: ...

    def __getitem__(self, row: int | slice) -> list[int] | TokenRows:
        """Return the ids of one row, or the rows of a slice."""
        if isinstance(row, slice):
            return self.take(range(*row.indices(len(self))))
        return self._values(self._ids, row)

    def types_of(self, row: int) -> list[int] | None:
        """Return the types of one row's tokens; None where rows have one segment."""
        return None if self._types is None else self._values(self._types, row)

    def take(self, rows: Sequence[int]) -> TokenRows:
        """Return some of the rows, in that order, in memory."""
        if self._types is None:
            return TokenRows.of(self[row] for row in rows)
        return TokenRows.typed((self[row], self.types_of(row) or []) for row in rows)

    def own_lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens per row without its context, those of type 0, ``(N,)``."""
        if self._types is None:
            return self.lengths()
        ends = np.concatenate([[0], np.cumsum(self._types == 0)])
        own: NDArray[np.int64] = ends[self._starts[1:]] - ends[self._starts[:-1]]
        return own

    def without_context(self, rows: Sequence[bool]) -> TokenRows:
        """Return the same rows in memory, some of them cut behind their tokens of type 0."""
        own = self.own_lengths()
        ends = [int(own[row]) if alone else None for row, alone in enumerate(rows)]
        return TokenRows.typed((self[row][:end], (self.types_of(row) or [])[:end]) for row, end in enumerate(ends))

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens per row, ``(N,)``."""
        return np.diff(self._starts)

    def followed_by(self, other: TokenRows) -> TokenRows:
        """Return these rows followed by others, which have types too where these do."""
        starts = np.concatenate([self._starts, other._starts[1:] + self._starts[-1]])
        ids = np.concatenate([self._ids, other._ids])
        if self._types is None or other._types is None:
            if self._types is not other._types:
                raise TypeError("Rows with token types cannot follow rows without.")
            return TokenRows(starts, ids)
        return TokenRows(starts, ids, np.concatenate([self._types, other._types]))

    def _values(self, flat: NDArray[Any], row: int) -> list[int]:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        values: list[int] = flat[self._starts[row] : self._starts[row + 1]].tolist()
        return values


class _Numbers:
    """Numbers of one kind, collected in memory, or in an unnamed file in a folder."""

    def __init__(self, code: str, folder: Path | None) -> None:
        self._code, self._values = code, array(code)
        self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - until finish

    def extend(self, values: Iterable[int]) -> None:
        """Add some numbers."""
        self._values.extend(values)
        if self._file is not None and len(self._values) >= WRITTEN_IDS:
            self._values.tofile(self._file)
            self._values = array(self._code)

    def finish(self) -> NDArray[Any]:
        """Return all numbers as one array, which keeps the file where there is one."""
        if self._file is None:
            return np.array(self._values, dtype=self._code)
        with self._file as file:
            self._values.tofile(file)
            file.flush()
            if not file.tell():  # an empty file cannot be mapped
                return np.zeros(0, dtype=self._code)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, dtype=self._code)
