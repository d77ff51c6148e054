"""Columns that are the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distill.corpora.guessing.columns import NEARLY_ALL, Column, share_constant
from distill.corpora.guessing.joined import is_printed
from distill.corpora.guessing.labels import LabelGuess
from distill.corpora.guessing.names import BESIDE_TEXT_NAME, ID_NAME

# columns that are shorter on average hold names, dates or titles of a few words
MIN_TEXT_CHARS = 25

MIN_VALUES = 2

# a shorter column is not the text where another could be one
MIN_WORDS_CHARS = 8

# a printed list whose items have no blanks
_ITEM = r"""(?:'[^'\s]*'|"[^"\s]*"|[-+.\deE]+|nan)"""
_ITEMS = re.compile(rf"\[\s*{_ITEM}(?:[\s,]+{_ITEM})*\s*\]")

_NUMBERED = re.compile(r"(.+?)_?[12aAbB]")


def text_column(columns: Sequence[Column]) -> Column | None:
    """Return the column of strings with the longest average, none that is a link, a time, a path or a list."""
    texts = [column for column in columns if column.is_text and not ID_NAME.search(column.leaf)]
    for unlikely in (
        lambda column: column.is_link or column.is_time,
        lambda column: len(column.counts) < MIN_VALUES,
        _holds_labels,
        lambda column: not _holds_words(column) or _holds_items(column),
        lambda column: BESIDE_TEXT_NAME.search(column.leaf) is not None or column.mean_length < MIN_WORDS_CHARS,
    ):
        texts = [column for column in texts if not unlikely(column)] or texts
    return max(texts, key=lambda column: column.mean_length, default=None)


def _holds_words(column: Column) -> bool:
    """Return whether cells have blanks or letters beyond ASCII, which hashes and paths of files have not."""
    return any(" " in str(value).strip() or not str(value).isascii() for value in column.values)


def _holds_items(column: Column) -> bool:
    """Return whether nearly all cells are printed lists of numbers or single words: tokens, vectors."""
    lists = sum(_ITEMS.fullmatch(str(value).strip()) is not None for value in column.values)
    return lists > NEARLY_ALL * len(column.values)


def _holds_labels(column: Column) -> bool:
    """Return whether a column's long cells are a few printed lists that repeat."""
    repeated = 2 * len(column.counts) <= len(column.values)
    return repeated and sum(is_printed(str(value).strip()) for value in column.values) > NEARLY_ALL * len(
        column.values
    )


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
        and not column.is_link
    ]
    return tuple(shared) or (text,)


def pair_of_texts(
    columns: Sequence[Column], texts: Sequence[Column], labels: Sequence[str]
) -> tuple[str, str] | None:
    """Return two columns of texts that may be a pair, one of them the text; None without two texts.

    Args:
        columns: of the table, in its order.
        texts: the columns that are read as the text.
        labels: the names of the label columns.
    """
    if len(texts) == 2:
        return texts[0].name, texts[1].name
    numbered = _NUMBERED.fullmatch(texts[0].name) if len(texts) == 1 else None
    if numbered is not None:
        # sentence1 and sentence2, with parses of them between
        alike = [
            column for column in columns if (match := _NUMBERED.fullmatch(column.name)) and match[1] == numbered[1]
        ]
        if len(alike) == 2 and all(map(_may_be_text, alike)):
            return alike[0].name, alike[1].name
    others = [column for column in columns if column.name not in labels]
    place = next((at for at, column in enumerate(others) if column in texts), None)
    if place is None or len(texts) > 1:
        return None
    for first, second in ((place - 1, place), (place, place + 1)):
        if first >= 0 and second < len(others) and _may_be_text(others[first]) and _may_be_text(others[second]):
            return others[first].name, others[second].name
    return None


def belong_together(pair: tuple[str, str]) -> bool:
    """Return whether names say that a label is of both columns: premise and hypothesis, text_a and text_b."""
    if {name.casefold() for name in pair} == {"premise", "hypothesis"}:
        return True
    first, second = map(_NUMBERED.fullmatch, pair)
    return first is not None and second is not None and first[1] == second[1]


def _may_be_text(column: Column) -> bool:
    long = column.is_text and column.mean_length >= MIN_TEXT_CHARS and len(column.counts) > 1
    return long and not (column.is_link or column.is_time or _holds_labels(column) or _holds_items(column))
