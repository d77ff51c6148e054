"""From label cells to targets, one codec per kind of task: parse a cell, merge annotators, encode rows.

`targets` are what `corpora.corpus.Split` keeps of a split's labels; `gold` is 0/1 ``(N, C)`` for every kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final

import numpy as np
from numpy.typing import NDArray

from distill.corpora.reading.cells.labels import LabelError, Token, tokens_of
from distill.corpora.storage.columns import LabelRows
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.deciding.tasks import task_of
from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.fields import is_printable

Targets = NDArray[np.int32] | NDArray[np.uint8]


class TargetCodec(Protocol):
    """A codec of the labels of one kind of task; `several`: a row may have any number of them."""

    several: ClassVar[bool]

    def parse(self, cell: object, delimiter: str | None) -> tuple[Token, ...]:
        """Return the names or ids in one cell.

        Raises:
            LabelError: the cell cannot be used; never quotes it.
        """
        ...

    def merge(self, votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the label ids of one row from those that several annotators gave."""
        ...

    def encode(self, labels: LabelRows, num_labels: int) -> Targets:
        """Return the targets of rows from their label ids."""
        ...

    def decode(self, targets: Targets) -> LabelRows:
        """Return the label ids of rows from their targets."""
        ...

    def indicator(self, targets: Targets, num_labels: int) -> NDArray[np.float32]:
        """Return targets as gold, 0/1 ``(N, C)``."""
        ...


@final
@dataclass(frozen=True)
class SingleTargets:
    """Exactly one label per row; targets are class ids, int32 ``(N,)``."""

    several: ClassVar[bool] = False

    def parse(self, cell: object, delimiter: str | None) -> tuple[Token, ...]:
        """Return the one name or id in a cell."""
        tokens = tokens_of(cell, None, split=False)
        if len(tokens) != 1:
            raise LabelError(f"{len(tokens)} labels where a single-label task has exactly 1")
        return tokens

    def merge(self, votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the label that most annotators gave; on a tie, the one seen first."""
        return Counter(votes).most_common(1)[0][0]

    def encode(self, labels: LabelRows, num_labels: int) -> Targets:
        """Return the class id of each row, ``(N,)``."""
        return labels.values

    def decode(self, targets: Targets) -> LabelRows:
        """Return one id per row."""
        return LabelRows.one_each(targets)

    def indicator(self, targets: Targets, num_labels: int) -> NDArray[np.float32]:
        """Return class ids as 0/1 ``(N, C)``."""
        return np.eye(num_labels, dtype=np.float32)[targets.astype(np.int64)]


@final
@dataclass(frozen=True)
class MultiTargets:
    """Any number of labels per row; targets are 0/1, uint8 ``(N, C)``."""

    several: ClassVar[bool] = True

    def parse(self, cell: object, delimiter: str | None) -> tuple[Token, ...]:
        """Return the names or ids in a cell, which may be none."""
        return tokens_of(cell, delimiter, split=True)

    def merge(self, votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the labels that at least half of the annotators gave.

        Where no label reaches half although most annotators gave one, the most frequent label stays, among
        equals the one seen first: an empty row would say that nothing applies, which most of them disagree with.
        """
        counts = Counter(label for labels in votes for label in labels)
        chosen = tuple(sorted(label for label, count in counts.items() if 2 * count >= len(votes)))
        mostly_empty = 2 * sum(not labels for labels in votes) >= len(votes)
        if chosen or mostly_empty:
            return chosen
        return (counts.most_common(1)[0][0],)

    def encode(self, labels: LabelRows, num_labels: int) -> Targets:
        """Return 0/1 ``(N, C)``."""
        matrix = np.zeros((len(labels), num_labels), dtype=np.uint8)  # (N, C)
        matrix[labels.row_of_value(), labels.values] = 1
        return matrix

    def decode(self, targets: Targets) -> LabelRows:
        """Return the ids of the ones in each row."""
        rows, labels = np.nonzero(targets)
        return LabelRows.of_pairs(rows, labels, len(targets))

    def indicator(self, targets: Targets, num_labels: int) -> NDArray[np.float32]:
        """Return targets as float32."""
        return targets.astype(np.float32)


@final
@dataclass(frozen=True)
class OrdinalTargets:
    """Exactly one level per row; targets are its place in the order, int32 ``(N,)``."""

    several: ClassVar[bool] = False

    def parse(self, cell: object, delimiter: str | None) -> tuple[Token, ...]:
        """Return the one name or id in a cell."""
        tokens = tokens_of(cell, None, split=False)
        if len(tokens) != 1:
            raise LabelError(f"{len(tokens)} levels where an ordinal task has exactly 1")
        return tokens

    def merge(self, votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the median of the levels that annotators gave; of two in the middle the higher."""
        levels = sorted(level for (level,) in votes)
        return (levels[len(levels) // 2],)

    def encode(self, labels: LabelRows, num_labels: int) -> Targets:
        """Return the level of each row, ``(N,)``."""
        return labels.values

    def decode(self, targets: Targets) -> LabelRows:
        """Return one level per row."""
        return LabelRows.one_each(targets)

    def indicator(self, targets: Targets, num_labels: int) -> NDArray[np.float32]:
        """Return levels as 0/1 ``(N, C)``."""
        return np.eye(num_labels, dtype=np.float32)[targets.astype(np.int64)]


CODECS: Mapping[str, TargetCodec] = {
    "multi_label": MultiTargets(),
    "single_label": SingleTargets(),
    "ordinal": OrdinalTargets(),
}


def checked_task(kind: str, labels: tuple[str, ...]) -> Task:
    """Return the task of a corpus.

    Raises:
        InputError: labels that no classifier could be trained on, or that a bundle refuses.
    """
    if len(labels) < 2:
        raise InputError(
            f"A task needs at least 2 labels, but has {len(labels)}. Check the labels column and label_names."
        )
    # a bundle would refuse them, hours later
    odd = [name for name in labels if not name.strip() or not is_printable(name)]
    if odd:
        why = "has control characters" if odd[0].strip() else "is blank"
        raise InputError(f"Label {odd[0]!a} {why}. Correct it.")
    repeated = sorted({name for name in labels if labels.count(name) > 1})
    if repeated:
        raise InputError(f"Label names must differ, but these repeat: {', '.join(repeated)}. Remove the repeats.")
    return task_of(kind, labels)


def task_to_dict(task: Task) -> dict[str, Any]:
    """Return plain data for JSON."""
    return {"kind": task.kind, "labels": list(task.labels)}


def task_from_dict(data: dict[str, Any]) -> Task:
    """Return the task that `task_to_dict` wrote."""
    return checked_task(str(data["kind"]), tuple(str(name) for name in data["labels"]))
