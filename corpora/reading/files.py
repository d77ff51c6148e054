"""Records of files, one row at a time: every format becomes rows with named fields."""

from __future__ import annotations

from pathlib import Path

from distill.corpora.reading.content import refuse_other_content
from distill.corpora.reading.form import PLAIN, TableForm
from distill.corpora.reading.json.forms import holds_json
from distill.corpora.reading.json.rows import read_json
from distill.corpora.reading.places.label_folders import read_whole_text
from distill.corpora.reading.rows import Rows
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.arrow import read_arrow, read_parquet
from distill.corpora.reading.tables.conll import SUFFIXES as CONLL
from distill.corpora.reading.tables.conll import refuse_conll
from distill.corpora.reading.tables.delimited import read_delimited
from distill.corpora.reading.tables.fasttext import is_fasttext, read_fasttext
from distill.corpora.reading.tables.spreadsheet import read_xlsx
from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.fields import has_surrogate

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".xlsx", ".ndjson", ".arrow")

KNOWN = ", ".join(SUFFIXES[:7])

# suffixes of other programs, and the formats that they can save instead
OTHERS = {
    ".xls": "Save it as .xlsx or .csv.",
    ".ods": "Save it as .xlsx or .csv.",
    ".pkl": "A pickle can run code when it is read; save it as .parquet or .jsonl.",
    ".pickle": "A pickle can run code when it is read; save it as .parquet or .jsonl.",
    ".feather": "Give it the ending .arrow, or save it as .parquet.",
    ".xml": "Save it as .jsonl or .csv.",
    **dict.fromkeys((".md", ".rst", ".html", ".htm", ".docx", ".doc", ".rtf", ".pdf"), "Save its table as .csv."),
    **dict.fromkeys(
        (
            ".sql",
            ".db",
            ".db3",
            ".sqlite",
            ".sqlite3",
            ".duckdb",
            ".mdb",
            ".orc",
            ".avro",
            ".tfrecord",
            ".sav",
            ".dta",
            ".rds",
            ".rdata",
            ".npy",
            ".npz",
            ".h5",
            ".yaml",
            ".yml",
        ),
        "Save its rows as .csv, .jsonl or .parquet.",
    ),
    **dict.fromkeys((".tar", ".tgz", ".tbz", ".7z", ".rar"), "Unpack it, and name the file or the folder."),
    **dict.fromkeys((".lz4", ".br", ".z", ".lzma", ".sz"), "Unpack it, or compress it as .gz, .bz2, .xz or .zst."),
}


def read_table(file: DataFile | Path, form: TableForm = PLAIN) -> Rows:
    """Return the rows of one file, read lazily.

    Args:
        file: a path, or a member of an archive.
        form: the file's form by the recipe.

    Raises:
        InputError: its suffix is unknown; iteration raises it too, for broken content.
    """
    data = DataFile(file) if isinstance(file, Path) else file
    if data.label is not None and data.suffix == ".txt":
        return read_whole_text(data, form)
    if data.suffix not in SUFFIXES:
        return _read_unnamed(data, form)
    refuse_other_content(data)
    match data.suffix:
        case ".parquet":
            return read_parquet(data)
        case ".arrow":
            return read_arrow(data)
        case ".xlsx":
            return read_xlsx(data, form)
        case ".txt" if is_fasttext(data, form):
            return read_fasttext(data, form)
        case ".csv" | ".tsv" | ".txt" if not holds_json(data, form):
            return read_delimited(data, form)
    return read_json(data, form)


def _read_unnamed(data: DataFile, form: TableForm) -> Rows:
    """Return the rows of a file without an ending: JSON, as the dumps of forums are named.

    Raises:
        InputError: it has another ending, or other content.
    """
    if not data.suffix and data.path.is_file() and holds_json(data, form):
        return read_json(data, form)
    raise _unknown(data)


def _unknown(data: DataFile) -> InputError:
    """Return the error for a file of another kind."""
    if data.suffix in CONLL:
        refuse_conll(data, "")
    remedy = OTHERS.get(data.suffix, "Give a text file the one of them that it is.")
    return InputError(f"{data}: The kind of file is unknown; known file name extensions are {KNOWN}. {remedy}")


def is_broken(value: object) -> bool:
    """Return whether a string has a lone surrogate, to which a broken byte or escape decodes."""
    return isinstance(value, str) and has_surrogate(value)
