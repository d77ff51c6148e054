"""Signs of splits, groups and broken characters that a recipe cannot follow as they are, for its comments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from distill.corpora.guessing.columns import Column, are_blocks
from distill.corpora.guessing.names import GROUP_NAME, ID_NAME
from distill.corpora.reading.cells.flags import FLAGS, plain_flag
from distill.corpora.reading.places.split_names import split_in_cell

MAX_SPLITS = 6

# with fewer groups, equal values say little
ENOUGH_GROUPS = 10

# share of texts with broken characters above which a comment says so
BROKEN = 0.02

_SPLIT_FLAG = re.compile(r"^(?:(?:is|in)_?)?(?:train|test|dev|val|valid|validation)(?:_?set)?$", re.IGNORECASE)

# the number at the end of an id, behind a group's: conv3_utt4, 17-2
_LAST_NUMBER = re.compile(r"[\W_]+[A-Za-z]*\d+$")

# what is left of letters beyond ASCII, or typographic marks, whose UTF-8 bytes were read as cp1252
_MISREAD = re.compile("[ÃÂ][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]|â€")


def split_hints(columns: Sequence[Column]) -> Iterator[str]:
    """Yield columns that look like published splits, but do not name them so that they can be read."""
    for column in columns:
        values = column.counts
        splits = {split_in_cell(value) for value in values}
        named = "train" in splits and None in splits and len(values) <= MAX_SPLITS
        flags = {plain_flag(value) for value in values} <= FLAGS.keys() and len(values) > 1
        if named or (flags and _SPLIT_FLAG.search(column.leaf)):
            yield (
                f'"{column.name}" looks like published splits: write train, validation and test in its cells, and '
                f'split = "{column.name}"'
            )


def group_hints(columns: Sequence[Column], text: Column) -> Iterator[str]:
    """Yield columns that may say which rows belong together, where none of them is read as the group.

    Args:
        columns: none of which is the text, the split or a label.
        text: the column of texts.
    """
    rows = len(text.cells)
    for column in columns:
        values, keys = column.counts, column.keys
        filled = values.total()
        hinted = GROUP_NAME.search(column.leaf) or ID_NAME.search(column.leaf)
        if hinted and keys[0] and 2 * filled <= rows and len(values) == filled >= ENOUGH_GROUPS:
            yield (
                f'"{column.name}" has a value in {filled} of {rows} rows: if these are groups, as merged cells '
                f'leave them, fill the rows below, and group = "{column.name}"'
            )
        elif not hinted and len(values) >= ENOUGH_GROUPS and are_blocks(keys, values):
            yield f'group = "{column.name}" would keep rows with the same value together'
        elif filled == rows == len(values):
            parts = [_LAST_NUMBER.sub("", key) for key in keys]
            if parts != keys and len(set(parts)) >= ENOUGH_GROUPS and are_blocks(parts, Counter(parts)):
                yield (
                    f'the values of "{column.name}" begin alike in {len(set(parts))} blocks of rows, like '
                    "turns of a conversation: write the beginning in a column, and name it as group"
                )


def broken_characters(text: Column) -> str | None:
    """Return a comment where texts have what UTF-8 looks like in another encoding."""
    found = sum(_MISREAD.search(str(value)) is not None for value in text.values)
    if found <= BROKEN * len(text.values):
        return None
    return (
        f"{found / len(text.values):.0%} of the texts have characters such as Ã¼ or â€™, as UTF-8 looks that was "
        "read in another encoding and saved: repair these in the file"
    )
