"""Files and hub data sets to records: every format ends as rows with named fields."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from corpora.rows import BadRow, Record, listed
from export.runtime.errors import InputError, MissingExtraError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt")
SEPARATORS = ",;\t|"
# longer than any text that somebody wrote; the csv module's own bound is 131,072
MAX_FIELD_CHARS = 10_000_000
TRAIN_EXTRA = 'pip install "distill-text[train]"'
_NAME = re.compile(r"[^\W\d][\w\-]{0,39}")

Rows = list[Record | BadRow]


def read_table(path: Path, columns: tuple[str, ...] | None = None) -> Rows:
    """All rows of one file; `columns` names the fields of a csv or tsv file that has no header."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown kind of file; known endings are {', '.join(SUFFIXES)}")
    if suffix == ".parquet":
        return _read_parquet(path)
    text = read_text(path)
    match suffix:
        case ".csv":
            return _delimited(path, _csv_cells(path, text, csv_separator(text, columns)), columns)
        case ".tsv":
            return _delimited(path, _tsv_cells(text), columns)
        case ".jsonl":
            return _read_jsonl(path, text)
        case ".json":
            return _read_json(path, text)
    lines = enumerate((line.removesuffix("\r") for line in text.split("\n")), 1)
    return [Record(str(path), number, {"text": line}) for number, line in lines if line.strip()]


def looks_like_names(cells: list[str]) -> bool:
    """Whether a first row can be a header: short single words that are not numbers, all different."""
    return len(set(cells)) == len(cells) and all(_NAME.fullmatch(cell.strip()) for cell in cells)


def columns_of(rows: Rows) -> list[str]:
    """Every field name that occurs, in the order first seen."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, Record) for name in row.fields))


def require_columns(rows: Rows, wanted: dict[str, str], where: str) -> None:
    """Refuse a table in which no row has a wanted column; `wanted` maps column to recipe key."""
    known = columns_of(rows)
    for column, key in wanted.items():
        if column in known or not any(isinstance(row, Record) for row in rows):
            continue
        # the first row of a headerless file is text, and errors never quote text
        shown = (
            f"its columns are {listed(known)}"
            if looks_like_names(known)
            else "its first row looks like no header: if it has none, name its fields in corpus.columns"
        )
        raise InputError(f"{where}: no column '{column}', which {key} asks for; {shown}")


def read_text(path: Path) -> str:
    """The file's text; undecodable bytes become lone surrogates, so that their row can be named."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    if b"\0" in data:
        raise InputError(f"{path}: not a UTF-8 text file (it has zero bytes); save it again as UTF-8")
    return data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")


def is_broken(value: object) -> bool:
    """Whether a string has a lone surrogate, which is what a broken byte or escape decodes to."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _record(path: Path, row: int, cells: list[str], columns: tuple[str, ...]) -> Record | BadRow:
    """One delimited row under its column names."""
    if len(cells) == len(columns):
        return Record(str(path), row, dict(zip(columns, cells, strict=True)))
    few = "too few" if len(cells) < len(columns) else "too many"
    reason = f"{few} fields: {len(cells)} where there are {len(columns)} columns"
    return BadRow(str(path), row, reason, {str(i): cell for i, cell in enumerate(cells)})


def _header(path: Path, cells: list[str], columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The column names of a first row that is a header; None where it is data that `columns` names."""
    names = tuple(cell.strip() for cell in cells)
    if columns is not None and not set(columns) <= set(names):
        return None
    if len(set(names)) < len(names):
        raise InputError(f"{path}, row 1: the header repeats a column name; give every column its own name")
    return names


def _delimited(
    path: Path, cell_rows: Iterable[tuple[int, list[str] | str]], columns: tuple[str, ...] | None
) -> Rows:
    """Rows of cells as records: the first row names the fields, or `columns` does where it is data."""
    rows: Rows = []
    names: tuple[str, ...] | None = None
    for number, cells in cell_rows:
        if isinstance(cells, str) and names is None and columns is None:
            raise InputError(f"{path}, row {number}: {cells}; correct the header")
        if isinstance(cells, str):
            rows.append(BadRow(str(path), number, cells, {}))
            continue
        if names is None:
            names = _header(path, cells, columns)
            if names is not None:
                continue
            names = columns or ()
        rows.append(_record(path, number, cells, names))
    return rows


