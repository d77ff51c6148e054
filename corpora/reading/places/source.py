"""The source of a corpus: the hub, a file, a folder of splits or the packaged sample, as one table per split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from distill.corpora.reading.files import is_broken, read_table
from distill.corpora.reading.form import PLAIN, TableForm
from distill.corpora.reading.json.nested import unnested
from distill.corpora.reading.places.hub import read_hub
from distill.corpora.reading.places.locate import Files, archive_table, data_files
from distill.corpora.reading.places.provenance import local_record
from distill.corpora.reading.places.split_names import SPLIT_NAMES
from distill.corpora.reading.rows import Rows, listed
from distill.corpora.reading.streams import DataFile, read_text
from distill.corpora.reading.tables.arrow import label_names_in
from distill.corpora.reading.tables.delimited import looks_quoted
from distill.export.runtime.errors import InputError

SAMPLE = Path(__file__).parents[2] / "sample"


@dataclass(frozen=True)
class Table:
    """The rows of one split, to be taken once.

    Args:
        where: the file, folder or data set to name in errors.
        rows: its records, and its bad rows.
        lines: whether it may hold one text per line, without columns.
    """

    where: str
    rows: Rows
    lines: bool = False


@dataclass(frozen=True)
class Tables:
    """The tables of a source by split, which always include `train`.

    `record` says which files they are, for the run. `label_names` are those that a data set carries in itself, by
    column; `ignored` counts the splits of other names that a hub data set has, and the data files of no split;
    `quoted` counts the files that are read without quoting and seem to be written with it.
    """

    by_split: dict[str, Table]
    label_names: dict[str, tuple[str, ...]]
    record: dict[str, Any]
    ignored: int = 0
    quoted: int = 0


def open_source(
    source: str, form: TableForm = PLAIN, transfer: str | None = None, columns: Sequence[str] = ()
) -> Tables:
    """Open every table of a source.

    Args:
        source: as the recipe's `corpus.source`.
        form: the files' form by the recipe.
        transfer: one more file, of texts without labels.
        columns: the columns that are wanted, the text's first; paths among them unpack nested records into rows.
    """
    tables = _open_hub(source, columns) if source.startswith("hub:") else _open_local(source, form, columns)
    if transfer is not None:
        if "transfer" in tables.by_split:
            raise InputError(f"`transfer` = '{transfer}', but {source} has a transfer split. Use only one.")
        path = beside_source(source, transfer)
        tables.by_split["transfer"] = _table([archive_table(path)], form, columns)
        tables.record["transfer"] = local_record(transfer, [path])
    return tables


def source_path(source: str) -> Path:
    """Return the folder or file of a local source."""
    path = SAMPLE if source == "sample" else Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"`source` = '{source}': There is no such file or folder. Give a path that exists, hub:ID or sample."
        )
    return path


def beside_source(source: str, name: str) -> Path:
    """Return a file as it is named, or else in the source's own folder."""
    path = Path(name).expanduser()
    if path.exists() or source.startswith("hub:"):
        return path
    base = source_path(source)
    beside = (base if base.is_dir() else base.parent) / path
    return beside if beside.exists() else path


def read_label_names(source: str, name: str) -> tuple[str, ...]:
    """Return the label names in a file, one per line."""
    path = beside_source(source, name)
    text = read_text(DataFile(path))
    if is_broken(text):
        raise InputError(f"{path}: The label names are not valid UTF-8. Save the file again as UTF-8.")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise InputError(f"{path}: The file has no label name. Write one per line.")
    return names


def _open_local(source: str, form: TableForm, columns: Sequence[str]) -> Tables:
    """Return the rows of each split's files, in the order of their names."""
    path = source_path(source)
    files, ignored = data_files(path, form)
    by_split = {split: _table(parts, form, columns) for split, parts in files.items()}
    names: dict[str, tuple[str, ...]] = {}
    for file in (file for parts in files.values() for file in parts):
        names.update(label_names_in(file))
    quoted = sum(looks_quoted(file, form) for parts in files.values() for file in parts)
    return Tables(by_split, names, local_record(source, read_paths(files)), ignored, quoted)


def read_paths(files: Files) -> list[Path]:
    """Return the paths that are read for some splits, each once."""
    return sorted({file.path for parts in files.values() for file in parts})


def _table(files: Sequence[DataFile], form: TableForm, columns: Sequence[str]) -> Table:
    rows = chain.from_iterable(read_table(file, form) for file in files)
    folder = files[0].path.parent if files[0].label is None else files[0].path.parent.parent
    where = str(files[0] if len(files) == 1 else folder)
    return Table(where, unnested(rows, columns), files[0].suffix == ".txt")


def _open_hub(source: str, columns: Sequence[str]) -> Tables:
    """Return the splits of a hub data set that have a known name; its only split is train whatever its name."""
    data = read_hub(source)
    by_split: dict[str, Table] = {}
    for name, rows in data.splits.items():
        split = SPLIT_NAMES.get(name.lower())
        if split is not None and split not in by_split:
            by_split[split] = Table(f"{source} [{name}]", unnested(rows, columns))
    if len(data.splits) == 1:
        name, rows = next(iter(data.splits.items()))
        by_split = {"train": Table(f"{source} [{name}]", unnested(rows, columns))}
    if "train" not in by_split:
        raise InputError(f"{source}: There is no train split. The splits are {listed(list(data.splits))}.")
    return Tables(by_split, data.label_names, data.record, ignored=len(data.splits) - len(by_split))
