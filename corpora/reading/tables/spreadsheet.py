"""One sheet of an .xlsx file as rows, through openpyxl's streaming reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import BadRow, Record, Rows
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.headers import is_header_again
from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install


def read_xlsx(file: DataFile, form: TableForm) -> Rows:
    """Yield the rows of the first sheet, or of `file.key`; its first row names the fields, or `form.columns` does.

    Raises:
        InputError: it is not a whole .xlsx file.
    """
    with _opened_book(file) as book:
        sheet = book.worksheets[0] if file.key is None else book[file.key]
        names: tuple[str, ...] | None = None
        for number, cells in enumerate(_rows(file, sheet), 1):
            if all(cell is None for cell in cells):
                continue
            if names is None:
                header = tuple("" if cell is None else str(cell).strip() for cell in cells)
                given = form.columns is not None and not set(form.columns) <= set(header)
                names = form.columns if given and form.columns is not None else header
                if len({name for name in names if name}) < sum(map(bool, names)):
                    raise InputError(f"{file}, row {number}: The header repeats a column name. Give each its own.")
                if not given:
                    continue
            record = _record(file, number, cells, names)
            if isinstance(record, BadRow) or not is_header_again(file, number, record.fields):
                yield record


def sheets_in(file: DataFile) -> list[str]:
    """Return the names of a file's sheets.

    Raises:
        InputError: it is not a whole .xlsx file.
    """
    with _opened_book(file) as book:
        return [str(sheet.title) for sheet in book.worksheets]


def refuse_larger_sheet(file: DataFile) -> None:
    """Refuse a workbook whose first sheet, which is read, has fewer rows than another: it may be a code book.

    Raises:
        InputError: names both sheets.
    """
    with _opened_book(file) as book:
        rows = {str(sheet.title): sheet.max_row or 0 for sheet in book.worksheets}
    first, largest = next(iter(rows)), max(rows, key=lambda name: rows[name])
    if rows[largest] > rows[first]:
        raise InputError(
            f"{file}: The first sheet, '{first}', has {rows[first]} rows, and '{largest}' has {rows[largest]}. "
            "Put the sheet to be read first, or name it train."
        )


@contextmanager
def _opened_book(file: DataFile) -> Iterator[Any]:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(f"{file}: Reading .xlsx needs openpyxl. {how_to_install('xlsx')}") from error
    with file.open_seekable() as stream:
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            if not book.worksheets:
                raise ValueError("no sheet of cells")
        except Exception as error:  # zip, XML and openpyxl's own kinds
            raise InputError(f"{file}: The file cannot be read as .xlsx. Check that it is a whole one.") from error
        yield book


def _rows(file: DataFile, sheet: Any) -> Iterator[tuple[Any, ...]]:
    rows = sheet.iter_rows(values_only=True)
    while True:
        try:
            cells = next(rows, None)
        except Exception as error:  # as above: a broken part shows as it is read
            raise InputError(f"{file}: The file cannot be read as .xlsx. Check that it is a whole one.") from error
        if cells is None:
            return
        yield cells


def _record(file: DataFile, number: int, cells: tuple[Any, ...], names: tuple[str, ...]) -> Record | BadRow:
    more = any(cell is not None for cell in cells[len(names) :])
    nameless = any(
        cell is not None and place and not names[place] for place, cell in enumerate(cells[: len(names)])
    )
    fields = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    if more or nameless:
        return BadRow(str(file), number, "a field holds something, but the header has no name for it", fields)
    return Record(str(file), number, {name: fields.get(name) for name in names if name})
