"""The names of a table's fields: their likeness to names, and the presence of the wanted ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from distill.corpora.reading.rows import Record, listed
from distill.export.runtime.errors import InputError

# a bound for tables whose every row has names of its own
MOST_COLUMNS = 10_000

# a row of a single cell may well be the word that names its column
MIN_NAMES = 2

_NAME = re.compile(r"[^\W\d][\w\-]{0,39}")


class SeenColumns:
    """The names of the fields of a table's records, in the order first seen."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._last: tuple[str, ...] | None = None

    def add(self, record: Record) -> None:
        """Add the fields of one more record."""
        names = tuple(record.fields)
        if names != self._last:  # nearly all records of a table have the same names
            self._last = names
            if len(self._known) < MOST_COLUMNS:
                self._known.update(dict.fromkeys(names))

    def are(self, names: set[str]) -> bool:
        """Return whether these are all the columns, or no record was seen."""
        return self._last is None or set(self._known) == names

    def require(self, wanted: dict[str, str], where: str) -> None:
        """Refuse a table in which no record has a wanted column; `wanted` maps a column to the key that names it.

        Raises:
            InputError: names the column and the existing ones, unless these do not look like names.
        """
        if self._last is None:
            return
        known = list(self._known)
        for column, key in wanted.items():
            if column in self._known:
                continue
            # the first row of a headerless file is text, and errors never quote text
            shown = (
                f"The columns are {listed(known)}."
                if looks_like_names(known)
                else "The first row does not look like a header: if there is none, name the fields in `columns`."
            )
            raise InputError(f"{where}: There is no column '{column}', which {key} asks for. {shown}")


def looks_like_names(cells: list[str]) -> bool:
    """Return whether a first row can be a header: short single words that are not numbers, all different."""
    return len(set(cells)) == len(cells) and all(_NAME.fullmatch(cell.strip()) for cell in cells)


def is_header_again(file: object, row: int, fields: Mapping[str, Any]) -> bool:
    """Return whether each cell of a row is the name of its column, as where files with headers were joined.

    Raises:
        InputError: the cells are the names in another order, so that the rows below would be misread.
    """
    first = next(iter(fields.values()), None)
    if len(fields) < MIN_NAMES or not isinstance(first, str) or _name_of(first) not in fields:
        return False
    names, cells = list(fields), [_name_of(cell) if isinstance(cell, str) else None for cell in fields.values()]
    if cells == names:
        return True
    if None not in cells and set(cells) == set(names):
        raise InputError(
            f"{file}, row {row}: The row repeats the header in another order. Put the rows below it into another "
            "file."
        )
    return False


def _name_of(cell: str) -> str:
    return cell.strip().lstrip("\ufeff")
