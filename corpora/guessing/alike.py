"""Neighbouring columns that hold the same values, none of which is the label of its row alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distill.corpora.guessing.columns import Column
from distill.corpora.guessing.labels import MIN_BLOCK, LabelGuess
from distill.corpora.guessing.names import ABOUT_ROW_NAME, GOLD_NAME, ID_NAME, PREDICTED_NAME
from distill.corpora.reading.cells.flags import FLAGS, plain_flag
from distill.corpora.reading.cells.labels import MAX_FOUND_LABELS
from distill.corpora.reading.rows import listed

# the values of a column that its neighbour has too, of all that either has
SAME = 0.6

# ratings go up to this
MAX_RATING = 10

# names that count: label1 and label2, annotation_a and annotation_b
_NUMBERED = re.compile(r"(.*[^\d\W_])[ _.]?(?:\d|[a-cA-C])")


def alike_columns(columns: Sequence[Column], guess: LabelGuess | None) -> str | None:
    """Return why a guess is not the label: its column is one of several with the same values.

    These are ratings per label, yes and no in other words, the labels of several annotators, or several labels of
    a row.

    Args:
        columns: those that may hold labels, in their order.
        guess: the likeliest labels; None where there are none.
    """
    if guess is None or len(guess.columns) > 1:
        return None
    for run in _runs(columns):
        names = [column.name for column in run]
        if guess.columns[0] not in names:
            continue
        values = set().union(*(column.counts for column in run))
        shown = listed(names)
        if all(value.isascii() and value.removesuffix(".0").isdigit() for value in values):
            return (
                f"columns {shown} hold numbers of votes or ratings, but here a row either has a label or does "
                "not: convert them to 0 and 1, or name another column in your own recipe"
            )
        if len(values) == 2:
            return f"columns {shown} hold the same two values: write 1 where a label is meant, and 0 elsewhere"
        return (
            f"columns {shown} hold the same values: of several annotators, several labels of a row, or an answer "
            "per column. Write one column with the labels of each row, joined by commas, or columns of 0 and 1"
        )
    return None


def _runs(columns: Sequence[Column]) -> list[list[Column]]:
    """Return the runs of neighbouring columns with the same values, of two if their names count."""
    runs: list[list[Column]] = [[]]
    for column in columns:
        if not _may_be_one_of_several(column):
            runs.append([])
        elif runs[-1] and _has_same_values(runs[-1][0], column):
            runs[-1].append(column)
        else:
            runs.append([column])
    return [run for run in runs if len(run) >= MIN_BLOCK or (len(run) > 1 and _are_numbered(run))]


def _may_be_one_of_several(column: Column) -> bool:
    name, values = column.leaf, column.counts
    if any(pattern.search(name) for pattern in (GOLD_NAME, PREDICTED_NAME, ID_NAME, ABOUT_ROW_NAME)):
        return False
    flags = {plain_flag(value) for value in values} <= FLAGS.keys()
    few = 2 <= len(values) <= MAX_FOUND_LABELS // 10 and 2 * len(values) <= len(column.values)
    numbers = [value.removesuffix(".0") for value in values]
    large = all(map(str.isdigit, numbers)) and max(map(int, numbers), default=0) > MAX_RATING
    return few and not flags and not large and not column.is_time


def _has_same_values(first: Column, second: Column) -> bool:
    both = first.counts.keys() & second.counts.keys()
    return len(both) >= SAME * len(first.counts.keys() | second.counts.keys())


def _are_numbered(run: Sequence[Column]) -> bool:
    """Return whether names differ in a number or letter at their ends alone."""
    matches = [_NUMBERED.fullmatch(column.leaf) for column in run]
    return None not in matches and len({match[1] for match in matches if match}) == 1