def _tsv_cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Tab-separated lines without quoting: quotation marks in a text are just characters."""
    # only line feeds end a row: str.splitlines would also split at U+2028 and U+0085 inside a text
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.removesuffix("\r").split("\t")
        if len(cells) > 1 or cells[0].strip():
            yield number, cells


def csv_separator(text: str, columns: tuple[str, ...] | None = None) -> str:
    """Comma, semicolon, tab or bar: what splits the first row into as many fields as are named, else into most."""
    counts = {separator: _fields_in_first_row(text, separator) for separator in SEPARATORS}
    if columns is not None:
        return next((separator for separator, count in counts.items() if count == len(columns)), ",")
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _fields_in_first_row(text: str, separator: str) -> int:
    """How many fields there are, separators inside quotation marks not counted."""
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
    except csv.Error:
        return 0


def _csv_cells(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Row numbers with their cells, or with the reason why a row is not csv."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
            if cells:  # none on an empty line
                yield number, cells
        except StopIteration:
            return
        except csv.Error as error:
            # after these two nobody knows where the next row starts, so no row can be put aside alone
            if "field limit" in str(error):
                raise InputError(
                    f"{path}, row {number}: a field has more than {MAX_FIELD_CHARS} characters; "
                    "shorten it, or close the quotation mark that opens it"
                ) from error
            if "unexpected end" in str(error):
                raise InputError(
                    f"{path}, row {number}: a quotation mark that opens a field here is not closed; "
                    "close it, or double the marks that belong to the text"
                ) from error
            yield number, "characters stand after a closing quotation mark (double the marks inside a field)"


def _json_record(path: Path, number: int, value: object) -> Record | BadRow:
    """One JSON value that should be an object."""
    if isinstance(value, dict):
        return Record(str(path), number, value)
    return BadRow(str(path), number, "not a JSON object with named fields", {"value": value})


def _read_jsonl(path: Path, text: str) -> Rows:
    """One JSON object a line."""
    rows: Rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_json_record(path, number, json.loads(line)))
        except (ValueError, RecursionError):  # also numbers of more digits than Python reads
            rows.append(BadRow(str(path), number, "not valid JSON", {"line": line}))
    return rows


def _read_json(path: Path, text: str) -> Rows:
    """A list of JSON objects."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON (line {error.lineno}, column {error.colno}); correct it there"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: holds a number too long or lists too deep to read; correct the file") from error
    if not isinstance(values, list):
        raise InputError(f"{path}: not a list of objects; for one object a line name the file .jsonl")
    return [_json_record(path, number, value) for number, value in enumerate(values, 1)]


def _read_parquet(path: Path) -> Rows:
    """The rows of a parquet file."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading parquet needs pyarrow; {TRAIN_EXTRA}") from error
    try:
        values = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as parquet; check that it is a whole parquet file") from error
    return [Record(str(path), number, value) for number, value in enumerate(values, 1)]


def parquet_label_names(path: Path) -> dict[str, tuple[str, ...]]:
    """The label names that the datasets package stored in a parquet file, by column."""
    import pyarrow.parquet as pq

    stored = (pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(stored)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        if inner.get("_type") == "ClassLabel":
            found[column] = tuple(inner["names"])
    return found


def parse_hub(source: str) -> tuple[str, str | None, str | None]:
    """The id, config and revision in "hub:ID[:config][@revision]"."""
    name, _, revision = source.removeprefix("hub:").partition("@")
    identifier, _, config = name.partition(":")
    if not identifier:
        raise InputError(f"corpus.source = '{source}' names no data set; write hub:ID[:config][@revision]")
    return identifier, config or None, revision or None


def read_hub(source: str) -> tuple[dict[str, Rows], dict[str, tuple[str, ...]]]:
    """Every split of a hub data set, and the label names of its ClassLabel columns."""
    identifier, config, revision = parse_hub(source)
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError(f"{source}: hub data sets need the datasets package; {TRAIN_EXTRA}") from error
    try:
        loaded = load_dataset(identifier, name=config, revision=revision)
    except Exception as error:  # the hub client raises many kinds: network, missing id, config, broken files
        raise InputError(
            f"{source}: cannot be loaded ({type(error).__name__}); check the id, the config and the network, "
            "or download the files and set corpus.source to their folder"
        ) from error
    tables: dict[str, Rows] = {}
    names: dict[str, tuple[str, ...]] = {}
    for split, table in loaded.items():
        tables[str(split)] = [
            Record(f"{source} [{split}]", number, dict(value)) for number, value in enumerate(table, 1)
        ]
        names.update(_class_labels(table.features))
    return tables, names


def _class_labels(features: Any) -> dict[str, tuple[str, ...]]:
    """The names of every ClassLabel column, also where it stands in a list."""
    found = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
        if getattr(inner, "names", None):
            found[str(column)] = tuple(inner.names)
    return found
