"""Cells of delimited rows under the names of their fields: headers, index columns, blanks, repeated headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

from distill.corpora.reading.rows import BadRow, Record, Rows, sentence
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.headers import is_header_again
from distill.export.runtime.errors import InputError

PEEKED_ROWS = 20

MAX_ROW_NAME_CHARS = 20

# the share of rows with as many fields that shows a first line of one field to be a title
TITLED = 0.8

Cells = tuple[int, "list[str] | str"]


@dataclass(frozen=True)
class Layout:
    """The cells of a row that are fields: `names` are at `places` of `width` cells."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    width: int
    trailing: tuple[int, ...] = ()  # places after the last name, which are empty

    @classmethod
    def of(cls, cells: list[str], file: DataFile, row: int) -> Layout:
        """Return the layout that a header shows.

        Raises:
            InputError: the header repeats a name, or has none.
        """
        names = [cell.lstrip("\ufeff").strip() for cell in cells]
        places = tuple(place for place, name in enumerate(names) if name)
        kept = tuple(names[place] for place in places)
        if len(set(kept)) < len(kept):
            raise InputError(
                f"{file}, row {row}: The header repeats a column name. Give every column its own name."
            )
        if not kept:
            raise InputError(f"{file}, row {row}: The header has no name. Name its fields in `columns`.")
        return cls(kept, places, len(names), tuple(range(places[-1] + 1, len(names))))

    @classmethod
    def named(cls, columns: tuple[str, ...]) -> Layout:
        """Return the layout of a file without a header."""
        return cls(columns, tuple(range(len(columns))), len(columns))

    def fitted(self, rows: list[Cells], *, header: bool = True) -> Layout:
        """Return the layout for rows that all have more cells than names: an index first, or blanks last.

        Args:
            rows: the first ones.
            header: whether the names are the file's, beside which an index may have none.
        """
        data = [cells for _, cells in rows if isinstance(cells, list)]
        more = {len(cells) - self.width for cells in data}
        if len(data) < 3 or len(more) > 1 or min(more) < 1:
            return self
        extra = more.pop()
        if all(not any(cells[self.width :]) for cells in data):
            behind = tuple(range(self.width, self.width + extra))
            return Layout(self.names, self.places, self.width + extra, self.trailing + behind)
        if header and extra == 1 and _are_row_names([cells[0] for cells in data]):
            return Layout(self.names, tuple(place + 1 for place in self.places), self.width + 1)
        return self

    def refuse_title(self, rows: list[Cells], file: DataFile, row: int) -> None:
        """Refuse a first line that is a title above the header: one field, where nearly all rows have several.

        Raises:
            InputError: it is.
        """
        data = [cells for _, cells in rows if isinstance(cells, list)]
        filled = Counter(sum(1 for cell in cells if cell.strip()) for cells in data)
        if len(self.names) > 1 or len(data) < 3:
            return
        fields, count = max(filled.items(), key=lambda item: item[1])
        if fields > 1 and count >= TITLED * len(data) and not all(cells[0].isdigit() for cells in data):
            raise InputError(
                f"{file}, row {row}: The row has one field where the rows below have {fields}. Remove the lines "
                "above the header, or name the fields in `columns` if there is none."
            )

    def record(self, file: str, row: int, cells: list[str]) -> Record | BadRow:
        """Return one row under its column names."""
        if len(cells) == self.width or (len(cells) < self.width and len(cells) > self.places[-1]):
            full = next((place for place in self.trailing if place < len(cells) and cells[place].strip()), None)
            if full is None:
                return Record(
                    file, row, {name: cells[at] for name, at in zip(self.names, self.places, strict=True)}
                )
            reason = f"field {full + 1} holds something, but the header has no name for it"
        else:
            few = "too few" if len(cells) < self.width else "too many"
            reason = f"{few} fields: {len(cells)} where there are {self.width} columns"
        return BadRow(file, row, reason, {str(place): cell for place, cell in enumerate(cells)})


def _are_row_names(cells: list[str]) -> bool:
    """Return whether first cells can be an index without a name, as R writes it: numbers or distinct names."""
    if len(set(cells)) < len(cells) or max(map(len, cells)) > MAX_ROW_NAME_CHARS:
        return False
    return all(cell.isdigit() for cell in cells) or len(cells) > PEEKED_ROWS // 2


def records(file: DataFile, cell_rows: Iterable[Cells], columns: tuple[str, ...] | None) -> Rows:
    """Yield rows of cells as records: the first row names the fields, or `columns` does where it is data.

    A header that is repeated, as in files that were joined, is left out.

    Raises:
        InputError: the header cannot be used.
    """
    rows = iter(cell_rows)
    layout: Layout | None = None
    for number, cells in rows:
        if isinstance(cells, str):
            if columns is None:
                raise InputError(f"{file}, row {number}: {sentence(cells)}. Correct the header.")
            yield BadRow(str(file), number, cells, {})
            continue
        if columns is not None and not set(columns) <= {cell.strip() for cell in cells}:
            peeked = [(number, cells), *islice(rows, PEEKED_ROWS)]
            layout = Layout.named(columns).fitted(peeked, header=False)
        else:
            layout = Layout.of(cells, file, number)
            peeked = list(islice(rows, PEEKED_ROWS))
            layout.refuse_title(peeked, file, number)
            layout = layout.fitted(peeked)
        rows = chain(peeked, rows)
        break
    if layout is None:
        return
    for number, cells in rows:
        if isinstance(cells, str):
            yield BadRow(str(file), number, cells, {})
            continue
        record = layout.record(str(file), number, cells)
        if isinstance(record, BadRow) or not is_header_again(file, record.row, record.fields):
            yield record
