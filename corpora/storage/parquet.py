"""Corpora on disk: one parquet file per split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.corpus import (
    LABELLED_SPLITS,
    UNLABELLED,
    Corpus,
    Split,
    Subgroup,
    ids_from_targets,
    targets_of,
)
from distill.corpora.reading.places.provenance import SOURCE_FILE
from distill.corpora.reading.tables.arrow import BROKEN_PARQUET
from distill.corpora.storage.columns import LabelRows
from distill.corpora.storage.text_store import BLOCK, TextStore
from distill.corpora.storage.windows import Conversations, Windows
from distill.corpora.targets import task_from_dict, task_to_dict
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Row, Turns, segments_of
from distill.export.runtime.reading.turns import NEXT

# of a saved split: the text, or the two segments of a pair
TEXT_COLUMNS = ("text", "second_text")

# of a corpus of conversations: every turn once, and the column of a split that says which of them are its rows
TURNS_FILE, TURN_COLUMN = "turns.parquet", "turn"

# of turns that are in no split: the column that says which of them are rows, and the names of the speakers
ROW_COLUMN, SPEAKERS = "row", b"speakers"

# the columns that divide the test rows, which no model and no stage before the report reads
SUBGROUPS_FILE = "subgroups.parquet"


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Write one parquet file per split, `task.json` and `source.json`; the same corpus gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transfer.parquet").unlink(missing_ok=True)  # from an earlier run
    for name, split in corpus.splits():
        _save_split(split, ids_from_targets(split, corpus.task), folder / f"{name}.parquet")
    data = {"task": task_to_dict(corpus.task), "fingerprint": corpus.fingerprint, "notes": corpus.notes}
    (folder / TURNS_FILE).unlink(missing_ok=True)
    if corpus.turns is not None and isinstance(corpus.train.texts, Windows):
        data |= {"turns": asdict(corpus.turns), "speakers": list(corpus.train.texts.log.names)}
        _save_turns(corpus.train.texts.log, folder / TURNS_FILE)
    (folder / SUBGROUPS_FILE).unlink(missing_ok=True)
    if corpus.subgroups:
        _save_subgroups(corpus.subgroups, folder / SUBGROUPS_FILE)
    for name, content in (("task.json", data), (SOURCE_FILE, corpus.source)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_corpus(folder: Path) -> Corpus:
    """Load the corpus that `save_corpus` wrote, and check it against its fingerprint.

    Raises:
        InputError: it is not whole, or its rows differ from its fingerprint.
    """
    try:
        store = TextStore(
            folder.parent
        )  # on the run's disk: the system's folder for temporary files may be too small
        data = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        task = task_from_dict(data["task"])
        known = None if data["notes"].get(UNLABELLED) else task
        turns = Turns(**data["turns"] | {"decides": tuple(data["turns"]["decides"])}) if "turns" in data else None
        log = None
        if turns is not None:
            log = _load_turns(folder / TURNS_FILE, tuple(data["speakers"]), store), turns
        labelled = (_load_split(folder / f"{name}.parquet", known, store, log) for name in LABELLED_SPLITS)
        train, validation, test = labelled
        path = folder / "transfer.parquet"
        transfer = _load_split(path, None, store, log) if path.exists() else None
        source = dict(json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8")))
        subgroups = _load_subgroups(folder / SUBGROUPS_FILE, len(test))
        corpus = Corpus(task, train, validation, test, transfer, dict(data["notes"]), source, turns, subgroups)
        stored = data["fingerprint"]
    except (*BROKEN_PARQUET, AttributeError, RecursionError) as error:
        raise InputError(
            f"{folder}: This is not a whole saved corpus ({type(error).__name__}). Run the corpus stage again."
        ) from error
    if corpus.fingerprint != stored:
        raise InputError(f"{folder}: Its rows differ from its fingerprint. Run the corpus stage again.")
    return corpus


def save_texts(texts: Sequence[Row], path: Path) -> None:
    """Write texts without labels, or turns of conversations, as one parquet file; the same give the same bytes."""
    if isinstance(texts, Windows):
        _save_turns(texts.log, path, texts.places)
    else:
        _save_split(Split(texts, None), repeat([]), path)


def load_texts(path: Path, reads: Input = ONE_TEXT) -> Sequence[Row]:
    """Load the texts that `save_texts` wrote; they stay in a file and not in memory.

    Args:
        path: the file.
        reads: what one row is.

    Raises:
        InputError: it is not a whole file of such texts.
    """
    store = TextStore(path.parents[1])
    try:
        if not isinstance(reads, Turns):
            return _load_split(path, None, store).texts
        _, pq = _pyarrow()
        with pq.ParquetFile(path) as table:
            names = tuple(json.loads(table.schema_arrow.metadata[SPEAKERS]))
            rows = table.read([ROW_COLUMN])[ROW_COLUMN].to_numpy()
        return _windows(_load_turns(path, names, store), np.flatnonzero(rows).astype(np.int32), reads)
    except (*BROKEN_PARQUET, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: This is not a whole file of texts ({type(error).__name__}). Remove its folder and run again."
        ) from error


def _windows(log: Conversations, places: NDArray[np.int32], reads: Turns) -> Windows:
    return Windows(log, places, reads.turns, silent=reads.predict == NEXT)


def _save_split(split: Split, labels: Iterator[list[int]], path: Path) -> None:
    """Write one split and the label ids of its rows as a parquet file, with one block in memory at a time."""
    pa, pq = _pyarrow()
    # a row's segments, one column each
    windows = isinstance(split.texts, Windows)
    segments = TEXT_COLUMNS[: len(segments_of(split.texts[0])) if len(split) and not windows else 1]
    texts_of = [(TURN_COLUMN, pa.int32())] if windows else [(name, pa.string()) for name in segments]
    kinds = [("labels", pa.list_(pa.int64())), ("group", pa.int32())]
    schema = pa.schema([*texts_of, *kinds])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(split), BLOCK):
            texts: list[tuple[Any, ...]]
            if isinstance(split.texts, Windows):
                texts = [(place,) for place in split.texts.places[start : start + BLOCK].tolist()]
            else:
                texts = list(map(segments_of, split.texts[start : start + BLOCK]))
            groups = [None] * len(texts) if split.groups is None else split.groups[start : start + BLOCK]
            columns = [*map(list, zip(*texts, strict=True)), [next(labels) for _ in texts], groups]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _save_turns(log: Conversations, path: Path, rows: NDArray[np.int32] | None = None) -> None:
    """Write every turn once, conversation by conversation; with `rows`, also which of them are rows."""
    pa, pq = _pyarrow()
    kinds = [("first", pa.int32()), ("speaker", pa.int8()), ("text", pa.string())]
    schema = pa.schema(kinds)
    if rows is not None:
        kinds.append((ROW_COLUMN, pa.bool_()))
        schema = pa.schema(kinds, metadata={SPEAKERS: json.dumps(log.names)})
        are_rows = np.zeros(len(log), dtype=np.bool_)
        are_rows[rows] = True
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(log), BLOCK):
            places = np.arange(start, min(start + BLOCK, len(log)), dtype=np.int32)
            texts = [turn.text for turn in log.turns(places)]
            columns = [log.starts[places], log.speakers[places], texts]
            columns += [] if rows is None else [are_rows[places]]
            arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, kinds, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _load_turns(path: Path, names: tuple[str, ...], store: TextStore) -> Conversations:
    """Load the turns of a corpus, and add their texts to the store, which has no other text yet."""
    _, pq = _pyarrow()
    starts, speakers = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int8)]
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BLOCK):
            store.extend(batch["text"].to_pylist())
            starts.append(batch["first"].to_numpy())
            speakers.append(batch["speaker"].to_numpy())
    rows = np.arange(len(store), dtype=np.int32)
    return Conversations(store, rows, np.concatenate(starts), np.concatenate(speakers), names)


def _save_subgroups(subgroups: Sequence[Subgroup], path: Path) -> None:
    """Write the columns of the test rows, one cell per row."""
    pa, pq = _pyarrow()
    names = [np.array([*one.values, None], dtype=object) for one in subgroups]
    cells = [pa.array(name[one.numbers], pa.string()) for name, one in zip(names, subgroups, strict=True)]
    pq.write_table(pa.Table.from_arrays(cells, names=[one.column for one in subgroups]), path, compression="zstd")


def _load_subgroups(path: Path, rows: int) -> tuple[Subgroup, ...]:
    """Load the columns of the test rows; none where the file is not there."""
    if not path.exists():
        return ()
    _, pq = _pyarrow()
    table, found = pq.read_table(path), []
    if len(table) != rows:
        raise InputError(f"{path}: It has {len(table)} rows, and test has {rows}. Run the corpus stage again.")
    for column in table.column_names:
        cells = table[column].to_pylist()
        values = sorted({cell for cell in cells if cell is not None})
        numbers = {value: number for number, value in enumerate(values)}
        found.append(
            Subgroup(column, tuple(values), np.array([numbers.get(cell, -1) for cell in cells], np.int32))
        )
    return tuple(found)


def _load_split(
    path: Path, task: Task | None, store: TextStore, log: tuple[Conversations, Turns] | None = None
) -> Split:
    """Load one parquet file as a split, and add its texts to the store; without a task it has no targets.

    Of a corpus of conversations, `log` has the texts, and the file says which of their turns are rows.
    """
    _, pq = _pyarrow()
    first = len(store)
    groups: list[NDArray[np.int32]] = []
    places: list[NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
    targets: list[NDArray[Any]] = []
    grouped = True
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BLOCK):
            if log is None:
                segments = [batch[name].to_pylist() for name in TEXT_COLUMNS if name in batch.schema.names]
                store.extend(segments[0] if len(segments) == 1 else zip(*segments, strict=True))
            else:
                places.append(batch[TURN_COLUMN].to_numpy())
            grouped = grouped and batch["group"].null_count == 0
            groups.append(batch["group"].fill_null(0).to_numpy())
            if task is not None:
                targets.append(targets_of(LabelRows.of(batch["labels"].to_pylist()), task))
    texts: Sequence[Row] = store.view(first, len(store))
    if log is not None:
        conversations, turns = log
        texts = _windows(conversations, np.concatenate(places), turns)
    group = np.concatenate(groups) if groups and grouped else None
    if task is None:
        return Split(texts, None, group)
    return Split(texts, np.concatenate(targets) if targets else targets_of(LabelRows.of([]), task), group)


def _pyarrow() -> tuple[Any, Any]:
    """Return the pyarrow modules.

    Raises:
        MissingExtraError: they are not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"Saving and loading a corpus needs pyarrow. {how_to_install('train')}") from error
    return pa, pq
