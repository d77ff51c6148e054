"""Folders of one text per file, named like labels: label/x.txt, or split/label/x.txt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import Record, Rows
from distill.corpora.reading.streams import DataFile, read_text

TEXT, LABEL = "text", "label"

# with fewer files per folder, a file is more likely a list of texts than one text
MIN_FILES = 3

MIN_LABELS = 2

# folders beside those of labels, whose texts have none
WITHOUT_LABEL = frozenset({"unsup", "unsupervised", "unlabeled", "unlabelled"})

Way = tuple[str, ...]

Files = dict[str, list[DataFile]]


def texts_by_label(files: Iterable[tuple[Way, DataFile]], split_of: Callable[[str], str | None]) -> Files | None:
    """Return the files of each split, each of them a text labelled by its folder; None for other forms.

    Args:
        files: the data files of a source, each with the names of the folders above it.
        split_of: gives the split in a folder's name.
    """
    folders: dict[Way, list[DataFile]] = defaultdict(list)
    for above, file in files:
        folders[above].append(file)
    while folders and len({above[:1] for above in folders}) == 1 and () not in folders:
        folders = {above[1:]: inside for above, inside in folders.items()}  # all of it is in one folder
    splits = {above[0]: split_of(above[0]) for above in folders if above}
    if any(splits.values()):
        # notes and lists are beside the folders of labels
        places = {above: inside for above, inside in folders.items() if len(above) == 2 and splits[above[0]]}
        by_split: dict[str, dict[str, list[DataFile]]] = defaultdict(dict)
        for (name, label), inside in places.items():
            by_split[splits[name] or name][label] = inside
        return _labelled(by_split)
    if any(len(above) > 1 for above in folders):
        return None
    return _labelled({"train": {above[0]: inside for above, inside in folders.items() if above}})


def _labelled(by_split: Mapping[str, Mapping[str, list[DataFile]]]) -> Files | None:
    """Return files with their labels; None where the folders do not look like labels."""
    found: Files = defaultdict(list)
    for split, folders in by_split.items():
        labels = folders.keys() - {name for name in folders if name.lower() in WITHOUT_LABEL}
        rows = sum(len(folders[name]) for name in labels)
        if len(labels) < MIN_LABELS or rows < MIN_FILES * len(labels):
            return None
        for name, files in folders.items():
            if any(file.suffix != ".txt" for file in files):
                return None
            found[split if name in labels else "transfer"] += [
                replace(file, label=name if name in labels else "") for file in files
            ]
    return dict(found) if "train" in found else None


def read_whole_text(file: DataFile, form: TableForm) -> Rows:
    """Yield the one row of a file that is one text."""
    labelled = {LABEL: file.label} if file.label else {}
    yield Record(str(file), 1, {TEXT: read_text(file, form.recoded).strip(), **labelled})
