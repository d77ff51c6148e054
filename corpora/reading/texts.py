"""The text of a row, from one column or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distill.corpora.reading.files import is_broken


class RowError(ValueError):
    """An error for an unusable row; it becomes the reason of a bad row, so it never quotes the row."""


def check_encoding(fields: Mapping[str, Any]) -> None:
    """Refuse a row with a cell that is not Unicode, as an undecodable byte leaves it."""
    for place, value in enumerate(fields.values(), 1):
        if is_broken(value):
            raise RowError(f"column {place} is not valid UTF-8")


def text_of(fields: Mapping[str, Any], columns: Sequence[str], joiner: str = "\n") -> str:
    """Return the text columns that are not empty, joined.

    Raises:
        RowError: all of them are empty, or one does not hold text.
    """
    parts = []
    for column in columns:
        value = fields.get(column)
        if value is None or (isinstance(value, float) and value != value):
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RowError(f"column '{column}' holds a {type(value).__name__} where a text is expected")
        # white space, control and zero-width characters alone are not a text
        if any(char.isprintable() and not char.isspace() for char in str(value)):
            parts.append(str(value))
    if not parts:
        raise RowError("the text is empty")
    return joiner.join(parts)
