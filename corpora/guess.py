"""What the columns of an unknown table may be: text, label, group or split. Rules of thumb, all pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from distill.corpora.reading.labels import MAX_FOUND_LABELS, MAX_LABEL_CHARS, LabelError, Token
from distill.corpora.reading.locate import SPLIT_NAMES
from distill.corpora.reading.rows import Record
from distill.corpora.targets import CODECS

# the kinds that a column can be guessed to be
ONE, SEVERAL = "single_label", "multi_label"

DELIMITERS = (",", ";", "|")

MAX_HEADER_CHARS = 40

# On average fewer rows a value than this, and a column tells rows apart rather than kinds of rows.
MIN_REPEATS = 2.0

MIN_GROUPS = 3

_LABEL_NAME = re.compile(
    r"label|emotion|topic|categor|class|intent|sentiment|tag|target|talk_type|behaviou?r", re.IGNORECASE
)

_ID_NAME = re.compile(r"(?:_id|[a-z]I[dD]|^id|^ID)$")

_GROUP_NAME = re.compile(
    r"group|conversation|dialog|transcript|session|client|patient|user|thread|question|author", re.IGNORECASE
)


@dataclass(frozen=True)
class Column:
    """A column's name and its values that are not missing."""

    name: str
    values: list[Any] = field(repr=False)

    @classmethod
    def of(cls, name: str, records: Sequence[Record]) -> Column:
        """One column of the records."""
        values = (record.fields.get(name) for record in records)
        return cls(name, [value for value in values if value is not None and value != ""])


@dataclass(frozen=True)
class LabelGuess:
    """How a column reads as labels; `tokens` are the different ones."""

    name: str
    task: str
    delimiter: str | None
    tokens: tuple[Token, ...]


def has_header(records: Sequence[Record]) -> bool:
    """Whether the names of a delimited table look like names rather than like its first row of data."""
    for name in records[0].fields:
        is_number = re.fullmatch(r"[\d\s,.+-]*", name) is not None
        if is_number or len(name) > MAX_HEADER_CHARS or any(r.fields.get(name) == name for r in records):
            return False
    return True


def text_column(columns: Sequence[Column]) -> Column | None:
    """The column of strings with the longest average."""
    strings = [c for c in columns if c.values and all(isinstance(value, str) for value in c.values)]
    return max(strings, key=lambda c: sum(map(len, c.values)) / len(c.values), default=None)


def split_column(columns: Sequence[Column]) -> Column | None:
    """The column that says train, validation or test in every row."""
    for column in columns:
        found = {SPLIT_NAMES.get(str(value).strip().lower()) for value in column.values}
        if "train" in found and len(found) > 1 and None not in found:
            return column
    return None


def label_column(columns: Sequence[Column]) -> LabelGuess | None:
    """The column that most looks like labels: by its name, then lists, then words, then few values."""
    guesses = [guess for column in columns if (guess := _as_labels(column)) is not None]

    def rank(guess: LabelGuess) -> tuple[bool, bool, bool, int]:
        numbers = all(str(token).isdigit() for token in guess.tokens)
        multi = guess.task == SEVERAL
        return (_LABEL_NAME.search(guess.name) is not None, multi, not numbers, -len(guess.tokens))

    return max(guesses, key=rank, default=None)


def group_column(columns: Sequence[Column]) -> Column | None:
    """The column whose values stand in several rows each and whose name is one of an id or a group."""

    def rank(column: Column) -> tuple[int, float]:
        values = [str(value) for value in column.values]
        runs = 1 + sum(before != after for before, after in pairwise(values))
        # the rows of a conversation stand together, those of an annotator do not
        return (_name_hints(column.name), len(set(values)) / runs)

    return max((column for column in columns if _may_group(column)), key=rank, default=None)


def _name_hints(name: str) -> int:
    """How many signs of a group there are in a column's name."""
    return (_ID_NAME.search(name) is not None) + (_GROUP_NAME.search(name) is not None)


def _may_group(column: Column) -> bool:
    """Whether a column can group rows: named for it, short values, several groups, most rows not alone."""
    sizes = Counter(str(value) for value in column.values)
    if not _name_hints(column.name) or max(map(len, sizes), default=0) > MAX_LABEL_CHARS:
        return False
    alone = sum(size == 1 for size in sizes.values())
    return len(sizes) >= MIN_GROUPS and 2 * alone < len(column.values)


def _as_labels(column: Column) -> LabelGuess | None:
    """A column read as labels; None where it cannot be one."""
    if not column.values or _ID_NAME.search(column.name):
        return None
    if any(isinstance(value, list | tuple) for value in column.values):
        return _guess(column, SEVERAL, ",")
    cells = [value for value in column.values if isinstance(value, str)]
    if any(cell.strip().startswith("[") and cell.strip().endswith("]") for cell in cells):
        return _guess(column, SEVERAL, ",")
    for delimiter in DELIMITERS:
        if _is_delimited(cells, delimiter):
            return _guess(column, SEVERAL, delimiter)
    return _guess(column, ONE, ",")


def _is_delimited(cells: Sequence[str], delimiter: str) -> bool:
    """Whether the delimiter separates labels: what it separates also stands alone in other cells."""
    alone = {cell.strip() for cell in cells if delimiter not in cell}
    parts = {part.strip() for cell in cells if delimiter in cell for part in cell.split(delimiter)}
    return 2 * len(parts & alone) > len(parts)


def _guess(column: Column, kind: str, delimiter: str) -> LabelGuess | None:
    """The column's labels, if they are few, short and repeated."""
    counts: Counter[Token] = Counter()
    for value in column.values:
        try:
            counts.update(CODECS[kind].parse(value, delimiter))
        except LabelError:
            continue
    few = 2 <= len(counts) <= MAX_FOUND_LABELS and sum(counts.values()) >= MIN_REPEATS * len(counts)
    if not few or max(len(str(token)) for token in counts) > MAX_LABEL_CHARS:
        return None
    return LabelGuess(column.name, kind, delimiter, tuple(counts))
