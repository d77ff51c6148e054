"""Columns that divide test rows into subgroups, as they are read: few values, each short, none of them a text."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from distill.corpora.assembly.conversations import plain_cell
from distill.corpora.corpus import Subgroup
from distill.corpora.reading.scrub import scrub
from distill.corpora.storage.columns import NONE, Ints
from distill.export.runtime.errors import InputError

# a column with more values holds no subgroups of which thirty rows could be expected
MAX_VALUES = 100

# a longer cell may be what somebody wrote, which must not get into a report
MAX_CHARACTERS = 60


class SubgroupColumns:
    """The cells of some columns, row by row.

    Args:
        columns: their names.
        scrubbed: whether personal data in cells are masked.
    """

    def __init__(self, columns: tuple[str, ...], *, scrubbed: bool) -> None:
        self._columns, self._scrubbed = columns, scrubbed
        self._known: dict[str, dict[str, int]] = {column: {} for column in columns}
        self._cells = {column: array("h") for column in columns}

    def add(self, fields: dict[str, Any], *, labelled: bool) -> None:
        """Add a row; one for transfer has no subgroup.

        Raises:
            InputError: a cell is as long as a text, or a column has too many values.
        """
        for column in self._columns:
            value = plain_cell(fields, column) if labelled else ""
            self._cells[column].append(self._number(column, value) if value else NONE)

    def _number(self, column: str, value: str) -> int:
        known = self._known[column]
        if len(value) > MAX_CHARACTERS:
            raise InputError(
                f"`subgroup` names '{column}', in which a cell has {len(value)} characters, above "
                f"{MAX_CHARACTERS}. Name a column of short values, such as age or site."
            )
        if self._scrubbed:
            value = scrub(value)[0]
        number = known.setdefault(value, len(known))
        if len(known) > MAX_VALUES:
            raise InputError(
                f"`subgroup` names '{column}', which has more than {MAX_VALUES} values. Write ranges into it, "
                "such as 18-25, or leave it out."
            )
        return number

    def of(self, rows: Ints) -> tuple[Subgroup, ...]:
        """Return the columns of some rows, with their values in order."""
        found = []
        for column in self._columns:
            names = list(self._known[column])
            order = sorted(range(len(names)), key=names.__getitem__)
            place = np.full(len(names) + 1, NONE, dtype=np.int32)  # the last one is that of NONE
            place[order] = np.arange(len(names), dtype=np.int32)
            cells = np.frombuffer(self._cells[column], dtype=np.int16)
            found.append(Subgroup(column, tuple(names[at] for at in order), place[cells[rows]]))
        return tuple(found)
