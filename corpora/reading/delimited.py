"""Delimited text as rows: csv, tsv, and tables in a .txt; with quoting or without."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from distill.corpora.reading.conll import refuse_conll
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.headers import looks_like_names
from distill.corpora.reading.rows import BadRow, Record, Rows
from distill.corpora.reading.streams import MAX_LINE_BYTES, DataFile, check_encoding, lines, refuse_zeros
from distill.corpora.reading.swallowed import Column, looks_swallowed, seen_columns
from distill.export.runtime.errors import InputError

SEPARATORS = ",;\t|"

# commas last: every text has some
TXT_SEPARATORS = "\t;|,"

# longer than any text that somebody wrote; the csv module's own bound is 131,072
MAX_FIELD_CHARS = 10_000_000

# enough rows to see how many fields they have
SAMPLED_ROWS = 50

# the share of those rows that a separator must split alike
ALIKE = 0.9

PEEKED_ROWS = 20

MAX_ROW_NAME_CHARS = 20

# a first line for spreadsheets
_NAMED_SEPARATOR = re.compile(r"sep=([,;\t|])\r?\n")

NOT_QUOTED = "set `quoting` = false if the file is written without quoting"

Cells = tuple[int, "list[str] | str"]


def read_delimited(file: DataFile, form: TableForm) -> Rows:
    """Yield the rows of a csv, tsv or txt table; a .txt that is not a table has one text per line."""
    head = check_encoding(file, form.recoded)
    refuse_conll(file, head)
    kind = file.suffix
    separator = "\t" if kind == ".tsv" else table_separator(head, form) if kind == ".txt" else None
    if kind == ".txt" and separator is None:
        return (Record(str(file), row, {"text": line}) for row, line in lines(file, form.recoded) if line.strip())
    quoted = form.quoting if form.quoting is not None else kind == ".csv"
    named = _NAMED_SEPARATOR.match(head)
    if separator is None:
        separator = named[1] if named else csv_separator(head, form.columns, quoted=quoted)
    cells = _quoted_cells(file, separator, form, head) if quoted else _plain_cells(file, separator, form)
    return _records(file, islice(cells, 1, None) if named else cells, form.columns)


def table_separator(head: str, form: TableForm) -> str | None:
    """Return the separator of a .txt's fields; None where it holds texts, one per line.

    It is a table where `columns` says so, or where its first line is a header and all lines have the same number
    of fields.
    """
    if form.columns is not None:
        return csv_separator(head, form.columns, quoted=bool(form.quoting), order=TXT_SEPARATORS)
    rows = [line for line in head.split("\n")[:SAMPLED_ROWS] if line.strip()]
    for separator in TXT_SEPARATORS:
        names = rows[0].strip("\r").split(separator) if rows else []
        alike = all(line.count(separator) == len(names) - 1 for line in rows)
        if len(names) > 1 and len(rows) > 1 and alike and looks_like_names(names):
            return separator
    return None


def looks_quoted(file: DataFile, form: TableForm) -> bool:
    """Return whether a tsv that is read without quoting seems to be written with it.

    It seems so where all fields that begin with a quotation mark end with one, and double those inside.
    """
    if file.suffix != ".tsv" or form.quoting is not None:
        return False
    doubled = 0
    head = file.head(form.recoded).decode("utf-8", errors="surrogateescape")
    for line in head.split("\n")[:-1]:
        for cell in line.removesuffix("\r").split("\t"):
            if not cell.startswith('"'):
                continue
            inner = cell[1:-1]
            if len(cell) < 2 or not cell.endswith('"') or '"' in inner.replace('""', ""):
                return False
            doubled += '""' in inner
    return doubled > 1


def csv_separator(
    head: str, columns: tuple[str, ...] | None = None, *, quoted: bool = True, order: str = SEPARATORS
) -> str:
    """Return the separator that splits all rows alike, into the named fields or into most; `order` breaks ties."""
    counts = {separator: _field_counts(head, separator, quoted) for separator in order}
    alike = {
        separator: sum(count == sizes[0] for count in sizes) >= ALIKE * len(sizes) if sizes else False
        for separator, sizes in counts.items()
    }
    first = {separator: sizes[0] if sizes else 0 for separator, sizes in counts.items()}
    if columns is not None:
        fitting = [separator for separator in order if first[separator] == len(columns)]
        return max(fitting, key=lambda separator: alike[separator], default=",")
    return max(order, key=lambda separator: (alike[separator] and first[separator] > 1, first[separator]))


def _field_counts(head: str, separator: str, quoted: bool) -> list[int]:
    """Count the fields of each of the first rows; separators inside quotation marks do not count."""
    if not quoted:
        rows = [line for line in head.split("\n")[:SAMPLED_ROWS] if line.strip()]
        return [line.count(separator) + 1 for line in rows]
    counts: list[int] = []
    try:
        for cells in islice(csv.reader(io.StringIO(head, newline=""), delimiter=separator), SAMPLED_ROWS):
            counts += [len(cells)] if cells else []
    except csv.Error:
        pass  # too long a field, or a bare carriage return: the rows before it count
    return counts


@dataclass(frozen=True)
class _Layout:
    """The cells of a row that are fields: `names` are at `places` of `width` cells."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    width: int
    trailing: tuple[int, ...] = ()  # places after the last name, which are empty

    @classmethod
    def of(cls, cells: list[str], file: DataFile) -> _Layout:
        """Return the layout that a header shows.

        Raises:
            InputError: the header repeats a name, or has none.
        """
        names = [cell.strip() for cell in cells]
        places = tuple(place for place, name in enumerate(names) if name)
        kept = tuple(names[place] for place in places)
        if len(set(kept)) < len(kept):
            raise InputError(f"{file}, row 1: the header repeats a column name; give every column its own name")
        if not kept:
            raise InputError(f"{file}, row 1: the header has no name; name its fields in `columns`")
        return cls(kept, places, len(names), tuple(range(places[-1] + 1, len(names))))

    def fitted(self, rows: list[Cells]) -> _Layout:
        """Return the layout for rows that all have more cells than the header: an index first, or blanks last."""
        data = [cells for _, cells in rows if isinstance(cells, list)]
        more = {len(cells) - self.width for cells in data}
        if len(data) < 3 or len(more) > 1 or min(more) < 1:
            return self
        extra = more.pop()
        if all(not any(cells[self.width :]) for cells in data):
            behind = tuple(range(self.width, self.width + extra))
            return _Layout(self.names, self.places, self.width + extra, self.trailing + behind)
        if extra == 1 and _are_row_names([cells[0] for cells in data]):
            return _Layout(self.names, tuple(place + 1 for place in self.places), self.width + 1)
        return self

    def record(self, file: str, row: int, cells: list[str]) -> Record | BadRow:
        """Return one row under its column names."""
        if len(cells) == self.width or (len(cells) < self.width and len(cells) > self.places[-1]):
            full = next((place for place in self.trailing if place < len(cells) and cells[place].strip()), None)
            if full is None:
                return Record(
                    file, row, {name: cells[at] for name, at in zip(self.names, self.places, strict=True)}
                )
            reason = f"field {full + 1} holds something, and the header has no name for it"
        else:
            few = "too few" if len(cells) < self.width else "too many"
            reason = f"{few} fields: {len(cells)} where there are {self.width} columns"
        return BadRow(file, row, reason, {str(place): cell for place, cell in enumerate(cells)})


