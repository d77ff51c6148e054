"""Label cells to label ids: names, 0-based ids, lists, and strings split at a delimiter."""

from __future__ import annotations

import ast
import re
from collections import Counter

from distill.corpora.reading.files import is_broken
from distill.corpora.reading.rows import listed
from distill.export.runtime.errors import InputError

Token = str | int

# A column with more distinct values, or longer ones, holds texts or ids rather than labels.
MAX_FOUND_LABELS = 500

MAX_LABEL_CHARS = 80

MAX_ID_DIGITS = 9

# with fewer values, the repeats of a label prove nothing
ENOUGH_VALUES = 20


class LabelError(ValueError):
    """An error for an unusable label cell; it becomes the reason of a bad row, so it never quotes the cell."""


def tokens_of(cell: object, delimiter: str | None, *, split: bool) -> tuple[Token, ...]:
    """Return the distinct names or ids in one cell, in their order; with `split` a string may hold several."""
    if hasattr(cell, "tolist"):  # numpy arrays and scalars
        cell = cell.tolist()
    if cell is None or (isinstance(cell, float) and cell != cell):
        raise LabelError("the label is missing")
    if isinstance(cell, list | tuple):
        tokens = tuple(_token(item) for item in cell)
    elif isinstance(cell, str) and split:
        tokens = _split(cell, delimiter)
    else:
        tokens = (_token(cell),)
    return tuple(dict.fromkeys(token for token in tokens if token != ""))


def _token(item: object) -> Token:
    """Return one name or id."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, int):
        return item
    if isinstance(item, float) and item.is_integer():
        return int(item)  # pandas turns a column of ids with a gap into floats
    if isinstance(item, str):
        if is_broken(item):
            raise LabelError("a label is not valid UTF-8")
        return item.strip()
    raise LabelError(f"a label of type {type(item).__name__}; labels are names or 0-based ids")


def _number(digits: str) -> int:
    if len(digits) > MAX_ID_DIGITS:
        raise LabelError(f"a label id has {len(digits)} digits; ids count the labels from 0")
    return int(digits)


def _split(cell: str, delimiter: str | None) -> tuple[Token, ...]:
    """Return the labels in a string: a written-out list such as [1, 2] or ['a', 'b'], else its parts."""
    inner = cell.strip()
    if inner.startswith("[") and inner.endswith("]"):
        if re.fullmatch(r"\[[0-9\s]*\]", inner):  # numpy prints lists of ids without commas
            return tuple(_number(part) for part in inner[1:-1].split())
        try:
            value = ast.literal_eval(inner)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = None
        if isinstance(value, list):
            return tuple(_token(item) for item in value)
    parts = cell.split(delimiter) if delimiter else [cell]
    return tuple(part.strip() for part in parts)


def find_names(counts: Counter[str], column: str) -> tuple[str, ...]:
    """Return the distinct values, sorted by number where all are numbers, else by name; `counts`: their rows."""
    found = set(counts)
    longest = max((len(name) for name in found), default=0)
    if len(found) > MAX_FOUND_LABELS or longest > MAX_LABEL_CHARS:
        raise InputError(
            f"Column '{column}' has {len(found)} distinct values of up to {longest} characters, more than "
            f"{MAX_FOUND_LABELS} labels of {MAX_LABEL_CHARS}. Does corpus.labels name the right column, and "
            "corpus.delimiter the right character? Otherwise give corpus.label_names."
        )
    total = counts.total()
    if total >= ENOUGH_VALUES and 2 * len(found) > total:
        raise InputError(
            f"Column '{column}' has {len(found)} distinct values among {total}, and labels repeat more. Does "
            "corpus.labels name the right column? If it does, give corpus.label_names."
        )
    if all(name.isascii() and name.isdigit() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def resolve(tokens: tuple[Token, ...], index: dict[str, int]) -> tuple[int, ...]:
    """Return ascending ids of the tokens; `index` maps name to id. A name wins over an id of the same digits."""
    return tuple(sorted({_resolve_one(token, index) for token in tokens}))


def is_unknown(token: Token, index: dict[str, int]) -> bool:
    """Return whether a token is a name that is not in `index`; ids are never unknown names."""
    return isinstance(token, str) and token not in index and re.fullmatch(r"-?\d{1,9}", token, re.ASCII) is None


def _resolve_one(token: Token, index: dict[str, int]) -> int:
    """Return the id of one name or id."""
    if str(token) in index:
        return index[str(token)]
    if isinstance(token, str) and re.fullmatch(r"-?\d{1,9}", token, re.ASCII):
        token = int(token)
    if isinstance(token, int):
        if 0 <= token < len(index):
            return token
        raise LabelError(f"a label id is outside 0 to {len(index) - 1}")
    raise LabelError(f"unknown label; the known labels are {listed(tuple(index))}")
