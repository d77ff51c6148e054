"""Several labels in one string: printed lists, and names with a character between."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distill.corpora.guessing.columns import NEARLY_ALL
from distill.corpora.reading.cells.printed import Cut, printed_value

DELIMITERS = (",", ";", "|")

# these hardly ever occur inside a name
SURE_DELIMITERS = ("、", "，", "；", "\n")

# these occur inside names too, so nearly all parts must be labels of other rows
WEAK_DELIMITERS = ("/", "+", "&", " and ", "-", " ")

# the share of the parts that are first in one cell and later in another, where no part is a cell of its own
EITHER_PLACE = 1 / 3

_BITS = re.compile(r"[01]{3,}", re.ASCII)

_TWO_NUMBERS = re.compile(r"\d+,\d+", re.ASCII)

TWO_NUMBERS = (
    "numbers with a comma, which are decimal numbers, or two ids each: write ids with another character between, "
    "such as ;"
)


def delimiter_of(cells: Sequence[str]) -> str | None:
    """Return what separates several labels in a column's strings; None where each holds one."""
    for delimiter in (*DELIMITERS, *SURE_DELIMITERS, *WEAK_DELIMITERS):
        if _is_delimited(cells, delimiter):
            return delimiter
    return None


def are_bits(cells: Sequence[str]) -> bool:
    """Return whether the cells are zeros and ones of one length, and not numbers: some begin with 0."""
    alike = len({len(cell) for cell in cells}) == 1 and all(_BITS.fullmatch(cell) for cell in cells)
    return alike and any(cell.startswith("0") for cell in cells)


def is_printed(cell: str) -> bool:
    """Return whether a cell looks printed: a list, a set, an array, or zeros and ones with blanks between them."""
    if cell[:1] in "[{" and cell[-1:] in "]}":
        return bool(cell)
    if re.fullmatch(r"[01](?: [01]){2,}", cell):
        return True
    try:
        return printed_value(cell, words=True) is not None
    except Cut:
        return True


def are_two_numbers(cells: Sequence[str]) -> bool:
    """Return whether each cell is two whole numbers with a comma between, which may be one decimal number."""
    return bool(cells) and all(_TWO_NUMBERS.fullmatch(cell.strip()) for cell in cells)


def _is_delimited(cells: Sequence[str], delimiter: str) -> bool:
    """Return whether the delimiter separates labels: its parts are also whole cells elsewhere."""
    alone = {cell.strip() for cell in cells if delimiter not in cell}
    split = [[part.strip() for part in cell.split(delimiter)] for cell in cells if delimiter in cell]
    parts = {part for row in split for part in row}
    if not alone:
        return len(cells) > 1 and not are_two_numbers(cells) and _in_either_place(split)
    if delimiter in WEAK_DELIMITERS:
        return len(parts & alone) > NEARLY_ALL * len(parts)
    if delimiter in SURE_DELIMITERS:
        return bool(parts & alone)
    return 2 * len(parts & alone) > len(parts) or (bool(parts) and parts <= {"0", "1"} and len(cells) > 1)


def _in_either_place(split: Sequence[Sequence[str]]) -> bool:
    """Return whether parts that are never alone are combined freely, as labels are and words of names are not."""
    first, later = {row[0] for row in split}, {part for row in split for part in row[1:]}
    parts = first | later
    if parts <= {"0", "1"}:
        return bool(parts)
    combined = len({tuple(row) for row in split}) >= len(parts) and all(parts)
    return combined and len(first & later) >= EITHER_PLACE * len(parts)
