"""Tables that are drawn with bars and dashes, as in Markdown and in the output of database shells."""

from __future__ import annotations

import re

from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.separators import first_lines
from distill.export.runtime.errors import InputError

# a line of dashes with bars or crosses between: |---|:--:|, +----+----+, ----+----
_RULE = re.compile(r"[|+]?[ :]*[-=]{2,}[ :]*(?:[|+][ :]*[-=]{2,}[ :]*)+[|+]?|[|+][ :]*[-=]{2,}[ :]*[|+]")

# lines in which the rule below the header is
RULED = 4

MIN_LINES = 2


def refuse_drawn(file: DataFile, head: str) -> None:
    """Refuse a table that is drawn for readers, whose cells have blanks and bars around them.

    Raises:
        InputError: the file begins with one.
    """
    lines = [line.strip() for line in first_lines(head)]
    rows = [line for line in lines if not _RULE.fullmatch(line)]
    closed = sum(line.startswith("|") and line.endswith("|") for line in rows)
    is_ruled = any(map(_RULE.fullmatch, lines[:RULED])) and 2 * sum("|" in row for row in rows) > len(rows)
    if is_ruled or closed == len(rows) >= MIN_LINES:
        raise InputError(
            f"{file}: The file is a table drawn with bars, as in Markdown. Save it as .csv: without the line of "
            "dashes, without bars at both ends, and with commas or tabs between the cells."
        )
