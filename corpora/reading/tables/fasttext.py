"""The lines that fastText trains on: `__label__joy __label__love a text`, any number of labels per line."""

from __future__ import annotations

import re

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import Record, Rows
from distill.corpora.reading.streams import DataFile, beginning, lines

PREFIX = "__label__"

TEXT, LABELS = "text", "labels"

SAMPLED_LINES = 50

_LABEL = re.compile(rf"(?<!\S){PREFIX}([^\s,]+)")

# what some tools write between labels and text
_JOINTS = " \t,:"


def is_fasttext(file: DataFile, form: TableForm) -> bool:
    """Return whether each of a file's first lines has a label with fastText's prefix."""
    head = beginning(file, form.recoded)
    first = [line for line in head.split("\n")[:SAMPLED_LINES] if line.strip()]
    return bool(first) and all(_LABEL.search(line) for line in first)


def read_fasttext(file: DataFile, form: TableForm) -> Rows:
    """Yield a row per line: its `text`, and the list of its `labels` without their prefix."""
    for number, line in lines(file, form.recoded):
        if line.strip():
            text = _LABEL.sub("", line).strip(_JOINTS)
            yield Record(str(file), number, {TEXT: text, LABELS: _LABEL.findall(line)})
