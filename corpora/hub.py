"""Data sets of the Hugging Face hub, as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corpora.readers import TRAIN_EXTRA, Rows
from corpora.rows import Record
from export.runtime.errors import InputError, MissingExtraError


def parse_hub(source: str) -> tuple[str, str | None, str | None]:
    """The id, config and revision in "hub:ID[:config][@revision]"."""
    name, _, revision = source.removeprefix("hub:").partition("@")
    identifier, _, config = name.partition(":")
    if not identifier:
        raise InputError(f"corpus.source = '{source}' names no data set; write hub:ID[:config][@revision]")
    return identifier, config or None, revision or None


def read_hub(source: str) -> tuple[dict[str, Rows], dict[str, tuple[str, ...]]]:
    """Every split of a hub data set, and the label names of its ClassLabel columns."""
    identifier, config, revision = parse_hub(source)
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError(f"{source}: hub data sets need the datasets package; {TRAIN_EXTRA}") from error
    try:
        loaded = load_dataset(identifier, name=config, revision=revision)
    except Exception as error:  # the hub client raises many kinds: network, missing id, config, broken files
        raise InputError(
            f"{source}: cannot be loaded ({type(error).__name__}); check the id, the config and the network, "
            "or download the files and set corpus.source to their folder"
        ) from error
    tables: dict[str, Rows] = {}
    names: dict[str, tuple[str, ...]] = {}
    for split, table in loaded.items():
        tables[str(split)] = _records(f"{source} [{split}]", table)
        names.update(_class_labels(table.features))
    return tables, names


def _records(where: str, table: Any) -> Iterator[Record]:
    """The rows of one split, which the datasets package keeps in a file."""
    for number, value in enumerate(table, 1):
        yield Record(where, number, dict(value))


def _class_labels(features: Any) -> dict[str, tuple[str, ...]]:
    """The names of every ClassLabel column, also where it stands in a list."""
    found = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
        if getattr(inner, "names", None):
            found[str(column)] = tuple(inner.names)
    return found
