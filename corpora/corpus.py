"""A corpus in memory and on disk: texts, targets and groups in four splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.columns import LabelRows
from corpora.provenance import SOURCE_FILE
from corpora.readers import BROKEN_PARQUET, TRAIN_EXTRA
from corpora.stored import BLOCK, TextStore
from corpora.task import Task, TaskKind
from export.runtime.errors import InputError, MissingExtraError

LABELLED_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Rows in order; row ids elsewhere are positions in here.

    `targets` are class ids, int32 (N,), for single-label; 0/1, uint8 (N, C), for multi-label; None in
    the transfer split. `groups` tells groups apart by numbers (N,), whose names nobody needs any more; None where
    the corpus has no group column. `texts` may stand in a file: go through them once, in order.
    """

    texts: Sequence[str] = field(repr=False)
    targets: NDArray[np.int32] | NDArray[np.uint8] | None
    groups: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """The number of rows, N."""
        return len(self.texts)


@dataclass(frozen=True)
class Corpus:
    """A task and its rows; `notes` counts what reading, merging and leak removal did.

    `source` says which files the rows were read from, as `corpora.provenance` records it.
    """

    task: Task
    train: Split
    validation: Split
    test: Split
    transfer: Split | None = None
    notes: dict[str, int] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)

    def splits(self) -> Iterator[tuple[str, Split]]:
        """Names and splits in their fixed order, the transfer split last where there is one."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test
        if self.transfer is not None:
            yield "transfer", self.transfer

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of what a model can learn from: label order, and texts and targets of every split."""
        digest = hashlib.sha256()
        digest.update(json.dumps(self.task.to_dict(), sort_keys=True).encode())
        for name, split in self.splits():
            digest.update(f"\n{name} {len(split)} {split.targets is not None}\n".encode())
            for text, labels in zip(split.texts, ids_from_targets(split), strict=True):
                data = text.encode()
                # lengths keep "ab" + "c" apart from "a" + "bc"
                digest.update(f"{len(data)} {labels}\n".encode() + data)
        return digest.hexdigest()


def targets_of(labels: LabelRows, task: Task) -> NDArray[np.int32] | NDArray[np.uint8]:
    """Label ids of every row as the targets that `Split` describes."""
    if task.kind is TaskKind.SINGLE_LABEL:
        return labels.values
    matrix = np.zeros((len(labels), task.num_labels), dtype=np.uint8)  # (N, C)
    matrix[labels.row_of_value(), labels.values] = 1
    return matrix


def ids_from_targets(split: Split) -> Iterator[list[int]]:
    """The label ids of every row, ascending; empty lists for a split without targets."""
    for row in range(len(split)):
        if split.targets is None:
            yield []
        elif split.targets.ndim == 1:
            yield [int(split.targets[row])]
        else:
            yield np.flatnonzero(split.targets[row]).tolist()


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
        chosen = evenly_spread(len(split), rows)
        targets = None if split.targets is None else split.targets[chosen]
        groups = None if split.groups is None else split.groups[chosen]
        return Split([split.texts[row] for row in chosen], targets, groups)

    transfer = None if corpus.transfer is None else cut(corpus.transfer)
    return replace(
        corpus,
        train=cut(corpus.train),
        validation=cut(corpus.validation),
        test=cut(corpus.test),
        transfer=transfer,
    )


def evenly_spread(count: int, rows: int) -> NDArray[np.int64]:
    """The places of at most `rows` of `count` rows, from the first to the last."""
    return np.linspace(0, count - 1, min(count, rows)).round().astype(np.int64)


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Write one parquet file a split, `task.json` and `source.json`; the same corpus gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transfer.parquet").unlink(missing_ok=True)  # of an earlier execution
    for name, split in corpus.splits():
        _save_split(split, folder / f"{name}.parquet")
    data = {"task": corpus.task.to_dict(), "fingerprint": corpus.fingerprint, "notes": corpus.notes}
    for name, content in (("task.json", data), (SOURCE_FILE, corpus.source)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_corpus(folder: Path) -> Corpus:
    """The corpus that `save_corpus` wrote, checked against its fingerprint."""
    try:
        store = TextStore(folder.parent)  # on the disk of the run, wherever the system keeps its own such files
        data = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        task = Task.from_dict(data["task"])
        labelled = (_load_split(folder / f"{name}.parquet", task, store) for name in LABELLED_SPLITS)
        train, validation, test = labelled
        path = folder / "transfer.parquet"
        transfer = _load_split(path, None, store) if path.exists() else None
        source = dict(json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8")))
        corpus = Corpus(task, train, validation, test, transfer, dict(data["notes"]), source)
        stored = data["fingerprint"]
    except (*BROKEN_PARQUET, AttributeError, RecursionError) as error:
        raise InputError(
            f"{folder}: not a whole saved corpus ({type(error).__name__}); run the corpus stage again"
        ) from error
    if corpus.fingerprint != stored:
        raise InputError(f"{folder}: its rows differ from its fingerprint; run the corpus stage again")
    return corpus


def save_texts(texts: Sequence[str], path: Path) -> None:
    """Write texts without labels as one parquet file; the same texts give the same bytes."""
    _save_split(Split(texts, None), path)


def load_texts(path: Path) -> Sequence[str]:
    """The texts that `save_texts` wrote; they stay in a file.

    Raises:
        InputError: it is not a whole file of texts.
    """
    try:
        return _load_split(path, None, TextStore(path.parents[1])).texts
    except (*BROKEN_PARQUET, AttributeError) as error:
        raise InputError(
            f"{path}: is not a whole file of texts ({type(error).__name__}); remove its folder and run again"
        ) from error


def _save_split(split: Split, path: Path) -> None:
    """One split as a parquet file, a block of rows in memory at a time."""
    pa, pq = _pyarrow()
    schema = pa.schema([("text", pa.string()), ("labels", pa.list_(pa.int64())), ("group", pa.int32())])
    labels = ids_from_targets(split)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(split), BLOCK):
            texts = split.texts[start : start + BLOCK]
            groups = [None] * len(texts) if split.groups is None else split.groups[start : start + BLOCK]
            columns = [texts, [next(labels) for _ in texts], groups]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _load_split(path: Path, task: Task | None, store: TextStore) -> Split:
    """One parquet file as a split, its texts added to the store; without a task it has no targets."""
    _, pq = _pyarrow()
    first = len(store)
    groups: list[NDArray[np.int32]] = []
    targets: list[NDArray[Any]] = []
    grouped = True
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BLOCK):
            store.extend(batch["text"].to_pylist())
            grouped = grouped and batch["group"].null_count == 0
            groups.append(batch["group"].fill_null(0).to_numpy())
            if task is not None:
                targets.append(targets_of(LabelRows.of(batch["labels"].to_pylist()), task))
    texts = store.view(first, len(store))
    group = np.concatenate(groups) if groups and grouped else None
    return Split(texts, np.concatenate(targets) if targets else None, group)


def _pyarrow() -> tuple[Any, Any]:
    """The pyarrow modules; without them the error names the command that installs them."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"saving and loading a corpus needs pyarrow; {TRAIN_EXTRA}") from error
    return pa, pq
