"""The soft-label store: parquet shards of row ids and raw logits without text, bound to teacher and corpus."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from distill.export.runtime.errors import InputError

METADATA_KEY = b"distill"

SHARD_ROWS = 4096

Row = TypeVar("Row")


@dataclass(frozen=True)
class LabelIdentity:
    """Teacher, tokenizer, corpus and labels that logits belong to; every shard holds it.

    `truncate` is the column and the side at which pairs are cut; None for texts.
    """

    teacher_hash: str
    tokenizer_hash: str
    corpus_fingerprint: str
    split: str
    labels: tuple[str, ...]
    max_tokens: int
    truncate: tuple[str | None, str] | None = None


def label_split(
    folder: Path,
    rows: Sequence[Row],
    infer: Callable[[Sequence[Row]], NDArray[np.float32]],
    identity: LabelIdentity,
) -> None:
    """Write the shards of one split; complete ones that exist are kept, so that an interrupted run resumes.

    Args:
        folder: `labels/<split>`.
        rows: what the labeller reads of every row, texts or token ids; read one shard at a time.
        infer: returns the raw logits ``(n, K)`` of some rows.
        identity: identity of the logits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shard in missing_shards(folder, len(rows), identity):
        label_shard(folder, shard, rows, infer, identity)


def missing_shards(folder: Path, rows: int, identity: LabelIdentity) -> list[int]:
    """Return the numbers of a split's shards that are not there, or belong to something else."""
    shards = range(-(-rows // SHARD_ROWS))
    return [shard for shard in shards if not _is_whole(_path(folder, shard), ids_of_shard(shard, rows), identity)]


def label_shard(
    folder: Path,
    shard: int,
    rows: Sequence[Row],
    infer: Callable[[Sequence[Row]], NDArray[np.float32]],
    identity: LabelIdentity,
) -> None:
    """Write one shard of a split, by its number; see `label_split`."""
    ids = ids_of_shard(shard, len(rows))
    write_shard(_path(folder, shard), list(ids), infer(rows[ids.start : ids.stop]), identity)


def _path(folder: Path, shard: int) -> Path:
    return folder / f"part-{shard:05d}.parquet"


def ids_of_shard(shard: int, rows: int) -> range:
    """Return the row ids of one shard of a split with this number of rows."""
    return range(shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, rows))


def write_shard(path: Path, row_ids: list[int], logits: NDArray[np.float32], identity: LabelIdentity) -> None:
    """Write one shard, whole or not at all; logits are ``(n, K)``."""
    stored = {key: value for key, value in asdict(identity).items() if value is not None}
    flat = pa.array(logits.astype(np.float32).ravel(), pa.float32())
    table = pa.table(
        {
            "row_id": pa.array(row_ids, pa.int64()),
            "logits": pa.FixedSizeListArray.from_arrays(flat, logits.shape[1]),
        }
    ).replace_schema_metadata({METADATA_KEY: json.dumps(stored, sort_keys=True).encode()})
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    os.replace(partial, path)


def read_logits(folder: Path, rows: int, identity: LabelIdentity) -> NDArray[np.float32]:
    """Return all logits of a split, float32 ``(rows, K)``, by row id.

    Raises:
        InputError: a shard is unreadable or has another identity, or rows are missing or repeated.
    """
    parts, seen = [], 0
    for path in sorted(folder.glob("part-*.parquet")):
        table = _read(path)
        _check_identity(path, table, identity)
        ids = table["row_id"].to_numpy()
        if ids.size and (ids.min() < 0 or ids.max() >= rows):
            raise InputError(f"{path}: The file has row ids outside 0 to {rows - 1}. Label this corpus again.")
        values = table["logits"].combine_chunks().flatten().to_numpy()
        parts.append((ids, values.reshape(len(ids), table["logits"].type.list_size)))
        seen += len(ids)
    width = max((values.shape[1] for _, values in parts), default=len(identity.labels))
    logits = np.full((rows, width), np.nan, dtype=np.float32)  # (N, K)
    for ids, values in parts:
        logits[ids] = values
    if seen != rows or not np.isfinite(logits).all():
        raise InputError(
            f"{folder}: The folder has {seen} rows of logits where {rows} are needed. Run the label stage again."
        )
    return logits


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: The file is not a whole parquet file. Delete it and label again.") from error


def _check_identity(path: Path, table: pa.Table, identity: LabelIdentity) -> None:
    stored = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    for key, value in asdict(identity).items():
        expected = list(value) if isinstance(value, tuple) else value
        if stored.get(key) != expected:
            raise InputError(
                f"{path}: Its {key} is not the run's, so these logits belong to another run. Label again."
            )


def _is_whole(path: Path, ids: range, identity: LabelIdentity) -> bool:
    if not path.is_file():
        return False
    try:
        table = _read(path)
        _check_identity(path, table, identity)
    except InputError:
        return False
    return bool(np.array_equal(table["row_id"].to_numpy(), np.array(ids)))
