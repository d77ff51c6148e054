"""The form of a recipe's files, beyond what the files themselves show."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from distill.export.runtime.errors import InputError

UTF8 = frozenset({"utf-8", "utf-8-sig", "ascii"})


@dataclass(frozen=True)
class TableForm:
    """The form of a table.

    Args:
        columns: names of the fields of a file without a header.
        encoding: of a text file; UTF-8, with or without a byte order mark, by default.
        quoting: whether quotation marks around a field belong to the file and not to the text; by default they do
            in csv and do not in tsv and txt, and a csv file in which they swallow rows is refused.
        root: key of the list in a JSON file that is one object around it, as in ``{"data": [...]}``.
    """

    columns: tuple[str, ...] | None = None
    encoding: str | None = None
    quoting: bool | None = None
    root: str | None = None

    def __post_init__(self) -> None:
        """Refuse an encoding that Python does not know, or that does not encode text."""
        if self.encoding is None:
            return
        try:
            known = codecs.lookup(self.encoding)
            "a".encode(self.encoding).decode(self.encoding)
        except (LookupError, ValueError, UnicodeError):
            known = None
        if known is None:
            raise InputError(
                f'`encoding` = {self.encoding!a} is not an encoding of text. Use a name such as "gb18030", '
                '"cp1252" or "utf-16".'
            )

    @property
    def recoded(self) -> str | None:
        """The encoding of bytes that must be recoded to UTF-8; None where they are UTF-8."""
        if self.encoding is None or codecs.lookup(self.encoding).name in UTF8:
            return None
        return self.encoding


PLAIN = TableForm()
