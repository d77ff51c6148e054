"""Labels of published validation and test rows that no row of train has, and names that are nearly the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.splits import SplitRows
from distill.corpora.storage.columns import CorpusRows, Ints
from distill.export.runtime.errors import InputError

HELD_OUT = ("validation", "test")

# categories of characters that no reader of a name sees, or that do not change it
_UNSEEN = frozenset({"Cf", "Cc", "Zs", "Po", "Ps", "Pe", "Pi", "Pf", "Pd", "Pc"})

# how an emoji is drawn
_VARIANTS = "\ufe0e\ufe0f"

_NUMBER = re.compile(r"\W*\d+\W*")


def plain_name(label: str) -> str:
    """Return a label's name without case, marks, blanks and variants of letters, which tell no labels apart.

    A name that is nothing else, such as `?`, stays as it is.
    """
    composed = unicodedata.normalize("NFKC", label).casefold().strip()
    if _NUMBER.fullmatch(composed):  # a mark before a number is its sign
        return composed
    kept = (c for c in composed if unicodedata.category(c) not in _UNSEEN and c not in _VARIANTS)
    return "".join(kept) or composed


def rows_of_unknown_labels(
    rows: CorpusRows, splits: SplitRows, labels: Sequence[str], counts: NDArray[Any], *, least: int
) -> int:
    """Return the number of published held-out rows that have a label of no row of train.

    Args:
        rows: all rows.
        splits: the rows of each split, before train is divided.
        labels: every label that was found.
        counts: the rows of train per label.
        least: `min_rows`; with more than 1, such rows are left out as long as some rows of their split stay.

    Raises:
        InputError: names the first of these rows.
    """
    new_ids = np.where(counts > 0, -1, np.arange(len(counts))).astype(np.int32)
    if not len(splits.get("train", ())) or not (new_ids >= 0).any():
        return 0
    unknown = rows.labels.renamed(new_ids)
    total = 0
    for name in HELD_OUT:
        members: Ints = splits.get(name, np.array([], dtype=np.int32))
        found = members[unknown.sizes()[members] > 0]
        total += len(found)
        if len(found) and (least == 1 or len(found) == len(members)):
            raise InputError(
                _complaint(rows, labels, counts, int(found[0]), unknown.ids(int(found[0]))[0], len(found))
            )
    return total


def _complaint(
    rows: CorpusRows, labels: Sequence[str], counts: NDArray[Any], row: int, label: int, number: int
) -> str:
    """Return why a row is refused; a label's name is quoted only where train has nearly the same one."""
    more = f" ({number - 1} more rows of the split have such a label)" if number > 1 else ""
    plain = plain_name(labels[label])
    near = [known for place, known in enumerate(labels) if counts[place] and plain_name(known) == plain]
    why = f"; train has '{near[0]}', which is nearly the same name" if near else ""
    return (
        f"{rows.place(row)}: The row has a label that no row of train has{why}{more}. Write labels alike "
        "in every file, or add rows of it to train. `min_rows` = 2 leaves such rows out; `labels` may "
        "name another column."
    )
