"""Texts as callers have them: lists, columns of tables, generators. What is not one row per item is refused."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from distill.export.runtime.errors import DistillError, InputError
from distill.export.runtime.reading.inputs import Row, Turn

# one text; where the bundle reads pairs, its two texts in order or by the names of its columns; where it reads
# turns, those of a conversation up to the one that is decided
Given = Row | Sequence[str] | Sequence[Turn] | Mapping[str, str]

# of pandas and polars; of pyarrow and datasets; no package is imported to find out
TABLE_ATTRIBUTES = ("columns", "column_names")

NAMED_TEXT = re.compile(r"^texts\[(\d+)\]")

ONE_STRING = (
    "texts: This is one string. Pass a list of strings, as in predict([text]), or call the classifier itself."
)


def items_of(texts: Iterable[Given]) -> Iterable[Given]:
    """Return what a caller gave as something to iterate over, one row per item.

    Columns of pandas, polars, pyarrow and datasets and one-dimensional arrays give their cells as plain values.
    Nothing is read of a generator.

    Raises:
        InputError: it is a single string, a whole table, a mapping, a set or an array of several dimensions, which
            Python would iterate over as something else than rows.
    """
    given: Any = texts
    if isinstance(given, str | bytes):
        raise InputError(ONE_STRING)
    if any(not callable(getattr(given, name, None)) and hasattr(given, name) for name in TABLE_ATTRIBUTES):
        raise InputError(
            f"texts: This is a table ({_name(given)}). Pass its column of texts, as in table['text']."
        )
    if isinstance(given, Mapping):
        raise InputError("texts: This is a mapping. Pass a list of texts, as in list(mapping.values()).")
    if isinstance(given, set | frozenset):
        raise InputError("texts: This is a set, whose order is lost. Pass a list, as in sorted(texts).")
    dimensions = getattr(given, "ndim", 1)
    if isinstance(dimensions, int) and dimensions != 1:
        raise InputError(
            f"texts: This is an array of {dimensions} dimensions, but must have 1. Pass one column, as in "
            "texts[:, 0]."
        )
    for name in ("to_pylist", "tolist"):  # pyarrow's cells are objects of its own, numpy's may be
        if callable(getattr(given, name, None)):
            plain: Iterable[Given] = getattr(given, name)()
            return plain
    if not isinstance(given, Iterable):
        raise InputError(f"texts: This must be a list of strings, but is {_name(given)}.")
    return given


def turns_of(turns: Iterable[Turn]) -> Iterable[Any]:
    """Return the turns of one conversation as something to iterate over, as `items_of` returns rows.

    Raises:
        InputError: it is not a list of turns.
    """
    try:
        return items_of(turns)
    except InputError:
        pass
    raise InputError(
        f"turns: This must be a list of turns, but is {_name(turns)}. Pass a list such as [distill.Turn(speaker, "
        "text)]."
    )


def _name(given: object) -> str:
    return type(given).__name__


def moved(error: DistillError, rows: int) -> DistillError:
    """Return the same error, with the number of its text raised by `rows`."""
    return type(error)(NAMED_TEXT.sub(lambda found: f"texts[{int(found[1]) + rows}]", str(error), count=1))


def numbered(error: DistillError, numbers: Sequence[int]) -> DistillError:
    """Return the same error, with the number that the turn of its row has in the conversation."""
    return type(error)(NAMED_TEXT.sub(lambda found: f"turns[{numbers[int(found[1])]}]", str(error), count=1))
