"""Columns of a corpus: a few small numbers per row, beside the texts."""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# numbers of rows, labels and groups; two billion are enough
Ints = NDArray[np.int32]

# long enough that two keys never share a digest by chance
DIGEST_BYTES = 16

# digests are numbered in parts, by their first byte, so that they are never in memory all at once
PARTS = 16

CHUNK_ROWS = 100_000

NONE = -1


class KeyColumn:
    """At most one key per row, as digests in an anonymous temporary file; equal keys get equal numbers.

    Args:
        folder: folder of the file; by default the system's folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open for the column's lifetime
        weakref.finalize(self, self._file.close)
        self._has = bytearray()

    def append(self, key: str | None) -> None:
        """Add the next row's key."""
        data = b"" if key is None else key.encode("utf-8", "surrogatepass")
        self._file.write(hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest())
        self._has.append(key is not None)

    def numbers(self) -> Ints:
        """Return a number per row's key, from 0 without gaps, ``(N,)``; -1 for rows without a key."""
        row_numbers = np.full(len(self._has), NONE, dtype=np.int32)
        known = 0
        for part in range(PARTS):
            rows, digests = self._rows_of(part)
            _, numbers = np.unique(digests, return_inverse=True)
            row_numbers[rows] = numbers + known
            known += int(numbers.max(initial=NONE)) + 1
        return row_numbers

    def _rows_of(self, part: int) -> tuple[Ints, NDArray[Any]]:
        """Return the rows with keys in one part, and their digests."""
        rows, digests = [], []
        for start, chunk in self._chunks():
            has = np.frombuffer(self._has, dtype=np.bool_, count=len(chunk), offset=start)
            chosen = np.flatnonzero(has & (chunk[:, 0] % PARTS == part))
            rows.append((chosen + start).astype(np.int32))
            digests.append(chunk[chosen].view(f"S{DIGEST_BYTES}").ravel())
        return np.concatenate(rows), np.concatenate(digests)

    def _chunks(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield all digests in order, ``(n, 16)``, each chunk with its first row."""
        self._file.seek(0)
        for start in range(0, max(len(self._has), 1), CHUNK_ROWS):
            data = self._file.read(CHUNK_ROWS * DIGEST_BYTES)
            yield start, np.frombuffer(data, dtype=np.uint8).reshape(-1, DIGEST_BYTES)


@dataclass(frozen=True)
class LabelRows:
    """Label ids of N rows, ascending per row: those of row i are `values[starts[i]:starts[i + 1]]`."""

    starts: Ints  # (N + 1,)
    values: Ints

    @classmethod
    def of(cls, rows: Iterable[Iterable[int]]) -> LabelRows:
        """Build from the ids of each row."""
        starts, values = array("i", [0]), array("i")
        for row in rows:
            values.extend(sorted(set(row)))
            starts.append(len(values))
        return cls(np.array(starts, dtype=np.int32), np.array(values, dtype=np.int32))

    @classmethod
    def one_each(cls, values: NDArray[Any]) -> LabelRows:
        """Build from the one id of each row, ``(N,)``."""
        return cls(np.arange(len(values) + 1, dtype=np.int32), values.astype(np.int32, copy=False))

    @classmethod
    def of_pairs(cls, rows: NDArray[Any], labels: NDArray[Any], num_rows: int) -> LabelRows:
        """Build from pairs of a row and a label, in any order."""
        order = np.lexsort((labels, rows))
        return cls(_starts(np.bincount(rows, minlength=num_rows)), labels[order].astype(np.int32))

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.starts) - 1

    def ids(self, row: int) -> tuple[int, ...]:
        """Return the labels of one row."""
        return tuple(self.values[self.starts[row] : self.starts[row + 1]].tolist())

    def sizes(self) -> Ints:
        """Return the number of labels per row, ``(N,)``."""
        return np.diff(self.starts)

    def row_of_value(self) -> Ints:
        """Return the row that each of `values` belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.sizes())

    def take(self, rows: NDArray[Any]) -> LabelRows:
        """Return the labels of some rows."""
        sizes = self.sizes()[rows]
        starts = _starts(sizes)
        within = np.arange(starts[-1], dtype=np.int32) - np.repeat(starts[:-1], sizes)
        return LabelRows(starts, self.values[np.repeat(self.starts[rows], sizes) + within])

    def renamed(self, new_ids: NDArray[Any]) -> LabelRows:
        """Return a copy with `new_ids[old]` for each id; ids whose new id is negative are left out."""
        rows, labels = self.row_of_value(), new_ids[self.values]
        return LabelRows.of_pairs(rows[labels >= 0], labels[labels >= 0], len(self))

    def replaced(self, changed: Mapping[int, tuple[int, ...]]) -> LabelRows:
        """Return a copy with other labels in some rows."""
        if not changed:
            return self
        owners = self.row_of_value()
        kept = ~np.isin(owners, list(changed))
        added = [(row, label) for row, labels in changed.items() for label in labels]
        new_rows, new_labels = (np.array([pair[at] for pair in added], dtype=np.int32) for at in (0, 1))
        rows = np.concatenate([owners[kept], new_rows])
        return LabelRows.of_pairs(rows, np.concatenate([self.values[kept], new_labels]), len(self))

    def counts(self, num_labels: int) -> NDArray[np.int64]:
        """Return the number of rows with each label, ``(C,)``."""
        return np.bincount(self.values, minlength=num_labels).astype(np.int64)


def _starts(sizes: NDArray[Any]) -> Ints:
    """Return the start of each row, and the end of the last."""
    starts = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=starts[1:])
    return starts


@dataclass(frozen=True)
class CorpusRows:
    """Usable rows of a corpus in order; row i is text i of their store.

    `text` numbers distinct normalised texts, `group` groups (-1: none), `key` the keys that identify a row; all
    ``(N,)``. `file` and `row` are the place where each was read, `files` holds the names.
    """

    text: Ints
    group: Ints
    key: Ints
    labels: LabelRows
    file: Ints
    row: Ints
    files: tuple[str, ...]

    def place(self, row: int) -> str:
        """Return file and row, for an error message."""
        return f"{self.files[self.file[row]]}, row {self.row[row]}"
