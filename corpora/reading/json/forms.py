"""The form of a JSON file: lines, a list, columns, or tables under keys; the content decides."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from distill.corpora.reading.cells.printed import printed_value
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.json.text import JsonText
from distill.corpora.reading.streams import DataFile, beginning, check_encoding
from distill.export.runtime.errors import InputError

LINES = (".jsonl", ".ndjson")

# the beginnings of a list of objects, of an object, and of what Python prints instead
_LIST = re.compile(r"\[\s*\{\s*\"")
_OBJECT = re.compile(r"\{\s*\"[^\"\n]*\"\s*:")
_PYTHON = re.compile(r"\s*(\[\s*)?\{\s*'[^'\n]*'\s*:")


def is_one_value(start: str) -> bool:
    """Return whether a file named as lines holds one value: a list of objects, or one object over lines."""
    if start.startswith("["):
        several = start.split("\n", 1)[0].rstrip().endswith(("}", "}]")) and "\n" in start.rstrip()
        return start[1:].lstrip()[:1] in ("{", "]", "[") and not several
    return start.split("\n", 1)[0].strip() == "{" or (
        _is_one_line(start) and columns_of(_parsed(start)) is not None
    )


def _is_one_line(start: str) -> bool:
    return start.startswith("{") and "\n" not in start.rstrip()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def are_lines(start: str) -> bool:
    """Return whether the first line is an object, or a list of cells, of its own and another line follows."""
    first, _, rest = start.partition("\n")
    value, mark = _parsed(first), rest.lstrip()[:1]
    return mark == "{" if isinstance(value, dict) else mark == "[" and are_cells(value)


def are_cells(value: object) -> bool:
    """Return whether a JSON value is a row as a list of cells, a text or an object among them."""
    return isinstance(value, list) and len(value) > 1 and any(isinstance(cell, str | dict) for cell in value)


def holds_json(file: DataFile, form: TableForm) -> bool:
    """Return whether a file with another suffix holds JSON: objects, one per line or not, or a list of them.

    Raises:
        InputError: it holds dictionaries as Python prints them.
    """
    start = beginning(file, form.recoded).lstrip("\ufeff \t\r\n")
    refuse_python(file, start)
    if _LIST.match(start) or are_lines(start):
        return True
    first = start.partition("\n")[0].strip()
    return first == "{" or (_OBJECT.match(start) is not None and (first[-1] in "{[," or _is_object(first)))


def _is_object(line: str) -> bool:
    return isinstance(_parsed(line), dict)


def refuse_python(file: DataFile, start: str) -> None:
    """Refuse dictionaries as Python prints them.

    Raises:
        InputError: the file begins with one.
    """
    match = _PYTHON.match(start)
    line = start.partition("\n")[0].strip(" \t\r,[]")
    if match is not None and (match[1] or isinstance(printed_value(line, words=False), dict)):
        raise InputError(
            f"{file}: The file holds dictionaries as Python prints them, not JSON. Write them with "
            "json.dumps, one per line."
        )


def tables_in(file: DataFile, form: TableForm, known: Collection[str]) -> list[str]:
    """Return the keys of a file's one object that have a known name, if each of its tables has one.

    The file is read to its end only where its beginning has one of these keys.
    """
    start = beginning(file, form.recoded).lstrip()
    refuse_python(file, start)
    first = re.findall(r'"([^"\\\n]{1,40})"\s*:\s*[\[{]', start)
    if not start.startswith("{") or are_lines(start) or not any(key.lower() in known for key in first):
        return []
    found = []
    with text_of(file, form) as text:
        for key in text.members():
            table = text.peek() in "[{"
            if table and key.lower() in known:
                found.append(key)
            elif table:
                return []
            text.value()
    return found


# rows that are looked at
SEEN_CELLS = 200


@contextmanager
def text_of(file: DataFile, form: TableForm) -> Iterator[JsonText]:
    """Open a file's JSON, to be read value by value."""
    with file.open(form.recoded) as stream:
        yield JsonText(file, stream)


def columns_of(members: object) -> dict[str, list[Any]] | None:
    """Return columns of equal length: lists, or objects by row, or pandas' split form; None for others."""
    if not isinstance(members, dict) or not members:
        return None
    names, data = members.get("columns"), members.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(name, str) for name in names):
        if not all(isinstance(row, list) and len(row) == len(names) for row in data):
            return None
        return {name: [row[place] for row in data] for place, name in enumerate(names)}
    if all(isinstance(column, list) for column in members.values()):
        columns = members
    elif all(isinstance(column, dict) for column in members.values()):
        first = next(iter(members.values()))
        if any(column.keys() != first.keys() for column in members.values()):
            return None
        if len(members) == 1 and any(
            isinstance(cell, list) and cell and isinstance(cell[0], dict) for cell in first.values()
        ):
            return None  # a list of rows that two keys hide
        columns = {name: [column[key] for key in first] for name, column in members.items()}
    else:
        return None
    # several lists of one length; a single list of objects is a list of rows that its key hides
    plain = len(columns) > 1 or not any(isinstance(cell, dict) for column in columns.values() for cell in column)
    return columns if plain and len({len(column) for column in columns.values()}) == 1 else None


def _is_object_in(cells: list[Any]) -> bool:
    return bool(cells) and isinstance(cells[0], dict)


def refuse_cells_under_key(file: DataFile, form: TableForm) -> None:
    """Refuse a file whose one object has a single key, with rows that are lists of cells, a label among them.

    Lists of a dialogue's turns have other numbers of cells, and hardly any turn repeats.

    Raises:
        InputError: it is such a file.
    """
    start = check_encoding(file, form.recoded).lstrip()
    if not start.startswith("{") or are_lines(start) or file.suffix in LINES:
        return
    with text_of(file, form) as text:
        cells: list[str] = []
        for key in text.members():
            if cells or text.peek() != "[":
                return
            values = text.elements()
            if not _are_rows_of_cells(list(islice(values, SEEN_CELLS))):
                return
            cells.append(key)
            for _ in values:
                pass
    if cells:
        raise InputError(
            f"{file}: The file's rows are lists of cells under '{cells[0]}'. Save this list alone; `columns` then "
            "names its cells."
        )


def _are_rows_of_cells(rows: list[Any]) -> bool:
    """Return whether lists are rows with a label: of one length, and one place repeats a few values."""
    alike = len(rows) > 2 and all(map(are_cells, rows)) and len({len(row) for row in rows}) == 1
    return alike and any(2 * len(set(map(str, cells))) <= len(rows) for cells in zip(*rows, strict=True))


def find_roots(file: DataFile, form: TableForm) -> list[str]:
    """Return the keys of a file's one object under which there is a list of objects, the longest list first."""
    start = check_encoding(file, form.recoded).lstrip()
    if not start.startswith("{") or are_lines(start) or file.suffix in LINES:
        return []
    roots: dict[str, frozenset[str]] = {}
    sizes: Counter[str] = Counter()
    with text_of(file, form) as text:
        for key in text.members():
            if text.peek() != "[":
                text.value()
                continue
            values = text.elements()
            first = list(islice(values, 1))
            if first and isinstance(first[0], dict):
                roots[key] = frozenset(first[0])
            sizes[key] = sum(1 for _ in values)
    # lists that are alike are groups by key, and no list of rows
    if len(roots) > 1 and len(set(roots.values())) == 1:
        return []
    return sorted(roots, key=lambda key: -sizes[key])
