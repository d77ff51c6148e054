"""Find the form of unknown files: encoding, quoting, the key around JSON rows, the columns of a .txt table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from distill.corpora.guessing.columns import has_header, repeats_values
from distill.corpora.reading.content import refuse_other_content
from distill.corpora.reading.encodings import likely_encoding, possible_encodings, utf8_problem
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.json.forms import are_cells, find_roots, holds_json, refuse_cells_under_key
from distill.corpora.reading.json.nested import root_of
from distill.corpora.reading.json.rows import cells_in
from distill.corpora.reading.places.locate import data_files
from distill.corpora.reading.places.source import open_source, source_path
from distill.corpora.reading.places.split_names import split_of
from distill.corpora.reading.rows import BadRow, Record
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.arrow import label_names_in
from distill.corpora.reading.tables.delimited import looks_quoted
from distill.corpora.reading.tables.separators import TXT_SEPARATORS, WIDE_SEPARATORS
from distill.export.runtime.errors import InputError
from distill.recipe.starter.ask import Ask, chosen
from distill.recipe.starter.nested import opened

TEXT_KINDS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")

COLUMNAR = (".parquet", ".arrow")

JSON_KINDS = (".json", ".jsonl", ".ndjson", *COLUMNAR)

LOOKED_AT = 50_000

# files of one text each that show their encoding
SEEN_FILES = 500

# a line of a table called .txt has as many fields as nearly all others
SAME_FIELDS = 0.9

MAX_FIELDS = 20

# the share of rows with too many fields in a csv file that is written without quoting
UNQUOTED_BAD = 0.1

# words for rows that are held out, which do not say for what
_HELD_OUT = re.compile(r"(?<![^\W\d_])(?:eval(?:uation)?|held[ _-]?out|hold[ _-]?out)(?![^\W\d_])", re.IGNORECASE)


@dataclass(frozen=True)
class Looked:
    """The beginning of a source: the form that reads it, its first train records, and their origin."""

    form: TableForm
    records: list[Record]
    published: bool  # whether the source has several labelled splits
    named: frozenset[str]  # columns whose labels the data set names
    deeper: tuple[str, ...] = ()  # paths to other texts, which would give more rows
    encodings: tuple[str, ...] = ()  # others that fit about as well


def look(source: str, ask: Ask | None = None) -> Looked:
    """Return the first records of a local source in a form that reads them.

    Args:
        source: the file or folder.
        ask: decides between encodings; the likeliest is taken where it is None.

    Raises:
        InputError: no form does; the first form's error.
    """
    files, _ = data_files(source_path(source))
    first = files["train"][0]
    if first.suffix in (*TEXT_KINDS, *COLUMNAR):
        refuse_other_content(first)
    named = frozenset(label_names_in(first))
    encoding, encodings = _encodings(files["train"])
    question = "The files are not UTF-8, and their letters do not decide between encodings. Which one is it?"
    if encodings and ask is not None:
        encoding, *encodings = chosen(ask, question, encodings, str)
    form = TableForm(encoding=encoding)
    published = len(files.keys() & {"train", "validation", "test"}) > 1
    if first.suffix in JSON_KINDS or (first.label is None and holds_json(first, form)):
        if first.suffix not in COLUMNAR and first.key is None:
            refuse_cells_under_key(first, form)
        roots = find_roots(first, form) if first.suffix not in COLUMNAR and first.key is None else []
        form = replace(form, root=roots[0] if roots else None)
        form = replace(form, columns=_names_of_cells(first, form))
        nested = opened(_records(source, form), LOOKED_AT)
        form = replace(form, root=root_of(list(nested.records[0].fields)))
        return Looked(form, nested.records, published, named, nested.deeper, tuple(encodings))
    if looks_quoted(first, form):
        form = replace(form, quoting=True)
    form, records = _quoted(source, form)
    columns = _unnamed(first, records)
    if columns is not None:
        form = replace(form, columns=columns)
        records = _records(source, form)
    return Looked(form, records, published, named, encodings=tuple(encodings))


def _encodings(files: Sequence[DataFile]) -> tuple[str | None, list[str]]:
    """Return the likely encoding of text files, None where they are UTF-8 or nothing shows it, and others."""
    if files[0].suffix not in TEXT_KINDS:
        return None, []
    # of one text per file, most have no letter that shows it
    head = files[0].head() if files[0].label is None else b"\n".join(file.head() for file in files[:SEEN_FILES])
    if not utf8_problem(head):
        return None, []
    likely, possible = likely_encoding(head), possible_encodings(head)
    return likely, possible if likely is None or len(possible) > 1 else []


def _quoted(source: str, form: TableForm) -> tuple[TableForm, list[Record]]:
    """Return the records, read with the quoting that loses hardly any row if the usual way cannot be right."""
    try:
        return form, _records(source, form)
    except InputError as error:
        if "`quoting`" not in str(error):
            raise
    # with quoting no row is lost where marks swallow rows, so the share without it decides
    unquoted, quoted = replace(form, quoting=False), replace(form, quoting=True)
    rows = list(islice(open_source(source, unquoted).by_split["train"].rows, LOOKED_AT))
    form = unquoted if sum(isinstance(row, BadRow) for row in rows) <= UNQUOTED_BAD * len(rows) else quoted
    return form, _records(source, form)


def _unnamed(file: DataFile, records: Sequence[Record]) -> tuple[str, ...] | None:
    """Names for the columns of a file without a header; None where it has one, or one text per line."""
    if file.suffix == ".txt" and records[0].fields.keys() == {"text"}:
        return _txt_names([str(record.fields["text"]) for record in records])
    if file.suffix in (".csv", ".tsv", ".txt") and not has_header(records):
        return _numbered(len(records[0].fields))
    return None


def held_out(source: str) -> list[str]:
    """Return the names of files in a source's folder that may be held out, but are named like no split."""
    path = source_path(source)
    if not path.is_dir():
        return []
    return [
        entry.name
        for entry in sorted(path.iterdir())
        if DataFile(entry).suffix in (*TEXT_KINDS, *COLUMNAR)
        and _HELD_OUT.search(entry.name)
        and not split_of(entry.stem)
    ]


