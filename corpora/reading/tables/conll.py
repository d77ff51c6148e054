"""Tables of tokens: one token per line with its tag in the last column, sentences set apart by blank lines."""

from __future__ import annotations

import re

from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

SUFFIXES = (".conll", ".conllu", ".iob", ".bio")

_TAG = re.compile(r"(?:[BIOESLUM]|[BIESLUM]-[\w.\-]+)")

_BLOCKS = re.compile(r"\n[ \t\r]*\n")

MIN_BLOCKS = 3

SAMPLED_BLOCKS = 50


def refuse_conll(file: DataFile, head: str) -> None:
    """Refuse a table of tokens, which no task of this project reads.

    Raises:
        InputError: the file is such a table, by its suffix or by its tags.
    """
    if file.suffix in SUFFIXES or is_conll(head):
        raise InputError(
            f"{file}: The file holds CoNLL columns, one token per line with its tag in the last column. Labels "
            "here are of whole texts, so join each sentence into one row with its own label."
        )


def is_conll(head: str) -> bool:
    """Return whether blocks of lines all end in a tag such as O, B-LOC or I-joy."""
    if "\n" not in head:
        return False
    blocks = [block for block in _BLOCKS.split(head)[:SAMPLED_BLOCKS] if block.strip()]
    if len(blocks) < MIN_BLOCKS:
        return False
    tags = set()
    for block in blocks[:-1]:
        for line in block.splitlines():
            cells = line.split("\t") if "\t" in line else line.split()
            if line.startswith(("#", "-DOCSTART-")):
                continue
            if len(cells) < 2 or not _TAG.fullmatch(cells[-1].strip()):
                return False
            tags.add(cells[-1].strip())
    return "O" in tags and len(tags) > 1
