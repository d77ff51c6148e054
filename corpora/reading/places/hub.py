"""Data sets of the Hugging Face hub, as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from distill.corpora.reading.places.provenance import hub_record, parse_hub
from distill.corpora.reading.rows import Record, Rows
from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install


@dataclass(frozen=True)
class HubData:
    """Every split of a data set, the label names of its ClassLabel columns, and the record of its files."""

    splits: dict[str, Rows]
    label_names: dict[str, tuple[str, ...]]
    record: dict[str, Any]


def read_hub(source: str) -> HubData:
    """Download a data set, or find it in the cache, and open it.

    Raises:
        InputError: it cannot be loaded, or its files are broken.
    """
    identifier, config, revision = parse_hub(source)
    try:
        from datasets import load_dataset_builder
    except ImportError as error:
        raise MissingExtraError(
            f"{source}: Hub data sets need the datasets package. {how_to_install('train')}"
        ) from error
    try:
        builder = load_dataset_builder(identifier, name=config, revision=revision)
        builder.download_and_prepare()
        loaded = builder.as_dataset()
    except Exception as error:  # the hub client raises many kinds: network, missing id, config, broken files
        raise InputError(
            f"{source}: The data set cannot be loaded ({type(error).__name__}). Check the id, the config and the "
            "network, or download the files and set `source` to their folder."
        ) from error
    splits: dict[str, Rows] = {}
    names: dict[str, tuple[str, ...]] = {}
    for split, table in loaded.items():
        splits[str(split)] = _records(f"{source} [{split}]", table)
        names.update(_class_labels(table.features))
    return HubData(splits, names, hub_record(source, builder.config.data_files or {}, builder.hash))


def _records(where: str, table: Any) -> Iterator[Record]:
    """Yield the rows of one split, which the datasets package keeps in a file."""
    for number, value in enumerate(table, 1):
        yield Record(where, number, dict(value))


def _class_labels(features: Any) -> dict[str, tuple[str, ...]]:
    """Return the names of every ClassLabel column, also inside a list."""
    found = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
        if getattr(inner, "names", None):
            found[str(column)] = tuple(inner.names)
    return found
