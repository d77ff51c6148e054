"""Test and validation files without gold labels: with nothing in their place, or with a placeholder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from distill.corpora.reading.cells.cells import SPELT_MISSING, LabelCells, NoLabel
from distill.corpora.reading.cells.labels import LabelError, Token
from distill.corpora.reading.places.source import Table
from distill.corpora.reading.rows import BadRow, Record, Rows
from distill.export.runtime.errors import InputError

Fields = Mapping[str, Any]

Parse = Callable[[Fields], tuple[Token, ...]]

# rows of a file that are read ahead, to see whether it has any labels
PEEKED_ROWS = 1000

# whether a row of a file without gold is like its first rows
Lacks = Callable[[Fields], bool]

_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)

# words in place of a label
_NO_LABEL = frozenset(
    (
        *(spelt.casefold() for spelt in SPELT_MISSING),
        *(
            "unknown",
            "unk",
            "unlabeled",
            "unlabelled",
            "unannotated",
            "no label",
            "no_label",
            "nolabel",
            "missing",
        ),
        *("hidden", "withheld", "masked", "undefined", "placeholder", "dummy", "test", "todo", "tbd", "x", "xxx"),
    )
)


class Gold:
    """The presence of labels in test and validation files, by their first rows.

    Args:
        cells: how label cells are read.
        parse: returns the labels of a row.
    """

    def __init__(self, cells: LabelCells, parse: Parse) -> None:
        self._cells, self._parse = cells, parse
        self._ahead: set[str] = set()

    def look_ahead(self, train: Table) -> Table:
        """Note the names in train's first rows if none are known, and return all of it."""
        if self._cells.names is not None:
            return train
        first = list(islice(train.rows, PEEKED_ROWS))
        for fields in _fields(first):
            with suppress(LabelError):
                self._ahead.update(map(str, self._parse(fields)))
        return replace(train, rows=chain(first, train.rows))

    def of(self, table: Table, found: Collection[str]) -> tuple[Rows, bool]:
        """Return a table's rows, and whether the first ones are labelled.

        Args:
            table: the file.
            found: the names in train, where none are known and train was read before.

        Raises:
            InputError: the label column is there in another spelling, or all rows have one label that train lacks
                and that is not a usual placeholder; iteration raises it for a label below rows without any.
        """
        first = list(islice(table.rows, PEEKED_ROWS))
        lacks = self._lacks(_fields(first), self._ahead or found, table.where)
        return chain(first, table.rows if lacks is None else _all_lacking(table.rows, lacks)), lacks is None

    def _lacks(self, records: Sequence[Fields], found: Collection[str], where: str) -> Lacks | None:
        cells = self._cells
        if not records:
            return None
        if not any(cells.has_label(fields) for fields in records):
            _refuse_other_spelling(records, cells.columns, where)
            return lambda fields: not cells.has_label(fields)
        if len(records) < 2:
            return None
        if all(_is_empty(fields, cells) for fields in records):
            return lambda fields: _is_empty(fields, cells)
        if not _is_placeholder(records, cells, self._parse, found, None if self._ahead else where):
            return None
        placeholder = str(records[0].get(cells.columns[0]))
        return lambda fields: str(fields.get(cells.columns[0])) == placeholder


def _all_lacking(rows: Rows, lacks: Lacks) -> Rows:
    """Yield rows without gold.

    Raises:
        InputError: one of them has a label.
    """
    for row in rows:
        if isinstance(row, Record) and not lacks(row.fields):
            raise InputError(
                f"{row.file}, row {row.row}: The row has a label, but the first {PEEKED_ROWS} rows of its "
                "split have none. Take these out, or mix the rows if having no label is right."
            )
        yield row


def _fields(rows: Sequence[Record | BadRow]) -> list[Fields]:
    return [row.fields for row in rows if isinstance(row, Record)]


def _is_empty(fields: Fields, cells: LabelCells) -> bool:
    """Return whether a row has no label at all: zeros in all columns or places, as submissions are begun."""
    try:
        return cells.cell(fields) == []
    except NoLabel:
        return True
    except LabelError:
        return False


def _refuse_other_spelling(records: Sequence[Fields], columns: Sequence[str], where: str) -> None:
    names = sorted({name for fields in records for name in fields})
    for column in columns:
        alike = [name for name in names if name.strip().casefold() == column.strip().casefold()]
        if alike and column not in names:
            raise InputError(
                f"{where}: There is no column '{column}', which `labels` asks for, but '{alike[0]}'. Give the "
                "column the same name in every file."
            )


def _is_placeholder(
    records: Sequence[Fields],
    cells: LabelCells,
    parse: Parse,
    found: Collection[str],
    where: str | None,
) -> bool:
    """Return whether all rows have one label that no row of train has: -1, NONE or ?, as competitions write it.

    Raises:
        InputError: all have such a label, which looks like a real one; not where `where` is None.
    """
    column = cells.columns[0]
    if len(cells.columns) > 1 or len({str(fields.get(column)) for fields in records}) > 1:
        return False
    known = found if cells.names is None else cells.names
    try:
        tokens = [str(token) for token in parse(records[0])]
    except LabelError:
        return False
    are_ids = cells.names is not None and all(
        _NUMBER.fullmatch(token) and 0 <= int(token) < len(known) for token in tokens
    )
    if not known or not tokens or are_ids or any(token in known for token in tokens):
        return False
    usual = all(_stands_for_none(token, known) for token in tokens)
    if not usual and where is not None:
        raise InputError(
            f"{where}: The first {len(records)} rows all have one label, which no row of train has. If it stands "
            "for labels that are not published, list it in `missing`. Otherwise add rows of it to train."
        )
    return usual


def _stands_for_none(token: str, known: Collection[str]) -> bool:
    """Return whether a label that train lacks is written where there is none."""
    if _NUMBER.fullmatch(token):
        return token.startswith("-") or not any(map(_NUMBER.fullmatch, known))
    return token.casefold() in _NO_LABEL or not any(map(str.isalnum, token))
