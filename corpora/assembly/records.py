"""Cells of a record beside its text and labels: its split, its group, and whether it is wanted."""

from __future__ import annotations

from typing import Any

from distill.corpora.assembly.conversations import plain_cell
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.reading.cells.texts import RowError
from distill.corpora.reading.places.split_names import SPLIT_NAMES, split_in_cell


def label_columns(spec: CorpusSpec) -> dict[str, str]:
    """Return the columns that a labelled table needs besides its text, with the keys that name them."""
    wanted = dict.fromkeys(spec.label_columns, "`labels`")
    wanted |= dict.fromkeys(spec.where or {}, "`where`")
    wanted |= dict.fromkeys(spec.row_id or (), "`row_id`")
    if spec.context is not None:
        wanted |= spec.context.columns
    wanted |= dict.fromkeys(spec.subgroup, "`subgroup`")
    if spec.group is not None:
        wanted[spec.group] = "`group`"
    if isinstance(spec.split, str):
        wanted[spec.split] = "`split`"
    return wanted


def split_of(fields: dict[str, Any], column: str) -> str:
    """Return the split that a row's cell names."""
    split = split_in_cell(plain_cell(fields, column))
    if split is None:
        known = ", ".join(dict.fromkeys(SPLIT_NAMES.values()))
        raise RowError(f"column '{column}' names no split; the splits are {known}")
    return split


def group_of(fields: dict[str, Any], column: str | None, labelled: bool) -> str | None:
    """Return the row's group; a row for transfer may have none."""
    if column is None or not (labelled or column in fields):
        return None
    group = plain_cell(fields, column)
    if not group:
        raise RowError(f"column '{column}' (`group`) is empty")
    return group


def wanted(fields: dict[str, Any], where: dict[str, str | list[str]]) -> bool:
    """Return whether a row has one of the wanted values in every filtered column that its table has."""
    for column, values in where.items():
        if column in fields and plain_cell(fields, column) not in (
            [values] if isinstance(values, str) else values
        ):
            return False
    return True
