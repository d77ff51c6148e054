"""Columns that say which rows belong together: groups, annotators, and identifiers of a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from distill.corpora.guessing.columns import Column
from distill.corpora.guessing.names import ANNOTATOR_NAME, GROUP_NAME, ID_NAME, LABEL_NAME
from distill.corpora.reading.cells.labels import MAX_LABEL_CHARS

_SCALE_NAME = re.compile(r"rating|stars|severity|level|score|intensity|risk", re.IGNORECASE)

MIN_GROUPS = 3

# with fewer, no draw of whole groups comes near 80, 10 and 10 %
ENOUGH_GROUPS = 10

# if at least this share of the rows repeats another one, repeats belong to the corpus's design
MANY_REPEATS = 0.05


def group_columns(columns: Sequence[Column]) -> list[Column]:
    """Return the columns named for an id or a group whose values have several rows each, best first."""

    def rank(column: Column) -> tuple[int, float]:
        keys = column.keys
        runs = 1 + sum(before != after for before, after in pairwise(keys))
        # the rows of a conversation are adjacent, those of an annotator are not
        return (_name_hints(column.leaf), len(column.counts) / runs)

    return sorted((column for column in columns if _may_group(column)), key=rank, reverse=True)


def _name_hints(name: str) -> int:
    """Count the signs of a group in a column's name."""
    return (ID_NAME.search(name) is not None) + (GROUP_NAME.search(name) is not None)


def _may_group(column: Column) -> bool:
    """Return whether a column can group rows: a fitting name, short values, several groups, few lone rows."""
    sizes = column.counts
    if not _name_hints(column.leaf) or ANNOTATOR_NAME.search(column.leaf):
        return False
    if LABEL_NAME.search(column.leaf) and not ID_NAME.search(column.leaf):
        return False  # an act of a dialogue, an emotion of a client
    if max(map(len, sizes), default=0) > MAX_LABEL_CHARS:
        return False
    alone = sum(size == 1 for size in sizes.values())
    return len(sizes) >= MIN_GROUPS and 2 * alone < len(column.values)


def can_be_split(group: Column) -> bool:
    """Return whether whole groups can be drawn into parts of 80, 10 and 10 %."""
    return len(group.counts) >= ENOUGH_GROUPS


def annotator_column(columns: Sequence[Column]) -> Column | None:
    """Return the column that says who annotated a row."""
    return next((column for column in columns if ANNOTATOR_NAME.search(column.leaf) and column.counts), None)


def row_id_columns(columns: Sequence[Column], text: Column, group: Column | None) -> tuple[str, ...] | None:
    """Return the columns whose values a row shares with its repeats, and with no other text."""
    ids = [column for column in columns if ID_NAME.search(column.leaf) and not ANNOTATOR_NAME.search(column.leaf)]
    candidates: list[tuple[Column, ...]] = [(column,) for column in ids]
    if group is not None:
        candidates += [(group, column) for column in ids if column is not group]
    for candidate in candidates:
        keys = list(zip(*(column.keys for column in candidate), strict=True))
        if not all(all(key) for key in keys):
            continue
        texts: dict[tuple[str, ...], set[str]] = {}
        for key, value in zip(keys, text.keys, strict=True):
            texts.setdefault(key, set()).add(value)
        one_text = sum(len(values) == 1 for values in texts.values())
        if one_text >= 0.99 * len(texts) and len(texts) < (1 - MANY_REPEATS / 5) * len(keys):
            return tuple(column.name for column in candidate)
    return None


def repeats(text: Column, within: Column | None = None) -> float:
    """Return the share of rows whose text an earlier row has too; with `within`, only one of another group."""
    first: dict[str, str] = {}
    repeated = 0
    groups = within.keys if within is not None else [str(row) for row in range(len(text.cells))]
    for key, group in zip(text.keys, groups, strict=True):
        repeated += first.setdefault(key.casefold(), group) != group
    return repeated / max(len(text.cells), 1)


def label_order(column: str, tokens: Sequence[object]) -> list[str] | None:
    """Return labels that look like levels of one scale in their order; None where they do not.

    Args:
        column: the name of their column.
        tokens: the labels.
    """
    names = [str(token) for token in tokens]
    for scale in SCALES:
        levels = {level: name for name in names for level in scale if name.casefold() == level}
        if len(levels) == len(names) >= 3:
            return [levels[level] for level in scale if level in levels]
    numbers = sorted(int(name) for name in names if name.isdigit())
    if _SCALE_NAME.search(column) and len(numbers) == len(names) >= 3:
        return [str(number) for number in numbers]
    return None


SCALES = (
    ("supportive", "indicator", "ideation", "behavior", "behaviour", "attempt"),
    (
        "none",
        "no risk",
        "low",
        "low risk",
        "mild",
        "medium",
        "moderate",
        "moderate risk",
        "high",
        "high risk",
        "severe",
    ),
    ("minimal", "minimum", "none", "mild", "moderate", "moderately severe", "severe", "extreme"),
    ("very negative", "negative", "neutral", "positive", "very positive"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("never", "rarely", "sometimes", "often", "always"),
)
