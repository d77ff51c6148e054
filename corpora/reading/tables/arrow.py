"""Parquet files and the Arrow files of `datasets.save_to_disk`, a batch of rows in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from distill.corpora.reading.rows import Record, Rows
from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install

PARQUET_ROWS = 4096

# the errors that pyarrow raises for files that are cut short, altered or of another kind
BROKEN_PARQUET = (OSError, ValueError, KeyError, TypeError, IndexError, NotImplementedError, OverflowError)

NO_PARQUET = "The file cannot be read as parquet. Check that it is a whole parquet file."

NO_ARROW = "The file cannot be read as Arrow. Check that datasets.save_to_disk wrote it to the end."

# the first bytes of an Arrow file with an index, as Feather is, and not a stream
IPC_FILE = b"ARROW1"

INFO_FILE = "dataset_info.json"


def read_parquet(file: DataFile) -> Rows:
    """Yield the rows of a parquet file."""
    number = 0
    with _open_parquet(file) as table:
        batches = table.iter_batches(batch_size=PARQUET_ROWS)
        while True:
            try:
                batch = next(batches, None)
                values = None if batch is None else _values(batch)
            except BROKEN_PARQUET:
                raise InputError(f"{file}: {NO_PARQUET}") from None
            if values is None:
                return
            for value in values:
                number += 1
                yield Record(str(file), number, value)


def read_arrow(file: DataFile) -> Rows:
    """Yield the rows of one of the files that `datasets.save_to_disk` wrote."""
    number = 0
    with _open_arrow(file) as batches:
        while True:
            try:
                batch = next(batches, None)
            except BROKEN_PARQUET:
                raise InputError(f"{file}: {NO_ARROW}") from None
            if batch is None:
                return
            for start in range(0, batch.num_rows, PARQUET_ROWS):
                for value in _values(batch.slice(start, PARQUET_ROWS)):
                    number += 1
                    yield Record(str(file), number, value)


@contextmanager
def _open_parquet(file: DataFile) -> Iterator[Any]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"{file}: Reading parquet needs pyarrow. {how_to_install('train')}") from error
    stream = file.open_seekable()
    with closing(stream):
        try:
            table = pq.ParquetFile(stream)
        except BROKEN_PARQUET:
            raise InputError(f"{file}: {NO_PARQUET}") from None
        with table:
            yield table


@contextmanager
def _open_arrow(file: DataFile) -> Iterator[Any]:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(f"{file}: Reading Arrow needs pyarrow. {how_to_install('train')}") from error
    with closing(file.open_seekable()) as stream:
        try:
            if file.head(size=len(IPC_FILE)) == IPC_FILE:
                table = pa.ipc.open_file(stream)
                batches = (table.get_batch(place) for place in range(table.num_record_batches))
            else:
                batches = iter(pa.ipc.open_stream(stream))
        except BROKEN_PARQUET:
            raise InputError(f"{file}: {NO_ARROW}") from None
        yield batches


def _values(batch: Any) -> list[dict[str, Any]]:
    """Return rows of plain values: bytes that are UTF-8 are strings, decimals numbers, and maps objects."""
    import pyarrow as pa

    columns = {}
    for field, stored in zip(batch.schema, batch.columns, strict=True):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        wanted = pa.string() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else None
        wanted = pa.float64() if pa.types.is_decimal(kind) else wanted
        cells = None
        if wanted is not None:
            with suppress(pa.ArrowException):  # other bytes stay what they are
                cells = stored.cast(wanted).to_pylist()
        cells = stored.to_pylist() if cells is None else cells
        columns[field.name] = [None if c is None else dict(c) for c in cells] if pa.types.is_map(kind) else cells
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def label_names_in(file: DataFile) -> dict[str, tuple[str, ...]]:
    """Return the label names that the datasets package stored with a parquet or Arrow file, by column."""
    if file.suffix == ".arrow":
        return _names_beside(file.path.parent / INFO_FILE)
    if file.suffix != ".parquet":
        return {}
    with _open_parquet(file) as table:
        stored = (table.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = dict(json.loads(stored)["info"]["features"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return class_labels(features)


def _names_beside(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        features = dict(json.loads(path.read_text(encoding="utf-8"))["features"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return class_labels(features)


def class_labels(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the names of every ClassLabel among stored features, also inside a list."""
    names_of = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) and feature else feature
        inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
        names = inner.get("names") if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            names_of[column] = tuple(names)
    return names_of
