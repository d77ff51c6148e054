"""Labels of whole conversations: one row each, whose decided turn is the last that was said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill.corpora.storage.columns import CorpusRows, Ints
from distill.export.runtime.errors import InputError


def one_row_each(
    rows: CorpusRows, is_row: NDArray[np.bool_], place: Ints, starts: Ints, said: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Ints]:
    """Keep one labelled row per conversation, and move it to the last turn that has a text.

    Args:
        rows: N rows, of which every labelled one of a conversation must have the same labels.
        is_row: whether a row has labels ``(N,)``.
        place: turn of each row ``(N,)``.
        starts: first turn of each turn's conversation ``(T,)``.
        said: whether a turn has a text ``(T,)``.

    Returns:
        Which rows are kept ``(N,)``, and the turn of each ``(N,)``. A conversation without any text has no row.

    Raises:
        InputError: two rows of one conversation have different labels.
    """
    last = np.full(len(starts), -1, dtype=np.int32)
    spoken = np.flatnonzero(said).astype(np.int32)
    np.maximum.at(last, starts[spoken], spoken)
    kept, moved = np.zeros_like(is_row), place.copy()
    first: dict[int, int] = {}
    for row in np.flatnonzero(is_row).tolist():
        conversation = int(starts[place[row]])
        original = first.setdefault(conversation, row)
        if list(rows.labels.ids(row)) != list(rows.labels.ids(original)):
            raise InputError(
                f"{rows.place(row)}: The conversation has other labels here than in {rows.place(original)}. With "
                "`predict` = 'conversation' give all its rows the same ones, or label its turns and decide these."
            )
        if original == row and last[conversation] >= 0:
            kept[row], moved[row] = True, last[conversation]
    return kept, moved
