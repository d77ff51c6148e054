"""The text of a row, from one column or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distill.corpora.reading.cells.cells import SPELT_MISSING
from distill.corpora.reading.files import is_broken


class RowError(ValueError):
    """An error for an unusable row; it becomes the reason of a bad row, so it never quotes the row."""


def check_encoding(fields: Mapping[str, Any]) -> None:
    """Refuse a row with a cell that is not Unicode, as an undecodable byte leaves it."""
    for place, value in enumerate(fields.values(), 1):
        if is_broken(value):
            raise RowError(f"column {place} is not valid UTF-8")


def text_of(fields: Mapping[str, Any], columns: Sequence[str], joiner: str = "\n", *, empty: bool = False) -> str:
    """Return the text columns that are not empty, joined; `empty` says whether all of them may be.

    Raises:
        RowError: all of them are empty, or one does not hold text.
    """
    parts = [part for part in (_part(fields, column) for column in columns) if part]
    if not parts and not empty:
        raise RowError("the text is empty")
    return joiner.join(parts)


def pair_of(fields: Mapping[str, Any], columns: tuple[str, str], *, empty: bool = False) -> tuple[str, str]:
    """Return the two segments of a pair, of which one may be empty, and with `empty` both.

    Raises:
        RowError: both are empty, or one does not hold text.
    """
    first, second = (_part(fields, column) for column in columns)
    if not first and not second and not empty:
        raise RowError("both texts of the pair are empty")
    return first, second


def is_spelt_missing(row: object) -> bool:
    """Return whether a text, or one of a row's texts, is what programs write for a missing one, such as nan."""
    return any(isinstance(text, str) and text.strip() in SPELT_MISSING for text in _texts(row))


def _texts(row: object) -> Sequence[object]:
    return row if isinstance(row, tuple) else (row,)


def _part(fields: Mapping[str, Any], column: str) -> str:
    """Return a column's text; an empty one where there is none."""
    value = fields.get(column)
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"column '{column}' holds a {type(value).__name__} where a text is expected")
    # white space, control and zero-width characters alone are not a text
    return str(value) if any(char.isprintable() and not char.isspace() for char in str(value)) else ""
