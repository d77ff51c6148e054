"""Rows that a stray quotation mark swallowed: the lines of a quoted field, compared with the rows of its file.

A csv file written without quoting, where one text begins with a mark and a later one ends with a mark, is also a
valid file in which one field holds every line between them. The columns decide: the lines of such a field have
numbers, dates and labels where the rows have them, and the lines of a text have words there.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

# rows of a file's beginning that show what its columns hold
SEEN_ROWS = 2000

MIN_SEEN, MIN_SEEN_VALUES = 4, 20

# a column whose next value is new less often than this holds values that repeat (the estimate of Good and Turing)
MAX_NEW = 0.05

MAX_SHAPES = 5

MAX_SHAPED_CHARS = 40

# share of lines like rows, and of cells like their column's in the first and last line, that stop a file
LIKE = 0.5

_LETTERS, _DIGITS, _LINE_END = re.compile(r"[^\W\d_]+"), re.compile(r"\d+"), re.compile(r"[\r\n]")


@dataclass(frozen=True)
class Column:
    """The contents of a column: its values where they are few, else the shapes of them, such as dates."""

    values: frozenset[str] = frozenset()
    shapes: frozenset[str] = frozenset()

    def has(self, cell: str) -> bool:
        """Return whether a cell may be of this column."""
        plain = cell.strip().strip('"')
        return plain in self.values or _shape(plain) in self.shapes


def looks_swallowed(
    lines: Sequence[str], cells: Sequence[str], separator: str, columns: Sequence[Column | None]
) -> bool:
    """Return whether the lines of one row look like rows of their own.

    Args:
        lines: of the row, as the file has them.
        cells: its fields by the rules of quoting.
        separator: between two fields.
        columns: contents of the file's columns; None for one that holds texts of any kind.
    """
    places = [place for place, cell in enumerate(cells) if _LINE_END.search(cell)]
    if not places:
        return False
    width = len(columns)
    fields = [line.rstrip("\r\n").split(separator) for line in lines]
    before = columns[: places[0]]
    after = columns[max(width - (len(cells) - 1 - places[-1]), places[-1] + 1) :]
    if not any(before) and not any(after):
        # no column tells rows from texts, so the number of fields has to
        return min(width, len(cells)) > 1 and all(len(line) >= min(width, len(cells)) for line in fields)
    inner = [_like(line, before, after, width) for line in fields[1:-1]] if len(places) == 1 else []
    rows = [0 < known == like for like, known in inner]
    # the first row is whole after the mark that opens the field, the last one before the mark that closes it
    like, known = (
        sum(counts)
        for counts in zip(_like(fields[0], (), after, width), _like(fields[-1], before, (), width), strict=True)
    )
    rows.append(min(len(fields[0]), len(fields[-1])) >= width and like >= LIKE * known)
    return sum(rows) >= LIKE * len(rows)


def _like(
    cells: Sequence[str], before: Sequence[Column | None], after: Sequence[Column | None], width: int
) -> tuple[int, int]:
    """Count the cells of a line, from both its ends, that are like their column, and those that could be."""
    if len(cells) < width:
        return 0, 0
    pairs = [*zip(cells, before, strict=False), *zip(reversed(cells), reversed(after), strict=False)]
    found = [column.has(cell) for cell, column in pairs if column is not None]
    return sum(found), len(found)


def seen_columns(head: str, separator: str) -> list[Column | None]:
    """Return what each column of a csv file's beginning holds; None for texts of any kind.

    Only cells of one line count, so that rows which a mark swallowed are not what rows are compared with.
    """
    rows: list[list[str]] = []
    with suppress(csv.Error):  # too long a field, or a bare carriage return: the rows before it count
        rows += islice(csv.reader(io.StringIO(head, newline=""), delimiter=separator), SEEN_ROWS)
    named = len(rows[0]) if rows else 0
    rows = [row for row in rows[1:] if row] or rows  # without the header
    widths = Counter(map(len, rows))
    width = max(widths, key=lambda fields: (widths[fields], fields == named), default=0)
    columns = zip(*(row for row in rows if len(row) == width), strict=True)
    return [
        _column([cell.strip() for cell in cells if "\n" not in cell and "\r" not in cell]) for cells in columns
    ]


def _column(cells: Sequence[str]) -> Column | None:
    if len(cells) < MIN_SEEN:
        return None
    counts = Counter(cells)
    new = sum(count == 1 for count in counts.values())
    if len(cells) >= MIN_SEEN_VALUES and new <= MAX_NEW * len(cells):
        return Column(values=frozenset(counts))
    shapes = frozenset(map(_shape, cells))
    # letters alone are the shape of any word
    return Column(shapes=shapes) if len(shapes) <= MAX_SHAPES and all(s.strip("a ") for s in shapes) else None


def _shape(cell: str) -> str:
    """Return a cell with one letter per word and one digit per number; a long one has the shape of a word."""
    return _DIGITS.sub("0", _LETTERS.sub("a", cell)) if len(cell) <= MAX_SHAPED_CHARS else "a"
