"""Test and validation files without gold labels: with nothing in their place, or with a placeholder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from distill.corpora.reading.cells.cells import LabelCells
from distill.corpora.reading.cells.labels import LabelError, Token
from distill.export.runtime.errors import InputError

Fields = Mapping[str, Any]

_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)


def has_gold(
    records: Sequence[Fields],
    cells: LabelCells,
    parse: Callable[[Fields], tuple[Token, ...]],
    found: Collection[str],
    where: str,
) -> bool:
    """Return whether a file's first rows are labelled.

    Args:
        records: the rows.
        cells: how their label cells are read.
        parse: returns the labels of a row.
        found: the names in train, where none are known.
        where: the file, named in the error.

    Raises:
        InputError: the label column is there in another spelling.
    """
    if not records:
        return True
    if not any(cells.has_label(fields) for fields in records):
        _refuse_other_spelling(records, cells.columns, where)
        return False
    return not _is_placeholder(records, cells, parse, found)


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
    parse: Callable[[Fields], tuple[Token, ...]],
    found: Collection[str],
) -> bool:
    """Return whether all rows have one label that no row of train has: -1, NONE or ?, as competitions write it."""
    column = cells.columns[0]
    if len(cells.columns) > 1 or len(records) < 2 or len({str(fields.get(column)) for fields in records}) > 1:
        return False
    known = found if cells.names is None else cells.names
    try:
        tokens = [str(token) for token in parse(records[0])]
    except LabelError:
        return False
    are_ids = cells.names is not None and all(
        _NUMBER.fullmatch(token) and 0 <= int(token) < len(known) for token in tokens
    )
    return bool(known and tokens) and not are_ids and not any(token in known for token in tokens)
