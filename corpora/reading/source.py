"""Where a corpus lies: the hub, a file, a folder of splits or the packaged sample, as one table a split."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from distill.corpora.reading.files import SUFFIXES, Rows, is_broken, parquet_label_names, read_table, read_text
from distill.corpora.reading.hub import read_hub
from distill.corpora.reading.provenance import local_record
from distill.corpora.reading.rows import listed
from distill.export.runtime.errors import InputError

SAMPLE = Path(__file__).parents[1] / "sample"

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "val": "validation",
    "test": "test",
    "transfer": "transfer",
    "unlabeled": "transfer",
    "unlabelled": "transfer",
    "unsupervised": "transfer",
}

_SHARD = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True)
class Table:
    """The rows of one split, to be taken once, and the file, folder or data set to name in errors."""

    where: str
    rows: Rows


@dataclass(frozen=True)
class Tables:
    """The tables of a source by split, `train` always among them.

    `record` says which files they are, for the run. `label_names` are those that a data set carries in itself, by
    column; `ignored` counts the splits of other names that a hub data set has.
    """

    by_split: dict[str, Table]
    label_names: dict[str, tuple[str, ...]]
    record: dict[str, Any]
    ignored: int = 0


def open_source(source: str, columns: tuple[str, ...] | None, transfer: str | None) -> Tables:
    """Open every table of a source; `transfer` is one more file, of texts without labels."""
    if source.startswith("hub:"):
        tables = _open_hub(source)
    else:
        path = source_path(source)
        files = _folder_files(path) if path.is_dir() else {"train": [path]}
        tables = _open_files(source, files, columns)
    if transfer is not None:
        if "transfer" in tables.by_split:
            raise InputError(f"corpus.transfer = '{transfer}', but {source} has a transfer split; use only one")
        path = beside_source(source, transfer)
        tables.by_split["transfer"] = Table(str(path), read_table(path, columns))
        tables.record["transfer"] = local_record(transfer, [path])
    return tables


def source_path(source: str) -> Path:
    """The folder or file of a local source."""
    path = SAMPLE if source == "sample" else Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"corpus.source = '{source}': no such file or folder; give a path that exists, hub:ID or sample"
        )
    return path


def beside_source(source: str, name: str) -> Path:
    """A file as it is named, or else in the source's own folder."""
    path = Path(name).expanduser()
    if path.exists() or source.startswith("hub:"):
        return path
    base = source_path(source)
    beside = (base if base.is_dir() else base.parent) / path
    return beside if beside.exists() else path


def read_label_names(source: str, name: str) -> tuple[str, ...]:
    """The label names in a file, one a line."""
    path = beside_source(source, name)
    text = read_text(path)
    if is_broken(text):
        raise InputError(f"{path}: the label names are not valid UTF-8; save the file again as UTF-8")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise InputError(f"{path}: no label name in it; write one a line")
    return names


def _folder_files(folder: Path) -> dict[str, list[Path]]:
    """The data files of each split in a folder; a folder with a single data file is that file."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its rights") from error
    found: dict[str, list[Path]] = {}
    others = []
    for path in files:
        split = SPLIT_NAMES.get(_SHARD.sub("", path.stem).lower())
        if split is not None:
            found.setdefault(split, []).append(path)
        elif path.suffix != ".txt":  # lists of labels, licences and notes
            others.append(path)
    for split, paths in found.items():
        if len(paths) > 1 and not all(_SHARD.search(path.stem) for path in paths):
            names = listed([path.name for path in paths])
            raise InputError(f"{folder}: several files for the {split} split ({names}); keep one of them")
    if not found.keys() & {"train", "validation", "test"} and len(others) == 1:
        found["train"] = others
    if "train" not in found:
        shown = f"its data files are {listed([path.name for path in files])}" if files else "it has no data file"
        raise InputError(
            f"{folder}: no train file, and no single data file; {shown}; name them train, validation and "
            f"test with one of the endings {', '.join(SUFFIXES)}, or set corpus.source to one file"
        )
    return found


def _open_files(source: str, files: dict[str, list[Path]], columns: tuple[str, ...] | None) -> Tables:
    """The rows of each split's files, in the order of their names."""
    by_split = {}
    names: dict[str, tuple[str, ...]] = {}
    for split, paths in files.items():
        rows = chain.from_iterable(read_table(path, columns) for path in paths)
        by_split[split] = Table(str(paths[0] if len(paths) == 1 else paths[0].parent), rows)
        for path in paths:
            if path.suffix == ".parquet":
                names.update(parquet_label_names(path))
    return Tables(by_split, names, local_record(source, chain.from_iterable(files.values())))


def _open_hub(source: str) -> Tables:
    """The splits of a hub data set that have a known name; its only split is train whatever its name."""
    data = read_hub(source)
    by_split: dict[str, Table] = {}
    for name, rows in data.splits.items():
        split = SPLIT_NAMES.get(name.lower())
        if split is not None and split not in by_split:
            by_split[split] = Table(f"{source} [{name}]", rows)
    if len(data.splits) == 1:
        name, rows = next(iter(data.splits.items()))
        by_split = {"train": Table(f"{source} [{name}]", rows)}
    if "train" not in by_split:
        raise InputError(f"{source}: no train split; its splits are {listed(list(data.splits))}")
    return Tables(by_split, data.label_names, data.record, ignored=len(data.splits) - len(by_split))