def _names_of_cells(file: DataFile, form: TableForm) -> tuple[str, ...] | None:
    """Names for the cells of JSON rows that are lists: a header's, or numbers; None where rows have names."""
    if file.suffix in COLUMNAR:
        return None
    rows = [cells for cells in map(cells_in, islice(read_table(file, form), SEEN_FILES)) if cells is not None]
    if not rows or not are_cells(rows[0]):
        return None
    header = tuple(map(str, rows[0]))
    records = [Record(str(file), 1, dict(zip(header, cells, strict=False))) for cells in rows[1:]]
    named = len(set(header)) == len(header) and all(isinstance(cell, str) for cell in rows[0])
    if named and records and has_header(records):
        return header
    return _numbered(Counter(map(len, rows)).most_common(1)[0][0])


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column{number}" for number in range(1, width + 1))


def _txt_names(lines: Sequence[str]) -> tuple[str, ...] | None:
    """Names for the fields of nearly every line, one of which repeats like labels; None for plain texts.

    They are those of the first line where it is a header, whose names have blanks in them.
    """
    for separator in chain(WIDE_SEPARATORS, TXT_SEPARATORS):
        rows = [[cell.strip() for cell in line.split(separator)] for line in lines]
        header, width = rows[0], len(rows[0])
        alike = [row for row in rows if len(row) == width]
        if not 2 <= width <= MAX_FIELDS or len(alike) < SAME_FIELDS * len(rows):
            continue
        if any(2 * len({row[place] for row in alike}) <= len(alike) for place in range(width)):
            records = [Record("", 1, dict(zip(header, row, strict=True))) for row in alike[1:]]
            named = len(set(header)) == width and all(header) and has_header(records) and repeats_values(records)
            return tuple(header) if named else _numbered(width)
    return None


def _records(source: str, form: TableForm) -> list[Record]:
    """Return readable train rows, as many as guesses need."""
    table = open_source(source, form).by_split["train"]
    rows = list(islice(table.rows, LOOKED_AT))
    records = [row for row in rows if isinstance(row, Record)]
    if not records:
        bad = [row for row in rows if isinstance(row, BadRow)]
        why = f" (row {bad[0].row}: {bad[0].reason})" if bad else ""
        raise InputError(
            f"{table.where}: There is no readable row{why}. Give a file with a text and a label in each row."
        )
    return records
