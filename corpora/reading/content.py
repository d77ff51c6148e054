"""The kind of a file by its first bytes, where its name says something else."""

from __future__ import annotations

import re

from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

HEAD_BYTES = 400

_UNPACK = "Give it the ending {} that shows it, or unpack it."

_POINTER = "Fetch the file itself with `git lfs pull`, or download it from the data set's page."

_PROGRAM = "Save it as .csv, .jsonl or .parquet."

# the first bytes of other kinds of files, what they are and the way on
KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, without the data", _POINTER),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK.format(".gz")),
    (b"BZh", "compressed with bzip2", _UNPACK.format(".bz2")),
    (b"\xfd7zXZ\0", "compressed with xz", _UNPACK.format(".xz")),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK.format(".zst")),
    (b"PK\x03\x04", "a zip archive or an .xlsx workbook", "Give it the ending .zip or .xlsx that shows it."),
    (b"PAR1", "a parquet file", "Give it the ending .parquet."),
    (b"ARROW1", "an Arrow file", "Give it the ending .arrow, or save it as .parquet."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as .xlsx or .csv."),
    (b"SQLite format 3", "an SQLite database", _PROGRAM),
    (b"%PDF-", "a PDF document", _PROGRAM),
    (b"{\\rtf", "an RTF document", _PROGRAM),
)

_WEB_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body|table)\b", re.IGNORECASE)

_XML = re.compile(rb"\s*<\?xml\b")

# kinds of files that begin with these bytes by right
_BINARY = {".parquet": b"PAR1", ".arrow": b"ARROW1", ".xlsx": b"PK\x03\x04"}


def refuse_other_content(file: DataFile) -> None:
    """Refuse a file whose first bytes show another kind than its name does.

    Raises:
        InputError: it is compressed, a binary file, a web page, or a pointer to data that was not fetched.
    """
    head = file.head(size=HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    found = next(((what, remedy) for mark, what, remedy in KINDS if head.startswith(mark)), None)
    if head.startswith(_BINARY.get(file.suffix, b"\0\0\0\0")):
        return
    if found is None and file.suffix not in _BINARY:
        if _WEB_PAGE.match(head):
            found = "a web page", "Download the data itself, or save its table as .csv."
        elif _XML.match(head):
            found = "XML", _PROGRAM
    if found is not None:
        raise InputError(f"{file}: The file is {found[0]}. {found[1]}")
