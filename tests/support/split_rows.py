"""Rows as people think of them, and the columns that splitting works on."""

from dataclasses import dataclass

import numpy as np

from distill.corpora.assembly.splits import normalise_text, split_by_group
from distill.corpora.storage.columns import CorpusRows, KeyColumn, LabelRows

FRACTIONS = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Row:
    """A row as people think of it."""

    text: str
    labels: tuple[int, ...] = (0,)
    group: str | None = None
    row_id: str | None = None
    number: int = 1


def columns(rows):
    """The rows in the columns that splitting works on."""
    text, group, row_id = KeyColumn(), KeyColumn(), KeyColumn()
    for row in rows:
        text.append(normalise_text(row.text))
        group.append(row.group)
        row_id.append(row.row_id)
    return CorpusRows(
        text=text.numbers(),
        group=group.numbers(),
        key=row_id.numbers() if any(row.row_id for row in rows) else text.numbers(),
        labels=LabelRows.of(row.labels for row in rows),
        file=np.zeros(len(rows), dtype=np.int64),
        row=np.array([row.number for row in rows]),
        files=("file.csv",),
    )


def split(rows, seed):
    """The rows of each part."""
    parts = split_by_group(columns(rows), np.arange(len(rows)), FRACTIONS, seed=seed)
    return [[rows[place] for place in part] for part in parts]
