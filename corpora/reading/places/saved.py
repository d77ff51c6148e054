"""Folders that `datasets.save_to_disk` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from distill.corpora.reading.places.split_names import split_named
from distill.corpora.reading.rows import listed
from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

# the files that datasets.save_to_disk writes: for several splits, and for one
SEVERAL_FILE, SINGLE_FILE = "dataset_dict.json", "state.json"

Files = dict[str, list[DataFile]]


def saved_files(folder: Path) -> Files | None:
    """Return the files of a folder that datasets.save_to_disk wrote; None for other folders."""
    several = folder / SEVERAL_FILE
    if several.is_file():
        names = _stored(several, "splits")
        by_split: Files = {}
        for name in map(str, names):
            split = split_named(name)
            if split is not None and split not in by_split:
                by_split[split] = _saved_shards(folder / name)
        if len(names) == 1:
            by_split = {"train": _saved_shards(folder / str(names[0]))}
        if "train" not in by_split:
            raise InputError(
                f"{folder}: There is no train split. The splits are {listed([str(name) for name in names])}."
            )
        return by_split
    return {"train": _saved_shards(folder)} if (folder / SINGLE_FILE).is_file() else None


def _saved_shards(folder: Path) -> list[DataFile]:
    """Return the Arrow files of one split, in their order."""
    entries = _stored(folder / SINGLE_FILE, "_data_files")
    names = [str(entry.get("filename")) for entry in entries if isinstance(entry, dict)]
    if not names or any(name != Path(name).name for name in names):
        raise InputError(f"{folder}: {SINGLE_FILE} names no Arrow file. Save the data set again.")
    return [DataFile(folder / name) for name in names]


def _stored(path: Path, key: str) -> Sequence[object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise InputError(f"{path}: The file cannot be read. Save the data set again with datasets.save_to_disk.")
    return value
