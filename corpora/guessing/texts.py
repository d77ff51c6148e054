"""Columns that are the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distill.corpora.guessing.columns import ID_NAME, Column, share_constant
from distill.corpora.guessing.labels import NEARLY_ALL, LabelGuess, is_printed

# columns that are shorter on average hold names, dates or titles of a few words
MIN_TEXT_CHARS = 25


MAX_TIME_CHARS = 40

_TIME = re.compile(r"\d{1,2}:\d\d|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")


def text_column(columns: Sequence[Column]) -> Column | None:
    """Return the column of strings with the longest average."""
    texts = [column for column in columns if column.is_text and not ID_NAME.search(column.leaf)]
    texts = [column for column in texts if not _is_link(column) and not _is_time(column)] or texts
    texts = [column for column in texts if len(column.counts) > 1] or texts
    texts = [column for column in texts if not _holds_labels(column)] or texts
    return max(texts, key=lambda column: column.mean_length, default=None)


def _holds_labels(column: Column) -> bool:
    """Return whether a column's long cells are a few printed lists that repeat."""
    repeated = 2 * len(column.counts) <= len(column.values)
    return repeated and sum(is_printed(str(value).strip()) for value in column.values) > NEARLY_ALL * len(
        column.values
    )


def _is_link(column: Column) -> bool:
    links = sum(str(value).startswith(("http://", "https://")) for value in column.values)
    return links > NEARLY_ALL * len(column.values)


def _is_time(column: Column) -> bool:
    """Return whether a column holds dates or times."""
    times = sum(
        _TIME.search(str(value)) is not None and len(str(value)) < MAX_TIME_CHARS for value in column.values
    )
    return times > NEARLY_ALL * len(column.values)


def texts_of_label(
    columns: Sequence[Column], text: Column, label: LabelGuess, group: Column | None
) -> tuple[Column, ...]:
    """Return the texts that a label belongs to.

    Where one group, such as a question, has one label and several rows, as its answers are, the label belongs to
    the texts that are the same for all of them.
    """
    if group is None or len(label.columns) > 1:
        return (text,)
    of_label = next(column for column in columns if column.name == label.columns[0])
    if share_constant(of_label, group) < NEARLY_ALL or share_constant(text, group) >= NEARLY_ALL:
        return (text,)
    shared = [
        column
        for column in columns
        if column.is_text
        and column.mean_length >= MIN_TEXT_CHARS
        and column.name not in label.columns
        and share_constant(column, group) >= NEARLY_ALL
        and not _is_link(column)
    ]
    return tuple(shared) or (text,)
