"""Tables of tokens: one token per line with its tag in the last column, sentences set apart by blank lines."""

from __future__ import annotations

import re
from collections.abc import Collection

from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

SUFFIXES = (".conll", ".conllu", ".iob", ".bio")

_TAG = re.compile(r"(?:[BIOESLUM]|[BIESLUM]-[\w.\-]+)")

_BLOCKS = re.compile(r"\n[ \t\r]*\n")

# tags of parts of speech or of phrases
_PLAIN_TAG = re.compile(r"[A-Z][A-Z0-9\-_.$]*")

MIN_BLOCKS = 3

# lines per block, and lines per tag
MIN_LINES, REPEATED = 3, 5

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


def are_tags(names: Collection[str]) -> bool:
    """Return whether names are tags of tokens: O, and others such as B-LOC or I-joy."""
    return "O" in names and len(names) > 1 and all(map(_TAG.fullmatch, names))


def is_conll(head: str) -> bool:
    """Return whether blocks of lines hold one token each: all end in a tag such as O, B-LOC or NOUN."""
    if "\n" not in head:
        return False
    blocks = [block for block in _BLOCKS.split(head)[:SAMPLED_BLOCKS] if block.strip()]
    if len(blocks) < MIN_BLOCKS:
        return False
    lines = [
        line.split("\t") if "\t" in line else line.split()
        for block in blocks[:-1]
        for line in block.splitlines()
        if not line.startswith(("#", "-DOCSTART-"))
    ]
    if not lines or any(len(cells) < 2 for cells in lines):
        return False
    tags = {cells[-1].strip() for cells in lines}
    # other tags than these: in sentences of several lines, each line begins with one word and has as many fields
    one_word = all(len(cells) == len(lines[0]) and " " not in cells[0].strip() for cells in lines)
    several = len(lines) >= MIN_LINES * len(blocks[:-1]) and REPEATED * len(tags) <= len(lines)
    return are_tags(tags) or (one_word and several and all(map(_PLAIN_TAG.fullmatch, tags)))
