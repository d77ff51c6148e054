"""JSON files as rows, in every form that people write; the content decides, not the suffix."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from itertools import chain, islice
from typing import Any

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.json.forms import (
    LINES,
    are_cells,
    are_lines,
    columns_of,
    is_one_value,
    refuse_python,
    text_of,
)
from distill.corpora.reading.json.text import JsonText
from distill.corpora.reading.rows import BadRow, Record, Rows
from distill.corpora.reading.streams import DataFile, check_encoding, lines
from distill.corpora.reading.tables.headers import is_header_again
from distill.export.runtime.errors import InputError

MAX_NAMES = 3

# keys that may be shown are like names of fields
_KEY = re.compile(r"[A-Za-z]\w{0,29}", re.ASCII)

# the fields that hold the key of a record in an object of records, and the list of a key
KEY, VALUE = "key", "value"

# the field that holds the cells of a bad row which is a list of them
CELLS = "cells"


def read_json(file: DataFile, form: TableForm) -> Rows:
    """Yield the rows of a JSON file: a list, lines, columns, or an object around any of them.

    Raises:
        InputError: the file is none of these, or not valid JSON.
    """
    rows = _read(file, form)
    return rows if form.columns is None else _named(rows, form.columns)


def _read(file: DataFile, form: TableForm) -> Rows:
    head = check_encoding(file, form.recoded)
    start = head.lstrip()
    refuse_python(file, start)
    if file.key is not None:
        return _read_key(file, form, file.key)
    if file.suffix in LINES and not is_one_value(start):
        return _read_lines(file, form)
    if are_lines(start):
        return _read_lines(file, form)
    if start.startswith("["):
        return _read_list(file, form)
    return _read_object(file, form) if start else iter(())


def _json_record(file: DataFile, number: int, value: object) -> Record | BadRow:
    """Return the record of one JSON value, which should be an object."""
    if isinstance(value, dict):
        return Record(str(file), number, value)
    if _is_table(value):  # a list of lists: each is a group
        return Record(str(file), number, {VALUE: value})
    if are_cells(value):
        reason = "a list of cells, which have no names; name them in `columns`"
        return BadRow(str(file), number, reason, {CELLS: value})
    return BadRow(str(file), number, "not a JSON object with named fields", {VALUE: value})


def cells_in(row: Record | BadRow) -> list[Any] | None:
    """Return the cells of a row that is a list without names; None for others."""
    cells = row.fields.get(CELLS) if isinstance(row, BadRow) else None
    return cells if isinstance(cells, list) else None


def _named(rows: Rows, names: tuple[str, ...]) -> Rows:
    """Yield rows whose lists of cells have names; a first list of the names themselves is the header."""
    for row in rows:
        cells = cells_in(row)
        if cells is None:
            yield row
        elif len(cells) == len(names):
            record = Record(row.file, row.row, dict(zip(names, cells, strict=True)))
            if not is_header_again(row.file, row.row, record.fields):
                yield record
        else:
            reason = f"{len(cells)} cells where `columns` has {len(names)} names"
            yield BadRow(row.file, row.row, reason, row.fields)


def _read_lines(file: DataFile, form: TableForm) -> Rows:
    """Yield the records of one JSON object per line."""
    for number, line in lines(file, form.recoded):
        # JSON has no bare carriage return inside of a string
        for part in line.split("\r"):
            if part.strip():
                yield _line_record(file, number, part)


def _line_record(file: DataFile, number: int, line: str) -> Record | BadRow:
    try:
        # a list of which each element has a line, without its brackets
        return _json_record(file, number, json.loads(line.rstrip().removesuffix(",")))
    except (ValueError, RecursionError):  # also numbers of more digits than Python reads
        return BadRow(str(file), number, "not valid JSON", {"line": line})


def _read_list(file: DataFile, form: TableForm) -> Rows:
    """Yield the records of a list of objects, of any length."""
    with text_of(file, form) as text:
        for number, value in enumerate(text.elements(), 1):
            yield _json_record(file, number, value)
        text.end()


def _read_object(file: DataFile, form: TableForm) -> Rows:
    """Yield the records of an object: columns, records by key, or a list of rows under one of its keys."""
    first: list[tuple[str, Any]] = []
    number = 0
    with text_of(file, form) as text:
        keys = text.members()
        for key in keys:
            if key == form.root and text.peek() in "[{":
                number = yield from _under_root(file, form.root, text)
                continue
            first.append((key, text.value()))
            if len(first) == 2 and _are_records(first, form.root):
                for key_of_record, value in chain(first, ((key, text.value()) for key in keys)):
                    number += 1
                    yield _json_record(file, number, _with_key(key_of_record, value))
        if not number and text.peek() in ("{", ","):
            yield Record(str(file), 1, dict(first))
            number = yield from _further_objects(file, text)
        text.end()
    if not number:
        yield from _column_rows(file, dict(first))


def _further_objects(file: DataFile, text: JsonText) -> Generator[Record | BadRow, None, int]:
    """Yield the objects that follow the first one without a list around them; return their number with it."""
    number = 1
    while text.peek():
        if text.peek() == ",":
            text.take(",")
            if not text.peek():
                break
        number += 1
        yield _json_record(file, number, text.value())
    return number


def _with_key(key: str, value: object) -> object:
    """Return the record of one key: an object's fields beside it, or the list under it, which is a group."""
    if isinstance(value, dict):
        return {KEY: key, **value}
    return {KEY: key, VALUE: value} if _is_table(value) or value == [] else value


