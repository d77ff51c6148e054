"""A corpus in memory and on disk: texts, targets and groups in four splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.readers import TRAIN_EXTRA
from corpora.task import Task, TaskKind
from export.runtime.errors import InputError, MissingExtraError

LABELLED_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Rows in order; row ids elsewhere are positions in here.

    `targets` are class ids, int64 (N,), for single-label; 0/1, float32 (N, C), for multi-label; None in
    the transfer split. `groups` is None where the corpus has no group column.
    """

    texts: list[str] = field(repr=False)
    targets: NDArray[np.int64] | NDArray[np.float32] | None
    groups: list[str] | None = None

    def __len__(self) -> int:
        """The number of rows, N."""
        return len(self.texts)


@dataclass(frozen=True)
class Corpus:
    """A task and its rows; `notes` counts what reading, merging and leak removal did."""

    task: Task
    train: Split
    validation: Split
    test: Split
    transfer: Split | None = None
    notes: dict[str, int] = field(default_factory=dict)

    def splits(self) -> Iterator[tuple[str, Split]]:
        """Names and splits in their fixed order, the transfer split last where there is one."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test
        if self.transfer is not None:
            yield "transfer", self.transfer


def targets_from_ids(ids: list[tuple[int, ...]], task: Task) -> NDArray[np.int64] | NDArray[np.float32]:
    """Label ids of every row as the targets that `Split` describes."""
    if task.kind is TaskKind.SINGLE_LABEL:
        return np.array([row[0] for row in ids], dtype=np.int64)
    matrix = np.zeros((len(ids), task.num_labels), dtype=np.float32)  # (N, C)
    for row, labels in enumerate(ids):
        matrix[row, list(labels)] = 1.0
    return matrix


def ids_from_targets(split: Split) -> list[list[int]]:
    """The label ids of every row, ascending; empty lists for a split without targets."""
    if split.targets is None:
        return [[] for _ in split.texts]
    if split.targets.ndim == 1:
        return [[int(label)] for label in split.targets]
    return [[int(label) for label in np.flatnonzero(row)] for row in split.targets]


def label_matrix(split: Split, task: Task) -> NDArray[np.float32]:
    """Targets as 0/1, float32 (N, C), whatever the kind of task."""
    if split.targets is None:
        raise InputError("the transfer split has no labels; use train, validation or test")
    if split.targets.ndim == 2:
        return split.targets.astype(np.float32)
    return np.eye(task.num_labels, dtype=np.float32)[split.targets.astype(np.int64)]


def part_of(corpus: Corpus, rows: int) -> Corpus:
    """At most `rows` rows of each split, spread evenly over it, for trying things out."""

    def cut(split: Split) -> Split:
        if len(split) <= rows:
            return split
        chosen = np.linspace(0, len(split) - 1, rows).round().astype(int)
        targets = None if split.targets is None else split.targets[chosen]
        groups = None if split.groups is None else [split.groups[row] for row in chosen]
        return Split([split.texts[row] for row in chosen], targets, groups)

    transfer = None if corpus.transfer is None else cut(corpus.transfer)
    return replace(
        corpus,
        train=cut(corpus.train),
        validation=cut(corpus.validation),
        test=cut(corpus.test),
        transfer=transfer,
    )


def fingerprint(corpus: Corpus) -> str:
    """The sha256 of what a model can learn from: label order, and texts and targets of every split."""
    digest = hashlib.sha256()
    digest.update(json.dumps(corpus.task.to_dict(), sort_keys=True).encode())
    for name, split in corpus.splits():
        digest.update(f"\n{name} {len(split)} {split.targets is not None}\n".encode())
        for text, labels in zip(split.texts, ids_from_targets(split), strict=True):
            data = text.encode()
            # lengths keep "ab" + "c" apart from "a" + "bc"
            digest.update(f"{len(data)} {labels}\n".encode() + data)
    return digest.hexdigest()


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Write one parquet file a split and `task.json`; the same corpus gives the same bytes."""
    pa, pq = _pyarrow()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transfer.parquet").unlink(missing_ok=True)  # of an earlier execution
    for name, split in corpus.splits():
        columns = {
            "text": pa.array(split.texts, pa.string()),
            "labels": pa.array(ids_from_targets(split), pa.list_(pa.int64())),
            "group": pa.array(_groups_or_nulls(split), pa.string()),
        }
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", compression="zstd")
    data = {"task": corpus.task.to_dict(), "fingerprint": fingerprint(corpus), "notes": corpus.notes}
    (folder / "task.json").write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_corpus(folder: Path) -> Corpus:
    """The corpus that `save_corpus` wrote, checked against its fingerprint."""
    try:
        data = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        task = Task.from_dict(data["task"])
        train, validation, test = (_load_split(folder / f"{name}.parquet", task) for name in LABELLED_SPLITS)
        path = folder / "transfer.parquet"
        transfer = _load_split(path, None) if path.exists() else None
        corpus = Corpus(task, train, validation, test, transfer, dict(data["notes"]))
        stored = data["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: not a whole saved corpus ({type(error).__name__}); run the corpus stage again"
        ) from error
    if fingerprint(corpus) != stored:
        raise InputError(f"{folder}: its rows differ from its fingerprint; run the corpus stage again")
    return corpus


def _load_split(path: Path, task: Task | None) -> Split:
    """One parquet file as a split; without a task it has no targets."""
    _, pq = _pyarrow()
    table = pq.read_table(path)
    groups: list[str | None] = table["group"].to_pylist()
    known = [group for group in groups if group is not None]
    targets = None if task is None else targets_from_ids([tuple(r) for r in table["labels"].to_pylist()], task)
    return Split(table["text"].to_pylist(), targets, known if groups and len(known) == len(groups) else None)


def _groups_or_nulls(split: Split) -> list[str] | list[None]:
    return split.groups if split.groups is not None else [None] * len(split)


def _pyarrow() -> tuple[Any, Any]:
    """The pyarrow modules; without them the error names the command that installs them."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"saving and loading a corpus needs pyarrow; {TRAIN_EXTRA}") from error
    return pa, pq
