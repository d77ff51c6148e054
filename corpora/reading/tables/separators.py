"""The separator of a delimited file's fields, and the comments above its header."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from itertools import chain, islice

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.tables.headers import looks_like_names
from distill.export.runtime.errors import InputError

SEPARATORS = ",;\t|"

# commas last: every text has some
TXT_SEPARATORS = "\t;|,"

# separators of several characters, the longer ones first; blanks around them belong to them
WIDE_SEPARATORS = ("+++$+++", "###", "|||", ":::", "[SEP]", "<sep>", "||", "::")

# enough rows to see how many fields they have
SAMPLED_ROWS = 50

# the share of those rows that a separator must split alike
ALIKE = 0.9

MIN_WIDE_LINES = 3

COMMENT = "#"

# a first line for spreadsheets
_NAMED_SEPARATOR = re.compile(r"sep=([,;\t|])\r?\n")


def table_separator(head: str, form: TableForm) -> str | None:
    """Return the separator of a .txt's fields; None where it holds texts, one per line.

    It is a table where `columns` says so, or where its first line is a header and all lines have the same number
    of fields.
    """
    if form.columns is not None:
        wide = wide_separator(head)
        if wide is not None and len(first_lines(head)[0].split(wide)) == len(form.columns):
            return wide
        return csv_separator(head, form.columns, quoted=bool(form.quoting), order=TXT_SEPARATORS)
    rows = first_lines(head)
    for separator in chain(WIDE_SEPARATORS, TXT_SEPARATORS):
        names = [name.strip() for name in rows[0].split(separator)] if rows else []
        alike = all(line.count(separator) == len(names) - 1 for line in rows)
        if len(names) > 1 and len(rows) > 1 and alike and looks_like_names(names):
            return separator
    return None


def first_lines(head: str) -> list[str]:
    """Return the first lines that are not blank, without their ends."""
    lines: list[str] = re.split(r"[\r\n]", head, maxsplit=2 * SAMPLED_ROWS)
    return [line for line in lines[:SAMPLED_ROWS] if line.strip()]


def wide_separator(head: str) -> str | None:
    """Return a separator of several characters that every line has, as often as the first line; None without."""
    lines = first_lines(head)
    for separator in WIDE_SEPARATORS:
        found = {line.count(separator) for line in lines}
        if len(lines) >= MIN_WIDE_LINES and len(found) == 1 and found != {0}:
            return separator
    return None


def file_separator(head: str, form: TableForm, *, quoted: bool) -> str:
    """Return the separator of a csv file: named in its first line, or found.

    One of several characters counts only where no other splits the lines.
    """
    named = named_separator(head)
    if named is not None:
        return named
    found = csv_separator(head, form.columns, quoted=quoted)
    wide = wide_separator(head)
    counts = {line.count(found) for line in first_lines(head)}
    return wide if wide is not None and (found in wide or len(counts) > 1 or counts == {0}) else found


def refuse_other_separator(file: object, head: str) -> None:
    """Refuse a tsv whose fields other characters than tabs separate.

    Raises:
        InputError: no line has a tab, and the first one is a header with another separator.
    """
    lines = first_lines(head)
    for separator in SEPARATORS:
        names = [name.strip().strip('"') for name in lines[0].split(separator)] if lines else []
        if len(names) > 1 and looks_like_names(names) and not any("\t" in line for line in lines):
            raise InputError(
                f"{file}: The file has no tab, and its header has '{separator}' between names. Name it .csv."
            )


def is_spaced(head: str, separator: str) -> bool:
    """Return whether blanks are between the separators and the marks that open quoted fields."""
    opening = re.compile(rf'{re.escape(separator)} +"(?!")')
    spaced = sum(opening.search(line) is not None for line in first_lines(head))
    if not spaced or spaced < ALIKE * len(first_lines(head)):
        return False
    widths = quoted_widths(head, separator, spaced=True)
    return len(widths) > 1 and len(set(widths)) == 1


def quoted_widths(head: str, separator: str, *, spaced: bool = False) -> list[int]:
    """Return the number of fields of the first quoted rows, up to one that is not written right or is cut."""
    widths: list[int] = []
    stream = io.StringIO(head, newline="")
    rows = csv.reader(stream, delimiter=separator, strict=True, skipinitialspace=spaced)
    with suppress(csv.Error):
        widths += [len(cells) for cells in islice(rows, SAMPLED_ROWS) if cells]
    return widths if stream.read(1) else widths[:-1]


def named_separator(head: str) -> str | None:
    """Return the separator that a first line `sep=;` names."""
    named = _NAMED_SEPARATOR.match(head)
    return named[1] if named else None


def comment_lines(head: str, form: TableForm) -> int:
    """Count the lines above a header that begin with `#`.

    They are comments where a header follows. The last of them may be the header itself, as in `#text,label`.
    """
    lines = head.split("\n")[:SAMPLED_ROWS]
    count = 0
    while count < len(lines) and (lines[count].startswith(COMMENT) or (count and not lines[count].strip())):
        count += 1
    marked = [place for place in range(count) if lines[place].startswith(COMMENT)]
    if not marked or count == len(lines):
        return 0
    last = marked[-1]
    if _is_header(lines[last].lstrip(COMMENT), form, width=_width(lines[count])):
        return last
    return count if _is_header(lines[count], form) else 0


def _is_header(line: str, form: TableForm, width: int | None = None) -> bool:
    for separator in SEPARATORS:
        names = [name.strip().strip('"') for name in line.strip().split(separator)]
        if len(names) > 1 and (width is None or len(names) == width) and looks_like_names(names):
            return form.columns is None or set(form.columns) <= set(names)
    return False


def _width(line: str) -> int:
    return max(len(line.split(separator)) for separator in SEPARATORS)


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
        return [line.count(separator) + 1 for line in first_lines(head)]
    counts: list[int] = []
    try:
        for cells in islice(csv.reader(io.StringIO(head, newline=""), delimiter=separator), SAMPLED_ROWS):
            counts += [len(cells)] if cells else []
    except csv.Error:
        pass  # too long a field, or a bare carriage return: the rows before it count
    return counts
