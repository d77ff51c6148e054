"""The origin of rows: the files that were read, by name, sha256 and size; never a path, and never a row."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import InputError
from distill.export.runtime.manifest.records import FileRecord, file_record

SOURCE_FILE = "source.json"

COMMIT = re.compile(r"[0-9a-f]{40}")

# how the datasets package names a file of a data set on the hub
_HUB_FILE = re.compile(r"hf://datasets/(?P<id>[^@]+)@(?P<revision>[^/]+)/(?P<name>.+)")

FindFile = Callable[[str, str, str], Path | None]


def _record_of(path: Path) -> FileRecord:
    try:
        return file_record(path)
    except OSError as error:
        raise InputError(
            f"{path}: The file cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error


def local_record(source: str, files: Iterable[Path]) -> dict[str, Any]:
    """Return the record of a corpus from local files: the last part of its source, and every file read."""
    paths = sorted(files)
    # files of one name, as in train/ and test/, are told apart by their folders inside of the source
    base = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    several = len({path.name for path in paths}) < len(paths)
    return {
        "name": "sample" if source == "sample" else Path(source).expanduser().name,
        "origin": "files",
        "files": {
            path.relative_to(base).as_posix() if several else path.name: asdict(_record_of(path)) for path in paths
        },
    }


def hub_record(
    source: str,
    data_files: Mapping[str, Iterable[str]],
    fingerprint: str | None = None,
    find: FindFile | None = None,
) -> dict[str, Any]:
    """Return the record of a corpus from the hub: its resolved revision, and every downloaded file.

    The datasets package keeps no checksums, whatever its `verification_mode`, so the files are hashed where the
    hub's own cache has them. A file that is no longer there is recorded without a hash.

    Args:
        source: the recipe's `hub:ID[:config][@revision]`.
        data_files: `builder.config.data_files`: for each split its files, as `hf://datasets/ID@COMMIT/NAME`; empty
            where the data set came from the cache alone.
        fingerprint: `builder.hash`, which is the commit where the data set came from the cache alone.
        find: gives the local path of (id, file name, commit); the hub's cache where it is None.
    """
    identifier, config, revision = parse_hub(source)
    commit = fingerprint if COMMIT.fullmatch(fingerprint or "") else None
    files: dict[str, dict[str, Any] | None] = {}
    for url in sorted({url for urls in data_files.values() for url in urls}):
        match = _HUB_FILE.fullmatch(url)
        if match is None:
            continue
        commit = match["revision"] if COMMIT.fullmatch(match["revision"]) else commit
        path = (find or find_in_cache)(match["id"], match["name"], match["revision"])
        files[match["name"]] = None if path is None else asdict(file_record(path))
    return {
        "name": identifier,
        "origin": "hub",
        "config": config,
        "revision": revision,
        "commit": commit,
        "files": files,
    }


def find_in_cache(identifier: str, name: str, revision: str) -> Path | None:
    """Return the path of a data set's file in the hub's cache, None if absent; never uses the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(identifier, name, revision=revision, repo_type="dataset")
    return Path(found) if isinstance(found, str) else None


def parse_hub(source: str) -> tuple[str, str | None, str | None]:
    """Return the id, config and revision in "hub:ID[:config][@revision]"."""
    name, _, revision = source.removeprefix("hub:").partition("@")
    identifier, _, config = name.partition(":")
    if not identifier:
        raise InputError(f"`source` = '{source}' names no data set. Write hub:ID[:config][@revision].")
    return identifier, config or None, revision or None
