"""The names of a table's fields: whether they look like names, and whether those that are wanted are there."""

from __future__ import annotations

import re

from distill.corpora.reading.rows import Record, listed
from distill.export.runtime.errors import InputError

# of a table whose every row has names of its own
MOST_COLUMNS = 10_000

_NAME = re.compile(r"[^\W\d][\w\-]{0,39}")


class SeenColumns:
    """The names of the fields of a table's records, in the order first seen."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._last: tuple[str, ...] | None = None

    def add(self, record: Record) -> None:
        """The fields of one more record."""
        names = tuple(record.fields)
        if names != self._last:  # nearly all records of a table have the same
            self._last = names
            if len(self._known) < MOST_COLUMNS:
                self._known.update(dict.fromkeys(names))

    def are(self, names: set[str]) -> bool:
        """Tell whether these are all columns there are, or no record was seen."""
        return self._last is None or set(self._known) == names

    def require(self, wanted: dict[str, str], where: str) -> None:
        """Refuse a table in which no record has a wanted column; `wanted` maps column to what asks for it.

        Raises:
            InputError: names the column and those that there are, unless these are no names.
        """
        if self._last is None:
            return
        known = list(self._known)
        for column, key in wanted.items():
            if column in self._known:
                continue
            # the first row of a headerless file is text, and errors never quote text
            shown = (
                f"its columns are {listed(known)}"
                if looks_like_names(known)
                else "its first row looks like no header: if it has none, name its fields in `columns`"
            )
            raise InputError(f"{where}: no column '{column}', which {key} asks for; {shown}")


def looks_like_names(cells: list[str]) -> bool:
    """Whether a first row can be a header: short single words that are not numbers, all different."""
    return len(set(cells)) == len(cells) and all(_NAME.fullmatch(cell.strip()) for cell in cells)
