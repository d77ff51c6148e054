"""Files to records, one row at a time: every format ends as rows with named fields."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from distill.corpora.reading.rows import BadRow, Record
from distill.export.runtime.errors import InputError, MissingExtraError
from distill.export.runtime.untrusted.fields import has_surrogate

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt")

SEPARATORS = ",;\t|"

# longer than any text that somebody wrote; the csv module's own bound is 131,072
MAX_FIELD_CHARS = 10_000_000

# of several such fields; a file without line feeds is refused before it fills the memory
MAX_LINE_BYTES = 50_000_000

# a json file is one value, which has to be in memory as a whole: about ten times its size
MAX_JSON_BYTES = 64_000_000

# enough for any header
HEAD_BYTES = 1_000_000

PARQUET_ROWS = 4096

# what pyarrow raises over files that are cut short, altered or of another kind
BROKEN_PARQUET = (OSError, ValueError, KeyError, TypeError, IndexError, NotImplementedError, OverflowError)

NO_PARQUET = "cannot be read as parquet; check that it is a whole parquet file"

TRAIN_EXTRA = 'pip install "distill-text[train]"'

Rows = Iterator[Record | BadRow]


def read_table(path: Path, columns: tuple[str, ...] | None = None) -> Rows:
    """The rows of one file as they are asked for; `columns` names the fields of a file without a header."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown kind of file; known endings are {', '.join(SUFFIXES)}")
    match suffix:
        case ".parquet":
            return _read_parquet(path)
        case ".csv":
            return _delimited(path, _csv_cells(path, csv_separator(_head(path), columns)), columns)
        case ".tsv":
            return _delimited(path, _tsv_cells(path), columns)
        case ".jsonl":
            return _read_jsonl(path)
        case ".json":
            return _read_json(path)
    return (Record(str(path), number, {"text": line}) for number, line in _lines(path) if line.strip())


def read_text(path: Path, *, longest: int = MAX_LINE_BYTES) -> str:
    """A whole file's text; undecodable bytes become lone surrogates, so that their row can be named."""
    with _opened(path) as stream:
        data = stream.read(longest + 1)
    if len(data) > longest:
        raise InputError(f"{path}: has more than {longest:,} bytes, too many to be read at once; split it up")
    _refuse_zeros(path, data)
    return data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error


def _refuse_zeros(path: Path, data: bytes) -> None:
    if b"\0" in data:
        raise InputError(f"{path}: not a UTF-8 text file (it has zero bytes); save it again as UTF-8")


def _head(path: Path) -> str:
    """The beginning of a file, for guesses."""
    with _opened(path) as stream:
        return stream.read(HEAD_BYTES).decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends.

    Only line feeds end one: str.splitlines would also split at U+2028 and U+0085 inside a text.
    """
    with _opened(path) as stream:
        number = 0
        while data := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(data) > MAX_LINE_BYTES:
                raise InputError(f"{path}, row {number}: has more than {MAX_LINE_BYTES:,} bytes; shorten it")
            _refuse_zeros(path, data)
            if number == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            line = data.decode("utf-8", errors="surrogateescape")
            yield number, line.removesuffix("\n").removesuffix("\r")


def is_broken(value: object) -> bool:
    """Whether a string has a lone surrogate, which is what a broken byte or escape decodes to."""
    return isinstance(value, str) and has_surrogate(value)


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
    names: tuple[str, ...] | None = None
    for number, cells in cell_rows:
        if isinstance(cells, str) and names is None and columns is None:
            raise InputError(f"{path}, row {number}: {cells}; correct the header")
        if isinstance(cells, str):
            yield BadRow(str(path), number, cells, {})
            continue
        if names is None:
            names = _header(path, cells, columns)
            if names is not None:
                continue
            names = columns or ()
        yield _record(path, number, cells, names)


def _tsv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Tab-separated lines without quoting: quotation marks in a text are just characters."""
    for number, line in _lines(path):
        cells = line.split("\t")
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


def _csv_lines(path: Path, stream: BinaryIO) -> Iterator[str]:
    """Pieces of text that each end where a line does; a row may go over several."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    while line := text.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"{path}: a line has more than {MAX_LINE_BYTES:,} characters; shorten it")
        if "\0" in line:
            _refuse_zeros(path, b"\0")
        yield line


def _csv_cells(path: Path, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Row numbers with their cells, or with the reason why a row is not csv."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    with _opened(path) as stream:
        reader = csv.reader(_csv_lines(path, stream), delimiter=separator, strict=True)
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
                yield number, _csv_complaint(path, number, error)


def _csv_complaint(path: Path, number: int, error: csv.Error) -> str:
    """The reason for a bad row; raises where nobody knows where the next row starts, so none can be put aside."""
    if "field limit" in str(error):
        raise InputError(
            f"{path}, row {number}: a field has more than {MAX_FIELD_CHARS} characters; "
            "shorten it, or close the quotation mark that opens it"
        ) from None
    if "unexpected end" in str(error):
        raise InputError(
            f"{path}, row {number}: a quotation mark that opens a field here is not closed; "
            "close it, or double the marks that belong to the text"
        ) from None
    return "characters stand after a closing quotation mark (double the marks inside a field)"


def _json_record(path: Path, number: int, value: object) -> Record | BadRow:
    """One JSON value that should be an object."""
    if isinstance(value, dict):
        return Record(str(path), number, value)
    return BadRow(str(path), number, "not a JSON object with named fields", {"value": value})


def _read_jsonl(path: Path) -> Rows:
    """One JSON object a line."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            yield _json_record(path, number, json.loads(line))
        except (ValueError, RecursionError):  # also numbers of more digits than Python reads
            yield BadRow(str(path), number, "not valid JSON", {"line": line})


def _read_json(path: Path) -> Rows:
    """A list of JSON objects."""
    with _opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
    if size > MAX_JSON_BYTES:
        raise InputError(
            f"{path}: has more than {MAX_JSON_BYTES:,} bytes, too many to be read at once; "
            "write one object a line into a .jsonl file, which may have any size"
        )
    try:
        values = json.loads(read_text(path, longest=MAX_JSON_BYTES))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON (line {error.lineno}, column {error.colno}); correct it there"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: holds a number too long or lists too deep to read; correct the file") from None
    if not isinstance(values, list):
        raise InputError(f"{path}: not a list of objects; for one object a line name the file .jsonl")
    return (_json_record(path, number, value) for number, value in enumerate(values, 1))


def _read_parquet(path: Path) -> Rows:
    """The rows of a parquet file."""
    number = 0
    with _open_parquet(path) as table:
        batches = table.iter_batches(batch_size=PARQUET_ROWS)
        while True:
            try:
                batch = next(batches, None)
                values = None if batch is None else batch.to_pylist()
            except BROKEN_PARQUET:
                raise InputError(f"{path}: {NO_PARQUET}") from None
            if values is None:
                return
            for value in values:
                number += 1
                yield Record(str(path), number, value)


def _open_parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading parquet needs pyarrow; {TRAIN_EXTRA}") from error
    try:
        return pq.ParquetFile(path)
    except BROKEN_PARQUET:
        raise InputError(f"{path}: {NO_PARQUET}") from None


def parquet_label_names(path: Path) -> dict[str, tuple[str, ...]]:
    """The label names that the datasets package stored in a parquet file, by column."""
    with _open_parquet(path) as table:
        stored = (table.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = dict(json.loads(stored)["info"]["features"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    found = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) and feature else feature
        inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
        names = inner.get("names") if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[column] = tuple(names)
    return found