def _read_key(file: DataFile, form: TableForm, wanted: str) -> Rows:
    """Yield the rows under one key of the file's object, in any form that a file of its own could have."""
    with text_of(file, form) as text:
        for key in text.members():
            if key != wanted:
                text.value()
            elif text.peek() == "[":
                for number, value in enumerate(text.elements(), 1):
                    yield _json_record(file, number, value)
            else:
                yield from _rows_of(file, text.value())


def _rows_of(file: DataFile, value: Any) -> Rows:
    members = list(value.items()) if isinstance(value, dict) else []
    if len(members) > 1 and _are_records(members[:2], None):
        for number, (key, item) in enumerate(members, 1):
            yield _json_record(file, number, _with_key(key, item))
    else:
        yield from _column_rows(file, dict(members))


def _under_root(file: DataFile, root: str, text: JsonText) -> Generator[Record | BadRow, None, int]:
    """Yield the elements under one key, each as a record with one field `root[]`; return their number."""
    number = 0
    values = text.elements() if text.peek() == "[" else (text.value() for _ in text.members())
    for number, value in enumerate(values, 1):
        yield Record(str(file), number, {f"{root}[]": value})
    return number


def _column_rows(file: DataFile, whole: dict[str, Any]) -> Rows:
    """Yield the rows of columns of one length."""
    columns = columns_of(whole)
    if columns is None:
        raise InputError(f"{file}: {_complaint(whole)}")
    names = tuple(columns)
    for row, cells in enumerate(zip(*columns.values(), strict=True), 1):
        yield Record(str(file), row, dict(zip(names, cells, strict=True)))


def _are_records(first: Sequence[tuple[str, Any]], root: str | None) -> bool:
    """Return whether the values of an object's first keys are records, or lists of records that are alike."""
    values = [value for _, value in first]
    if all(_may_be_record(value, root) for value in values):
        return True
    alike = all(_is_table(value) for value in values) and len({frozenset(value[0]) for value in values}) == 1
    return alike and root in (None, VALUE)


def _may_be_record(value: object, root: str | None) -> bool:
    """Return whether an object inside an object is a record, not a column of cells by row number."""
    if not isinstance(value, dict) or not value or (root is not None and root not in value):
        return False
    return not all(key.isdigit() for key in value)


def _complaint(members: dict[str, Any]) -> str:
    roots = [key for key, value in members.items() if _is_table(value)]
    # many keys are names of people or conversations, and errors quote none
    if 0 < len(roots) <= MAX_NAMES:
        shown = ", ".join(f"'{key}'" for key in roots)
        return (
            f"The file is one object, whose rows are in lists under {shown}. Name the path to a row's field, for "
            f'instance `text` = "{roots[0]}[].text".'
        )
    few = len(members) <= MAX_NAMES and all(_KEY.fullmatch(key) for key in members)
    cells = [key for key, value in members.items() if isinstance(value, list) and value and are_cells(value[0])]
    if few and len(cells) == 1:
        return (
            f"The file's rows are lists of cells under '{cells[0]}'. Save this list alone; `columns` then names "
            "its cells."
        )
    deep = [f"{key}.{inner}" for key, value in members.items() if isinstance(value, dict) for inner in value
            if _is_table(value[inner]) and _KEY.fullmatch(inner)]  # fmt: skip
    if few and len(deep) == 1:
        return f"The file's rows are in a list under '{deep[0]}'. Save this list alone."
    lists = {key: len(value) for key, value in members.items() if isinstance(value, list)}
    if few and len(lists) > 1:
        shown = ", ".join(f"'{key}' {length}" for key, length in lists.items())
        return f"The file's lists are not columns of one length: {shown}. Keep those with a value for each row."
    return "The file is neither a list of objects nor columns of one length. Write one object per line, or a list."


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in islice(value, 10))
