"""A corpus in memory: texts, targets and groups in four splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.storage.columns import LabelRows
from distill.corpora.storage.text_store import BLOCK
from distill.corpora.storage.windows import Windows
from distill.corpora.targets import CODECS, Targets, task_to_dict
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row, Turns, segments_of

LABELLED_SPLITS = ("train", "validation", "test")

# the note of a corpus whose rows have no labels
UNLABELLED = "rows_unlabelled"


@dataclass(frozen=True)
class Split:
    """Rows in order; row ids elsewhere are positions in it.

    `targets` are what the task's codec makes of labels, one element per row; None in the transfer split.
    `groups` tells groups apart by numbers (N,), whose names nobody needs any more; None where the corpus has no
    group column. `texts` are strings, or pairs of them in a corpus of pairs. They may be in a file: go through
    them once, in order.
    """

    texts: Sequence[Row] = field(repr=False)
    targets: Targets | None
    groups: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.texts)


@dataclass(frozen=True)
class Subgroup:
    """A column that divides the test rows: its values in order, and the number of each row's ``(N,)``.

    The number is -1 where a cell is empty.
    """

    column: str
    values: tuple[str, ...]
    numbers: NDArray[np.int32] = field(repr=False)


@dataclass(frozen=True)
class Corpus:
    """A task and its rows; `notes` counts what reading, merging and leak removal did.

    `source` says which files the rows were read from, as `corpora.provenance` records it. `turns` is what a row is
    where rows are turns of conversations, None elsewhere. `subgroups` divide the test rows, for a report alone.
    """

    task: Task
    train: Split
    validation: Split
    test: Split
    transfer: Split | None = None
    notes: dict[str, int] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    turns: Turns | None = None
    subgroups: tuple[Subgroup, ...] = ()

    def splits(self) -> Iterator[tuple[str, Split]]:
        """Yield names and splits in their fixed order, the transfer split last where there is one."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test
        if self.transfer is not None:
            yield "transfer", self.transfer

    @property
    def is_labelled(self) -> bool:
        """Return whether its rows have labels."""
        return self.train.targets is not None

    @property
    def unseen_texts(self) -> Sequence[Row]:
        """The texts that no model learns from: the test split's, or validation's where there is no test split."""
        return self.test.texts if len(self.test) else self.validation.texts

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of what a model can learn from: label order, and texts and targets of every split."""
        digest = hashlib.sha256()
        digest.update(json.dumps(task_to_dict(self.task), sort_keys=True).encode())
        if isinstance(self.train.texts, Windows):
            digest.update(json.dumps(self.turns and asdict(self.turns), sort_keys=True).encode())
            for line in _lines_of(self.train.texts):
                digest.update(line)
        for name, split in self.splits():
            digest.update(f"\n{name} {len(split)} {split.targets is not None}\n".encode())
            if isinstance(split.texts, Windows):  # their texts are hashed once, above
                for place, ids in zip(split.texts.places, ids_from_targets(split, self.task), strict=True):
                    digest.update(f"{place} {ids}\n".encode())
                continue
            for text, labels in zip(split.texts, ids_from_targets(split, self.task), strict=True):
                # lengths keep "ab" + "c" apart from "a" + "bc"
                *first, last = [segment.encode() for segment in segments_of(text)]
                digest.update(b"".join(f"{len(data)}\n".encode() + data for data in first))
                digest.update(f"{len(last)} {labels}\n".encode() + last)
        return digest.hexdigest()


def _lines_of(windows: Windows) -> Iterator[bytes]:
    """Yield every turn of a corpus as bytes, with its speaker and the first turn of its conversation."""
    log = windows.log
    for start in range(0, len(log), BLOCK):
        places = np.arange(start, min(start + BLOCK, len(log)), dtype=np.int32)
        for place, turn in zip(places, log.turns(places), strict=True):
            text = turn.text.encode()
            yield f"{log.starts[place]} {log.speakers[place]} {len(text)}\n".encode() + text


def targets_of(labels: LabelRows, task: Task) -> Targets:
    """Return label ids of every row as the targets that `Split` describes."""
    return CODECS[task.kind].encode(labels, task.num_labels)


def ids_from_targets(split: Split, task: Task) -> Iterator[list[int]]:
    """Yield the label ids of every row, ascending; empty lists for a split without targets."""
    if split.targets is None:
        yield from ([] for _ in range(len(split)))
        return
    for start in range(0, len(split), BLOCK):
        labels = CODECS[task.kind].decode(split.targets[start : start + BLOCK])
        yield from (list(labels.ids(row)) for row in range(len(labels)))


def label_matrix(split: Split, task: Task) -> NDArray[np.float32]:
    """Return targets as 0/1, float32 (N, C), whatever the kind of task."""
    if split.targets is None:
        raise InputError("The rows have no labels. Use a labelled split of a labelled corpus.")
    return CODECS[task.kind].indicator(split.targets, task.num_labels)


def with_train_rows(corpus: Corpus, rows: int | None) -> Corpus:
    """Return the corpus with at most `rows` rows of train, spread evenly over it; None keeps all.

    The other splits stay whole, so that scores of students of fewer rows are of the same test set.
    """
    return corpus if rows is None else replace(corpus, train=_evenly_cut(corpus.train, rows))


def test_groups(corpora: Sequence[Corpus]) -> NDArray[np.int32] | None:
    """Return the group numbers of the test rows of several corpora, one after the other; None without groups."""
    known = [corpus.test.groups for corpus in corpora if corpus.test.groups is not None]
    return np.concatenate(known) if known and len(known) == len(corpora) else None


def test_subgroups(corpora: Sequence[Corpus]) -> tuple[Subgroup, ...]:
    """Return the subgroups of the test rows of several corpora of one source, one after the other."""
    pooled = []
    for same in zip(*(corpus.subgroups for corpus in corpora), strict=True):
        values = sorted({value for one in same for value in one.values})
        places = [np.array([values.index(value) for value in one.values] + [-1], dtype=np.int32) for one in same]
        numbers = [place[one.numbers] for place, one in zip(places, same, strict=True)]
        pooled.append(Subgroup(same[0].column, tuple(values), np.concatenate(numbers)))
    return tuple(pooled)


def part_of(corpus: Corpus, rows: int) -> Corpus:
    """Return at most `rows` rows of each split, spread evenly over it, to rank candidates by short trials."""
    return replace(
        corpus,
        train=_evenly_cut(corpus.train, rows),
        validation=_evenly_cut(corpus.validation, rows),
        test=_evenly_cut(corpus.test, rows),
        subgroups=(),
        transfer=None if corpus.transfer is None else _evenly_cut(corpus.transfer, rows),
    )


def _evenly_cut(split: Split, rows: int) -> Split:
    """Return at most `rows` rows of a split."""
    if len(split) <= rows:
        return split
    chosen = evenly_spread(len(split), rows)
    targets = None if split.targets is None else split.targets[chosen]
    groups = None if split.groups is None else split.groups[chosen]
    if isinstance(split.texts, Windows):
        return Split(split.texts.at(chosen), targets, groups)
    return Split([split.texts[row] for row in chosen], targets, groups)


def evenly_spread(count: int, rows: int) -> NDArray[np.int64]:
    """Return the positions of at most `rows` of `count` rows, from the first to the last."""
    return np.linspace(0, count - 1, min(count, rows)).round().astype(np.int64)
