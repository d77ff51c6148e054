"""The files of each split in a folder or an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from distill.corpora.reading.files import KNOWN, SUFFIXES
from distill.corpora.reading.form import PLAIN, TableForm
from distill.corpora.reading.json.forms import tables_in
from distill.corpora.reading.places.label_folders import texts_by_label
from distill.corpora.reading.places.saved import SEVERAL_FILE, SINGLE_FILE, saved_files
from distill.corpora.reading.places.split_names import SHARD, SPLIT_NAMES, split_named, split_of
from distill.corpora.reading.rows import listed
from distill.corpora.reading.streams import ARCHIVE, DataFile, zip_members
from distill.corpora.reading.tables.spreadsheet import refuse_larger_sheet, sheets_in
from distill.export.runtime.errors import InputError

LABELLED = frozenset({"train", "validation", "test"})

# the folder in which a data set on the hub keeps its files
HUB_FOLDER = "data"

# words in the name of a file of texts, beside one of their labels
TEXT_WORDS = frozenset({"text", "texts", "sentences", "utterances", "tweets", "posts"})

WORD = re.compile(r"[^\W\d_]+")

Files = dict[str, list[DataFile]]


def data_files(path: Path, form: TableForm = PLAIN) -> tuple[Files, int]:
    """Return the files of each split of a source, train among them, and the number of data files in no split.

    Args:
        path: a file, an archive or a folder.
        form: the form of a single file; with a root in it, the file is one table.

    Raises:
        InputError: the train file is unclear, or a split has several files that are not shards of one table.
    """
    if path.is_dir():
        return _folder_files(path)
    if path.suffix.lower() != ARCHIVE:
        return _tables_of(DataFile(path), form)
    members = [DataFile(path, member) for member in zip_members(path)]
    readable = [member for member in members if member.suffix in SUFFIXES]
    if len(readable) == 1:
        return {"train": readable}, 0
    placed = [(PurePosixPath(str(file.member)).parts[:-1], file) for file in readable]
    labelled = texts_by_label(placed, split_named)
    return _by_split(path, readable) if labelled is None else (labelled, 0)


def _tables_of(file: DataFile, form: TableForm) -> tuple[Files, int]:
    """Return the splits of a JSON file that is one object of tables, or of a workbook's sheets; else it is train.

    The number is that of the sheets which are not read.
    """
    keys: list[str] = []
    if file.suffix == ".json" and form.root is None and file.path.is_file():
        keys = tables_in(file, form, SPLIT_NAMES)
    elif file.suffix == ".xlsx" and file.path.is_file():
        keys = sheets_in(file)
    by_split: Files = {}
    for key in keys:
        if (split := split_named(key)) is not None:
            by_split.setdefault(split, []).append(DataFile(file.path, key=key))
    if "train" not in by_split:
        if len(keys) > 1 and file.suffix == ".xlsx":
            refuse_larger_sheet(file)
        return {"train": [file]}, max(len(keys) - 1, 0) if file.suffix == ".xlsx" else 0
    for split, parts in by_split.items():
        if len(parts) > 1:
            shown = listed([str(part.key) for part in parts])
            raise InputError(f"{file}: Several tables are for the {split} split ({shown}). Keep one of them.")
    return by_split, len(keys) - len(by_split)


def archive_table(path: Path) -> DataFile:
    """Return the one data file of a path, which may be in an archive."""
    if path.suffix.lower() != ARCHIVE or not path.exists():
        return DataFile(path)
    members = [member for member in zip_members(path) if DataFile(path, member).suffix in SUFFIXES]
    if len(members) != 1:
        raise InputError(
            f"{path}: The archive has {len(members)} data files where one is expected. Unpack it and name one of "
            "them."
        )
    return DataFile(path, members[0])


def _placed(folder: Path, below: Sequence[Path], depth: int = 3) -> Iterator[tuple[tuple[str, ...], DataFile]]:
    """Yield the data files in folders, each with the folders between."""
    for inner in below:
        entries = _entries(inner)
        for path in entries:
            if path.is_file() and _is_data(path):
                yield inner.relative_to(folder).parts, archive_table(path)
        if depth > 1:
            yield from _placed(folder, _folders_in(inner), depth - 1)


def _folder_files(folder: Path) -> tuple[Files, int]:
    """Return the data files of each split in a folder; a folder with a single data file is that file."""
    saved = saved_files(folder)
    if saved is not None:
        return saved, 0
    files = [archive_table(path) for path in _entries(folder) if path.is_file() and _is_data(path)]
    below = _folders_in(folder)
    if not any(file.suffix != ".txt" or split_of(file.stem) for file in files) and below:
        return _folders_below(folder, below, files)
    by_split, unread = _by_split(folder, files)
    return _with_folders(folder, below, by_split), unread


def _with_folders(folder: Path, below: list[Path], by_split: Files) -> Files:
    """Return the splits of files beside folders, with those of folders that are named like other splits.

    Raises:
        InputError: a split is there twice, or a file without a split's name is beside a folder with train.
    """
    inside = _split_folders(folder, below)
    for split in inside.keys() & by_split.keys():
        raise InputError(
            f"{folder}: The {split} split is both {by_split[split][0].name} and a folder. Keep one of them, or "
            "set `source` to one."
        )
    lone = by_split["train"][0]
    hub = folder / HUB_FOLDER
    if split_of(lone.stem) is None and hub in below and _holds_data(hub):
        raise InputError(
            f"{folder}: The folder has data in {lone.name} and in {HUB_FOLDER}/. Set `source` to one of them."
        )
    return by_split | inside


def _split_folders(folder: Path, below: list[Path]) -> Files:
    """Return the data files in folders that are named like splits."""
    by_split: Files = {}
    for path in below:
        split = split_named(path.name)
        inside = [archive_table(entry) for entry in _entries(path) if entry.is_file() and _is_data(entry)]
        if split is None or not inside:
            continue
        if split in by_split:
            names = listed([by_split[split][0].path.parent.name, path.name])
            raise InputError(f"{folder}: Several folders are for the {split} split ({names}). Keep one.")
        by_split[split] = inside
    return by_split


def _is_data(path: Path) -> bool:
    if path.suffix.lower() == ARCHIVE:
        return any(DataFile(path, member).suffix in SUFFIXES for member in zip_members(path))
    return DataFile(path).suffix in SUFFIXES and not path.name.startswith(".") and path.suffix.lower() != ".arrow"


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: It cannot be read ({error.strerror}). Check its permissions.") from error


def _folders_below(folder: Path, below: list[Path], files: list[DataFile]) -> tuple[Files, int]:
    """Return the splits of a folder with data in data/, in folders named like splits, or in a single one."""
    labelled = texts_by_label(_placed(folder, below), split_named)
    if labelled is not None:
        return labelled, 0
    by_split = _split_folders(folder, below)
    if "train" in by_split:
        return by_split, len(below) - len(by_split)
    holding = [path for path in below if _holds_data(path) or "train" in _split_folders(path, _folders_in(path))]
    named = [path for path in holding if path.name == HUB_FOLDER]
    if named or len(holding) == 1:
        return _folder_files((named or holding)[0])
    if holding:
        names = listed([path.name for path in holding])
        raise InputError(
            f"{folder}: The folder has several folders of data ({names}). Set `source` to one of them."
        )
    return _by_split(folder, files)


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.name.startswith((".", "_"))]


def _holds_data(folder: Path) -> bool:
    entries = _entries(folder)
    return any((path.is_file() and _is_data(path)) or path.name in (SEVERAL_FILE, SINGLE_FILE) for path in entries)


def _by_split(where: Path, files: Iterable[DataFile]) -> tuple[Files, int]:
    """Return files by the split in their names; a single file that is not a list of words is train."""
    files = sorted(files)
    candidates: Files = {}
    others = []
    for file in files:
        split = split_of(file.stem)
        if split is not None:
            candidates.setdefault(split, []).append(file)
        elif file.suffix != ".txt":  # lists of labels, licences and notes
            others.append(file)
    by_split = {split: _chosen(where, split, paths) for split, paths in candidates.items()}
    if not by_split.keys() & LABELLED and len(others) == 1:
        by_split["train"] = others
        others = []
    if "train" not in by_split:
        refuse_parallel(where, files)
        shown = f"its data files are {listed([file.name for file in files])}" if files else "it has no data file"
        raise InputError(
            f"{where}: There is no train file, and no single data file; {shown}. Name them train, validation and "
            f"test with one of the file name extensions {KNOWN}, or set `source` to one file."
        )
    chosen = {file for parts in by_split.values() for file in parts}
    return by_split, sum(file.suffix != ".txt" and file not in chosen for file in files)


def _chosen(where: Path, split: str, files: list[DataFile]) -> list[DataFile]:
    """Return a split's files: those of its bare name, else tables before texts; shards, or a single one."""

    def bare(file: DataFile) -> bool:
        return SHARD.sub("", file.stem).lower() in SPLIT_NAMES

    for wanted in (
        [file for file in files if bare(file)],
        [file for file in files if file.suffix != ".txt"],
        files,
    ):
        if not wanted:
            continue
        if len(wanted) > 1 and not all(SHARD.search(file.stem) for file in wanted):
            refuse_parallel(where, wanted)
            names = listed([file.name for file in wanted])
            raise InputError(
                f"{where}: Several files are for the {split} split ({names}). Keep one of them, or join "
                "them to one file, with a column for what their names say."
            )
        _refuse_gaps(where, split, wanted)
        return wanted
    return files


