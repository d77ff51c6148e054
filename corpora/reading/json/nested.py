"""Rows from nested records: a dotted path such as `talk[].text` has one row per element of its lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from distill.corpora.reading.rows import BadRow, Record, Rows

LIST = "[]"

MAX_DEPTH = 10

MAX_PATHS = 200

_STEP = re.compile(r"[^.\[\]]+|\[\]")


@dataclass(frozen=True)
class _Place:
    """The end of a path: a value, and the lists on the way with the position in each."""

    value: Any
    lists: dict[str, int]


def is_path(column: str) -> bool:
    """Return whether a column's name may be a path into nested records."""
    return "." in column or LIST in column


def root_of(columns: Sequence[str]) -> str | None:
    """Return the key under which a JSON file that is one object has its rows; None where no path names one."""
    for column in columns:
        key, bracket, _ = column.partition(LIST)
        if bracket and "." not in key:
            return key
    return None


def unnested(rows: Rows, columns: Sequence[str]) -> Rows:
    """Yield the rows with the named columns, one per element where they lie in lists.

    The first path, which is the text's, says what an element is. Another column is in the element where it
    begins with the same lists, else above it; as many lists as the text's, but others, are parallel to them, so
    that the same place in each belongs to one row. Rows of one list are one group.

    Args:
        rows: records as the file has them.
        columns: the columns that are wanted, the text's first.
    """
    first = list(islice(rows, 1))
    rows = chain(first, rows)
    if not any(isinstance(row, Record) and _needed(row.fields, columns) for row in first):
        yield from rows
        return
    for row in rows:
        if isinstance(row, Record) and _needed(row.fields, columns):
            yield from _elements(row, columns)
        else:
            yield row


def _needed(fields: Mapping[str, Any], columns: Sequence[str]) -> bool:
    return any(is_path(column) and column not in fields for column in columns)


def _elements(row: Record, columns: Sequence[str]) -> Rows:
    """Yield the rows of one record."""
    lead = next((column for column in columns if LIST in column and column not in row.fields), columns[0])
    starts = {column: _start(row.fields, column) for column in columns if column not in row.fields}
    first = starts.get(lead) or _start(row.fields, lead)
    places = list(_walk(first.value, first.steps, first.way, {}))
    parallel = [column for column in starts if _is_parallel(column, lead)]
    wanted = [tuple(place.lists.values()) for place in places]
    for column in parallel:
        start = starts[column]
        found = [tuple(place.lists.values()) for place in _walk(start.value, start.steps, start.way, {})]
        if found != wanted:
            reason = (
                f"the lists of '{column}' have {len(found)} elements where those of '{lead}' have {len(wanted)}; "
                "a list of labels for the whole record is named without its last []"
            )
            yield BadRow(row.file, row.row, reason, row.fields)
            return
    if not places and lead != columns[0]:
        yield BadRow(row.file, row.row, f"'{lead}' has no element here, so the text has no label", row.fields)
    for place in places:
        fields = dict(row.fields)
        for column, start in starts.items():
            at = replace(place, lists=_renamed(column, place)) if column in parallel else place
            fields[column] = _beside(start, at)
        group = None
        if place.lists:
            above = list(place.lists.values())[:-1]
            group = "/".join(map(str, (row.file, row.row, *above)))
        yield Record(row.file, row.row, fields, group)


def _is_parallel(column: str, lead: str) -> bool:
    """Return whether a column has as many lists as the text's, and not the same ones."""
    return 0 < lead.count(LIST) == column.count(LIST) and _lists_of(column) != _lists_of(lead)


def _lists_of(path: str) -> list[str]:
    """Return the way to each list of a path."""
    return [path[: match.end()] for match in re.finditer(r"\[\]", path)]


def _renamed(column: str, place: _Place) -> dict[str, int]:
    """Return the position in each list of a column that is parallel to the text's.

    The list around a whole file is not among them: its elements are read one by one.
    """
    ways = _lists_of(column)[-len(place.lists) :]
    return dict(zip(ways, place.lists.values(), strict=True))


