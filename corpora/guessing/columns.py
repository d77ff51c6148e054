"""The columns of an unknown table, and what their names and values hint at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from distill.corpora.reading.places.split_names import split_in_cell
from distill.corpora.reading.rows import Record

MAX_HEADER_CHARS = 40

# a column has few values where there are ten rows of each
MAX_REPEATED = 0.1

_TIME = re.compile(r"\d{1,2}:\d\d|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")

MAX_TIME_CHARS = 40

# rows of most blocks
MIN_ROWS = 2

# the share of rows that decides what a column is like
NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Column:
    """A column's name and its cells, one per row of the sample; None and an empty cell are missing."""

    name: str
    cells: list[Any] = field(repr=False)

    @classmethod
    def of(cls, name: str, records: Sequence[Record]) -> Column:
        """Return one column of the records."""
        return cls(name, [record.fields.get(name) for record in records])

    @property
    def leaf(self) -> str:
        """The last step of a path: the name itself where it is not a path."""
        return self.name.rpartition("[].")[2]

    @cached_property
    def values(self) -> list[Any]:
        """The cells that are not missing."""
        return [cell for cell in self.cells if not is_missing(cell)]

    @cached_property
    def keys(self) -> list[str]:
        """Every cell as a text to compare."""
        return ["" if is_missing(cell) else str(cell).strip() for cell in self.cells]

    @cached_property
    def counts(self) -> Counter[str]:
        """The number of rows per value, missing ones left out."""
        return Counter(key for key in self.keys if key)

    @property
    def mean_length(self) -> float:
        """The mean number of characters of a cell that is not missing."""
        return sum(len(str(value)) for value in self.values) / max(len(self.values), 1)

    @property
    def is_text(self) -> bool:
        """True where every value is a string."""
        return bool(self.values) and all(isinstance(value, str) for value in self.values)

    @property
    def is_time(self) -> bool:
        """True where nearly every value is a date or a time."""
        times = (_TIME.search(str(value)) and len(str(value)) < MAX_TIME_CHARS for value in self.values)
        return sum(map(bool, times)) > NEARLY_ALL * len(self.values)

    @property
    def is_link(self) -> bool:
        """True where nearly every value is a link."""
        links = sum(str(value).startswith(("http://", "https://")) for value in self.values)
        return links > NEARLY_ALL * len(self.values)


def is_missing(cell: object) -> bool:
    """Return whether a cell holds nothing."""
    return cell is None or cell == "" or (isinstance(cell, float) and cell != cell)


def has_header(records: Sequence[Record]) -> bool:
    """Return whether the names of a delimited table look like names rather than like its first row of data.

    A long name, such as a survey's question, is one where another column repeats few values, which its name is
    not among: a label of the first row would be a label of others too.
    """
    names = list(records[0].fields)
    for name in names:
        is_number = re.fullmatch(r"[\d\s,.+-]*", name) is not None
        if is_number or any(record.fields.get(name) == name for record in records):
            return False
    return all(len(name) <= MAX_HEADER_CHARS for name in names) or repeats_values(records)


def repeats_values(records: Sequence[Record]) -> bool:
    """Return whether a column has few values, which many rows share."""
    found = ({str(record.fields.get(name)) for record in records} for name in records[0].fields)
    return any(1 < len(values) <= MAX_REPEATED * len(records) for values in found)


def split_column(columns: Sequence[Column]) -> Column | None:
    """Return the column that says train, validation or test in every row."""
    for column in columns:
        splits = {split_in_cell(value) for value in column.counts}
        if "train" in splits and len(splits) > 1 and None not in splits:
            return column
    return None


def share_constant(column: Column, groups: Column) -> float:
    """Return the share of the groups with several rows in which a column has one value only."""
    values: dict[str, set[str]] = {}
    sizes: Counter[str] = Counter()
    for key, value in zip(groups.keys, column.keys, strict=True):
        if key:
            sizes[key] += 1
            values.setdefault(key, set()).add(value)
    several = [key for key, size in sizes.items() if size > 1]
    return sum(len(values[key]) == 1 for key in several) / max(len(several), 1)


def are_blocks(keys: Sequence[str], values: Counter[str]) -> bool:
    """Return whether each value's rows are next to each other, several of most, and all have numbers in them."""
    runs = 1 + sum(before != after for before, after in pairwise(keys))
    numbered = all(any(map(str.isdigit, value)) for value in values)
    most = sum(rows >= MIN_ROWS for rows in values.values()) >= NEARLY_ALL * len(values)
    return numbered and most and runs == len(values) and "" not in keys
