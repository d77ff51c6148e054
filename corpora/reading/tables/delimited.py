"""Delimited text as rows: csv, tsv, and tables in a .txt; with quoting or without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import Record, Rows
from distill.corpora.reading.streams import (
    MAX_LINE_BYTES,
    DataFile,
    beginning,
    check_encoding,
    lines,
    refuse_zeros,
)
from distill.corpora.reading.tables.conll import refuse_conll
from distill.corpora.reading.tables.drawn import refuse_drawn
from distill.corpora.reading.tables.layout import Cells, records
from distill.corpora.reading.tables.separators import (
    comment_lines,
    file_separator,
    first_lines,
    is_spaced,
    named_separator,
    quoted_widths,
    refuse_other_separator,
    table_separator,
)
from distill.corpora.reading.tables.swallowed import Column, looks_swallowed, seen_columns
from distill.export.runtime.errors import InputError

# longer than any text that somebody wrote; the csv module's own bound is 131,072
MAX_FIELD_CHARS = 10_000_000

# the share of lines with other fields than the first, and the rows, that show fields of several lines
UNLIKE, MIN_QUOTED = 0.2, 5

NOT_QUOTED = "set `quoting` = false if the file is written without quoting"


def read_delimited(file: DataFile, form: TableForm) -> Rows:
    """Yield the rows of a csv, tsv or txt table; a .txt that is not a table has one text per line."""
    head = check_encoding(file, form.recoded)
    refuse_conll(file, head)
    refuse_drawn(file, head)
    above = comment_lines(head, form)
    head = head.split("\n", above)[above]
    kind = file.suffix
    if kind == ".tsv":
        refuse_other_separator(file, head)
    separator = "\t" if kind == ".tsv" else table_separator(head, form) if kind == ".txt" else None
    if kind == ".txt" and separator is None:
        return (Record(str(file), row, {"text": line}) for row, line in lines(file, form.recoded) if line.strip())
    quoted = form.quoting if form.quoting is not None else kind == ".csv"
    if separator is None:
        separator = file_separator(head, form, quoted=quoted)
    if quoted and len(separator) == 1:
        cells = _quoted_cells(file, separator, form, head, above)
    else:
        cells = _plain_cells(file, separator, form, above)
    return records(file, islice(cells, 1, None) if named_separator(head) else cells, form.columns)


def looks_quoted(file: DataFile, form: TableForm) -> bool:
    """Return whether a tsv that is read without quoting seems to be written with it.

    It seems so where all fields that begin with a quotation mark end with one, and double those inside.
    """
    if file.suffix != ".tsv" or form.quoting is not None:
        return False
    if _is_quoted_over_lines(beginning(file, form.recoded)):
        return True
    doubled = 0
    for line in beginning(file, form.recoded).split("\n")[:-1]:
        for cell in line.removesuffix("\r").split("\t"):
            if not cell.startswith('"'):
                continue
            inner = cell[1:-1]
            if len(cell) < 2 or not cell.endswith('"') or '"' in inner.replace('""', ""):
                return False
            doubled += '""' in inner
    return doubled > 1


def _is_quoted_over_lines(head: str) -> bool:
    """Return whether quoted fields hold line ends: lines differ in their fields, and quoted rows do not."""
    plain = [line.count("\t") + 1 for line in first_lines(head)]
    widths = quoted_widths(head, "\t")
    unlike = sum(width != plain[0] for width in plain)
    return unlike > UNLIKE * len(plain) and len(widths) >= MIN_QUOTED and {*widths} == {plain[0]} != {1}


def _plain_cells(file: DataFile, separator: str, form: TableForm, above: int) -> Iterator[Cells]:
    """Yield lines without quoting: quotation marks in a text are just characters.

    A carriage return ends a line only where each part of the line has as many fields as the first line. One at the
    end of the first line is a part of all line ends.
    """
    width, end = 0, ""
    for number, ended in lines(file, form.recoded):
        if number <= above:
            continue
        if not width:
            end = "\r" if ended.endswith("\r") else ""
        line = ended.removesuffix(end)
        parts = [part for part in line.split("\r") if part]
        width = width or len(parts[0].split(separator) if parts else ())
        if len(parts) < 2 or width < 2 or any(part.count(separator) != width - 1 for part in parts):
            parts = [line]
        for part in parts:
            cells = part.split(separator)
            if len(cells) > 1 or cells[0].strip():
                yield number, cells if len(separator) == 1 else [cell.strip() for cell in cells]


class _KeptLines:
    """The lines of a csv file, with those of the current row kept."""

    def __init__(self, file: DataFile, stream: BinaryIO, above: int) -> None:
        self._file = file
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self.of_row: list[str] = []
        for _ in range(above):
            self._text.readline(MAX_LINE_BYTES)

    def __iter__(self) -> Iterator[str]:
        """Yield pieces of text that each end where a line does; a row may span several."""
        while line := self._text.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise InputError(f"{self._file}: A line has more than {MAX_LINE_BYTES:,} characters. Shorten it.")
            refuse_zeros(self._file, line)
            self.of_row.append(line)
            yield line


def _quoted_cells(file: DataFile, separator: str, form: TableForm, head: str, above: int) -> Iterator[Cells]:
    """Yield row numbers with their cells, or with the reason why a row is not csv.

    Raises:
        InputError: the end of a row is unknown, or a quoted field seems to have swallowed rows.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    columns: list[Column | None] | None = None
    with file.open(form.recoded) as stream:
        kept = _KeptLines(file, stream, above)
        spaced = is_spaced(head, separator)
        reader = csv.reader(kept, delimiter=separator, strict=True, skipinitialspace=spaced)
        number = above
        while True:
            number += 1
            kept.of_row.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, _csv_complaint(file, number, error)
                continue
            if len(kept.of_row) > 1 and form.quoting is None:
                columns = columns or seen_columns(head, separator)
                if looks_swallowed(kept.of_row, cells, separator, columns):
                    raise InputError(
                        f"{file}, row {number}: A quoted field spans {len(kept.of_row)} lines that look like "
                        f"rows of {len(columns)} fields, so that a stray quotation mark may have swallowed rows. "
                        f"To accept it, set `quoting` = true. Otherwise {NOT_QUOTED}."
                    )
            if cells:  # none on an empty line
                yield number, cells


def _csv_complaint(file: DataFile, number: int, error: csv.Error) -> str:
    """Return the reason for a bad row.

    Raises:
        InputError: the start of the next row is unknown, so that no row can be put aside.
    """
    if "field limit" in str(error):
        raise InputError(
            f"{file}, row {number}: A field has more than {MAX_FIELD_CHARS} characters. Shorten it, or close the "
            f"quotation mark that opens it, or {NOT_QUOTED}."
        ) from None
    if "unexpected end" in str(error):
        raise InputError(
            f"{file}, row {number}: A quotation mark that opens a field here is not closed. Close it, double the "
            f"marks that belong to the text, or {NOT_QUOTED}."
        ) from None
    return f"characters follow a closing quotation mark (double the marks inside a field, or {NOT_QUOTED})"