def _are_row_names(cells: list[str]) -> bool:
    """Return whether first cells can be an index without a name, as R writes it: numbers or distinct names."""
    if len(set(cells)) < len(cells) or max(map(len, cells)) > MAX_ROW_NAME_CHARS:
        return False
    return all(cell.isdigit() for cell in cells) or len(cells) > PEEKED_ROWS // 2


def _records(file: DataFile, cell_rows: Iterable[Cells], columns: tuple[str, ...] | None) -> Rows:
    """Yield rows of cells as records: the first row names the fields, or `columns` does where it is data."""
    rows = iter(cell_rows)
    layout: _Layout | None = None
    for number, cells in rows:
        if isinstance(cells, str):
            if columns is None:
                raise InputError(f"{file}, row {number}: {cells}; correct the header")
            yield BadRow(str(file), number, cells, {})
            continue
        if columns is not None and not set(columns) <= {cell.strip() for cell in cells}:
            layout = _Layout(columns, tuple(range(len(columns))), len(columns))
            rows = chain([(number, cells)], rows)
        else:
            layout = _Layout.of(cells, file)
            peeked = list(islice(rows, PEEKED_ROWS))
            layout, rows = layout.fitted(peeked), chain(peeked, rows)
        break
    if layout is None:
        return
    for number, cells in rows:
        if isinstance(cells, str):
            yield BadRow(str(file), number, cells, {})
        else:
            yield layout.record(str(file), number, cells)


def _plain_cells(file: DataFile, separator: str, form: TableForm) -> Iterator[Cells]:
    """Yield lines without quoting: quotation marks in a text are just characters."""
    for number, line in lines(file, form.recoded):
        cells = line.split(separator)
        if len(cells) > 1 or cells[0].strip():
            yield number, cells


class _KeptLines:
    """The lines of a csv file, with those of the current row kept."""

    def __init__(self, file: DataFile, stream: BinaryIO) -> None:
        self._file = file
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """Yield pieces of text that each end where a line does; a row may span several."""
        while line := self._text.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise InputError(f"{self._file}: a line has more than {MAX_LINE_BYTES:,} characters; shorten it")
            refuse_zeros(self._file, line)
            self.of_row.append(line)
            yield line


def _quoted_cells(file: DataFile, separator: str, form: TableForm, head: str) -> Iterator[Cells]:
    """Yield row numbers with their cells, or with the reason why a row is not csv.

    Raises:
        InputError: the end of a row is unknown, or a quoted field seems to have swallowed rows.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    columns: list[Column | None] | None = None
    with file.open(form.recoded) as stream:
        kept = _KeptLines(file, stream)
        reader = csv.reader(kept, delimiter=separator, strict=True)
        number = 0
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
                        f"{file}, row {number}: a quoted field spans {len(kept.of_row)} lines that look like rows "
                        f"of {len(columns)} fields, so that a stray quotation mark may have swallowed rows; "
                        f"{NOT_QUOTED}, and true if the field is right"
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
            f"{file}, row {number}: a field has more than {MAX_FIELD_CHARS} characters; "
            f"shorten it, or close the quotation mark that opens it, or {NOT_QUOTED}"
        ) from None
    if "unexpected end" in str(error):
        raise InputError(
            f"{file}, row {number}: a quotation mark that opens a field here is not closed; "
            f"close it, double the marks that belong to the text, or {NOT_QUOTED}"
        ) from None
    return f"characters follow a closing quotation mark (double the marks inside a field, or {NOT_QUOTED})"