@dataclass(frozen=True)
class _Start:
    """The start of a path: a field's value, that field's name, and the remaining steps."""

    value: Any
    way: str
    steps: tuple[str, ...]


def _start(fields: Mapping[str, Any], path: str) -> _Start:
    """Return the value under the longest beginning of a path that is a field's own name."""
    for end in _ends(path):
        if path[:end] in fields:
            return _Start(fields[path[:end]], path[:end], _steps(path[end:]))
    return _Start(fields, "", _steps(path))


@lru_cache(maxsize=1024)
def _ends(path: str) -> tuple[int, ...]:
    """Return the lengths of the possible beginnings of a path, the longest first."""
    dots = [match.start() for match in re.finditer(r"\.|\[\]", path)]
    return tuple(sorted({*dots, *(match.end() for match in re.finditer(r"\[\]", path)), len(path)}, reverse=True))


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(_STEP.findall(path))


def _walk(value: Any, steps: tuple[str, ...], way: str, lists: dict[str, int]) -> Iterator[_Place]:
    if not steps:
        yield _Place(value, lists)
        return
    step, rest = steps[0], steps[1:]
    if step != LIST:
        inner = value.get(step) if isinstance(value, Mapping) else None
        yield from _walk(inner, rest, f"{way}.{step}", lists)
        return
    inner_values = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(inner_values, list | tuple):
        return
    for number, inner in enumerate(inner_values):
        yield from _walk(inner, rest, f"{way}{LIST}", {**lists, f"{way}{LIST}": number})


def _beside(start: _Start, place: _Place) -> Any:
    """Return a column's value for one element: at the same positions of shared lists; None where there is none."""
    value, way, steps = start.value, start.way, start.steps
    for number, step in enumerate(steps):
        if step != LIST:
            value = value.get(step) if isinstance(value, Mapping) else None
            way = f"{way}.{step}"
            continue
        way = f"{way}{LIST}"
        inner = list(value.values()) if isinstance(value, Mapping) else value
        if way not in place.lists or not isinstance(inner, list | tuple):
            # a list of its own, such as the labels of an element
            return [inner_place.value for inner_place in _walk(value, steps[number:], "", {})]
        at = place.lists[way]
        value = inner[at] if at < len(inner) else None
    return value


def _is_numbered(value: object) -> bool:
    """Return whether an object is a list of objects, whose keys count them: 0, 1, ... or turn_1, turn_2, ..."""
    if not isinstance(value, Mapping) or not all(isinstance(inner, Mapping) for inner in value.values()):
        return False
    names = {frozenset(inner) for inner in value.values()}
    digits = all(str(key).isdigit() for key in value)
    counted = len(value) > 1 and len(names) == 1 and all(re.search(r"\d", str(key)) for key in value)
    return bool(value) and (digits or counted)


def paths_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of a record's cells, each with one value, lists of objects and objects opened.

    An object whose keys number its objects is a list of them.
    """
    paths: dict[str, Any] = {}

    def visit(value: Any, path: str, depth: int) -> None:
        if len(paths) >= MAX_PATHS:
            return
        if depth < MAX_DEPTH and path and _is_numbered(value):
            for inner in list(value.values())[:20]:
                visit(inner, f"{path}{LIST}", depth + 1)
        elif depth < MAX_DEPTH and isinstance(value, Mapping) and value:
            for key, inner in value.items():
                visit(inner, f"{path}.{key}" if path else str(key), depth + 1)
        elif depth < MAX_DEPTH and isinstance(value, list) and value and isinstance(value[0], Mapping):
            for inner in value[:20]:
                visit(inner, f"{path}{LIST}", depth + 1)
        else:
            paths.setdefault(path, value)

    visit(record, "", 0)
    return paths
