"""Labels of whole conversations: one row each, whose decided turn is the last that was said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill.corpora.storage.columns import CorpusRows, Ints
from distill.export.runtime.errors import InputError


def one_row_each(
    rows: CorpusRows, is_row: NDArray[np.bool_], place: Ints, starts: Ints, said: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Ints]:
    """Keep the labelled rows of one turn per conversation, and move them to the last turn that has a text.

    Several rows of a turn are its annotators', whose labels merge.

    Args:
        rows: N rows, of which those of every labelled turn of a conversation must have the same labels.
        is_row: whether a row has labels ``(N,)``.
        place: turn of each row ``(N,)``.
        starts: first turn of each turn's conversation ``(T,)``.
        said: whether a turn has a text ``(T,)``.

    Returns:
        Which rows are kept ``(N,)``, and the turn of each ``(N,)``. A conversation without any text has no row.

    Raises:
        InputError: two turns of one conversation have different labels.
    """
    last = np.full(len(starts), -1, dtype=np.int32)
    spoken = np.flatnonzero(said).astype(np.int32)
    np.maximum.at(last, starts[spoken], spoken)
    kept, moved = np.zeros_like(is_row), place.copy()
    labelled: dict[int, list[int]] = {}  # rows of each turn, in the order of the file
    for row in np.flatnonzero(is_row).tolist():
        labelled.setdefault(int(place[row]), []).append(row)
    first: dict[int, list[int]] = {}
    for turn, own in labelled.items():
        conversation = int(starts[turn])
        originals = first.setdefault(conversation, own)
        if _labels(rows, own) != _labels(rows, originals):
            raise InputError(
                f"{rows.place(own[0])}: The conversation has other labels here than in "
                f"{rows.place(originals[0])}. With `predict` = 'conversation' give all its turns the same ones, "
                "or decide its turns."
            )
        if originals is own and last[conversation] >= 0:
            kept[own], moved[own] = True, last[conversation]
    return kept, moved


def _labels(rows: CorpusRows, own: list[int]) -> list[list[int]]:
    """Return the labels of a turn's rows, whatever the order of its annotators."""
    return sorted(sorted(map(int, rows.labels.ids(row))) for row in own)
