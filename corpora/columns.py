"""What is known of the rows of a corpus beside their texts: a few numbers a row, in columns."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# so short that millions fit into memory, so long that two keys never share one by chance
DIGEST_BYTES = 16
NONE = -1


class KeyColumn:
    """One key a row, or none; kept as digests, told apart by numbers in the order of their first appearance."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._has = bytearray()

    def append(self, key: str | None) -> None:
        """The next row's key."""
        data = b"" if key is None else key.encode("utf-8", "surrogatepass")
        self._digests += hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
        self._has.append(key is not None)

    def numbers(self) -> Ints:
        """A number for each row's key, ``(N,)``; -1 where a row has none."""
        has = np.frombuffer(self._has, dtype=np.bool_)
        halves = np.frombuffer(self._digests, dtype=np.uint64).reshape(-1, 2)  # (N, 2)
        found = np.full(len(has), NONE, dtype=np.int64)
        rows = np.flatnonzero(has)
        found[rows] = number_by_first(halves[rows])
        return found


def number_by_first(keys: NDArray[np.uint64]) -> Ints:
    """Rows of keys ``(N, 2)`` as numbers ``(N,)``: equal keys share one, and the first to appear is 0."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: the first of equal keys stays first
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    number_of_run = np.empty(int(new.sum()), dtype=np.int64)
    number_of_run[np.argsort(order[new], kind="stable")] = np.arange(len(number_of_run))
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = number_of_run[np.cumsum(new) - 1]
    return numbers


@dataclass(frozen=True)
class LabelRows:
    """The label ids of N rows, ascending in each: those of row i are `values[starts[i]:starts[i + 1]]`."""

    starts: Ints  # (N + 1,)
    values: Ints

    @classmethod
    def of(cls, rows: Iterable[Iterable[int]]) -> LabelRows:
        """From the ids of each row."""
        starts, values = array("q", [0]), array("q")
        for row in rows:
            values.extend(sorted(set(row)))
            starts.append(len(values))
        return cls(np.array(starts, dtype=np.int64), np.array(values, dtype=np.int64))

    def __len__(self) -> int:
        """The number of rows, N."""
        return len(self.starts) - 1

    def ids(self, row: int) -> tuple[int, ...]:
        """The labels of one row."""
        return tuple(self.values[self.starts[row] : self.starts[row + 1]].tolist())

    def sizes(self) -> Ints:
        """How many labels each row has, ``(N,)``."""
        return np.diff(self.starts)

    def row_of_value(self) -> Ints:
        """The row that each of `values` belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes())

    def take(self, rows: Ints) -> LabelRows:
        """The labels of some rows."""
        sizes = self.sizes()[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        return LabelRows(starts, self.values[np.repeat(self.starts[rows], sizes) + within])

    def renamed(self, new_ids: Ints) -> LabelRows:
        """With `new_ids[old]` in place of each id, and without those whose new id is negative."""
        rows, values = self.row_of_value(), new_ids[self.values]
        rows, values = rows[values >= 0], values[values >= 0]
        order = np.lexsort((values, rows))
        sizes = np.bincount(rows, minlength=len(self))
        return LabelRows(np.concatenate([[0], np.cumsum(sizes)]), values[order])

    def replaced(self, changed: Mapping[int, tuple[int, ...]]) -> LabelRows:
        """With other labels in some rows."""
        if not changed:
            return self
        rows = sorted(changed)
        kept = ~np.isin(self.row_of_value(), rows)
        added = [(row, label) for row in rows for label in changed[row]]
        owner = np.concatenate([self.row_of_value()[kept], np.array([row for row, _ in added], dtype=np.int64)])
        values = np.concatenate([self.values[kept], np.array([label for _, label in added], dtype=np.int64)])
        order = np.lexsort((values, owner))
        sizes = np.bincount(owner, minlength=len(self))
        return LabelRows(np.concatenate([[0], np.cumsum(sizes)]), values[order])

    def counts(self, num_labels: int) -> Ints:
        """Rows with each label, ``(C,)``."""
        return np.bincount(self.values, minlength=num_labels).astype(np.int64)


@dataclass(frozen=True)
class CorpusRows:
    """The usable rows of a corpus in their order; row i is text i of their store.

    `text` tells normalised texts apart, `group` groups (-1: none), `key` what makes rows the same; all ``(N,)``.
    `file` and `row` say where each was read, `files` holds the names.
    """

    text: Ints
    group: Ints
    key: Ints
    labels: LabelRows
    file: Ints
    row: Ints
    files: tuple[str, ...]

    def place(self, row: int) -> str:
        """File and row, for an error."""
        return f"{self.files[self.file[row]]}, row {self.row[row]}"