def _refuse_gaps(where: Path, split: str, files: Sequence[DataFile]) -> None:
    """Refuse numbered files of a split of which some are not there.

    Raises:
        InputError: says how many there are.
    """
    shards = [match for file in files if (match := SHARD.search(file.stem))]
    total = max((int(match[2]) for match in shards), default=0)
    found = len({int(match[1]) for match in shards})
    if found < total:
        raise InputError(
            f"{where}: Only {found} of {total} files of the {split} split are there. Download the others, or set "
            "`source` to one file."
        )


def refuse_parallel(where: Path, files: Sequence[DataFile]) -> None:
    """Refuse files of texts beside files of their labels, line by line.

    Raises:
        InputError: two names differ in one word alone, which is a word for texts in one of them.
    """
    stems = {file.stem.lower() for file in files if file.suffix in (".txt", "")}
    for stem in sorted(stems):
        for word in sorted(TEXT_WORDS & set(WORD.findall(stem))):
            beside = re.compile(re.escape(stem).replace(word, "[^\\W\\d_]+"))
            if len([other for other in stems if beside.fullmatch(other)]) > 1:
                raise InputError(
                    f"{where}: Texts and labels are in files of their own, line by line. Paste them into one "
                    "table per split, with a tab between text and label, and a header."
                )
