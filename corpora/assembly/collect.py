"""One pass over a source: each record is interpreted as it is read, its text stored, and a few numbers kept."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.spec import SEGMENTS, CorpusSpec
from distill.corpora.assembly.splits import SplitRows, normalise_text
from distill.corpora.corpus import LABELLED_SPLITS
from distill.corpora.reading.cells import NoLabel
from distill.corpora.reading.headers import SeenColumns
from distill.corpora.reading.labels import LabelError, Token, find_names, resolve
from distill.corpora.reading.rows import BadRow, Quarantine, Record, Rows
from distill.corpora.reading.scrub import scrub_row
from distill.corpora.reading.source import Table
from distill.corpora.reading.split_names import SPLIT_NAMES
from distill.corpora.reading.texts import RowError, check_encoding, pair_of, text_of
from distill.corpora.storage.columns import CorpusRows, Ints, KeyColumn, LabelRows
from distill.corpora.storage.text_store import TextStore
from distill.corpora.targets import CODECS
from distill.export.runtime.errors import InputError
from distill.export.runtime.inputs import Row

SPLITS = (*LABELLED_SPLITS, "transfer")

# a column with more distinct values does not hold labels
MAX_DISTINCT = 10_000

PROGRESS_ROWS = 1000

# rows of a test file that are read ahead, to see whether it has any labels
PEEKED_ROWS = 1000


class Collector:
    """A collection of the rows read so far.

    Args:
        spec: how to understand a record.
        names: the label names where they are known before the rows are, else None.
        folder: where anonymous files are made; the system's folder for such files by default.
        progress: told how many records were read since its last call.
    """

    def __init__(
        self,
        spec: CorpusSpec,
        names: tuple[str, ...] | None,
        folder: Path | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.texts = TextStore(folder)
        self.bad = Quarantine(folder, keep=spec.on_bad_row == "quarantine", scrubbed=spec.scrub)
        self.rows_read = self.filtered = self.later_in_group = self.without_gold = 0
        self.groups_in_several_splits = 0
        self.scrubbed: Counter[str] = Counter()
        self._spec, self._progress = spec, progress
        self._pair = (spec.text[0], spec.text[1]) if spec.joiner == SEGMENTS else None
        self._codec = CODECS[spec.task]
        self._names = names
        self._cells = spec.label_cells(names)
        self._parsed_cells: dict[str, tuple[Token, ...]] = {}  # of cells that repeat, as labels do
        self._known = None if names is None else {name: index for index, name in enumerate(names)}
        self._found: dict[str, int] = {}  # names in the order in which they appeared, where none are known
        self._label_counts: Counter[str] = Counter()
        self._groups_seen: set[str] = set()  # only where one row of each group is wanted
        self._files: dict[str, int] = {}
        self._split, self._file, self._row = array("b"), array("i"), array("i")
        self._label_starts, self._labels = array("i", [0]), array("i")
        self._text, self._group, self._row_id = KeyColumn(folder), KeyColumn(folder), KeyColumn(folder)
        scoped = spec.group is not None and spec.group_scope == "split"
        self._given_group = KeyColumn(folder) if scoped else None

    def take(self, split: str, table: Table) -> None:
        """Take in every record of one table.

        Raises:
            InputError: it has no row, or lacks a column that the spec names.
        """
        # a file of one text per line needs no column names, and has no pairs
        plain = table.lines and self._pair is None
        before, seen = self.rows_read, SeenColumns()
        rows, gold = self._with_gold(split, table.rows)
        for record in rows:
            self.rows_read += 1
            if self._progress is not None and self.rows_read % PROGRESS_ROWS == 0:
                self._progress(PROGRESS_ROWS)
            if isinstance(record, BadRow):
                self.bad.add(record)
                continue
            if not gold:
                self.without_gold += 1
                continue
            seen.add(record)
            columns = ("text",) if plain and record.fields.keys() == {"text"} else self._spec.text
            try:
                self._add(split, record, columns)
            except NoLabel as error:
                if self._spec.missing is None:
                    self.bad.add(BadRow(record.file, record.row, str(error), record.fields))
                else:
                    self.without_gold += 1
            except (RowError, LabelError) as error:
                self.bad.add(BadRow(record.file, record.row, str(error), record.fields))
        if self.rows_read == before:
            raise InputError(f"{table.where}: The {split} split has no row. Fill it, or take the file away.")
        plain = plain and seen.are({"text"})
        wanted = {} if plain else dict.fromkeys(self._spec.text, "`text`")
        seen.require(
            {} if not gold else wanted | ({} if split == "transfer" else _label_columns(self._spec)), table.where
        )

    def _with_gold(self, split: str, rows: Rows) -> tuple[Rows, bool]:
        """Return the rows, and whether they are labelled: a test or validation file may be there to predict."""
        if split not in ("validation", "test"):
            return rows, True
        first = list(islice(rows, PEEKED_ROWS))
        records = [row.fields for row in first if isinstance(row, Record)]
        gold = not records or any(self._cells.has_label(fields) for fields in records)
        return chain(first, rows), gold

    def finish(self) -> tuple[tuple[str, ...], CorpusRows, SplitRows]:
        """Return the label names, known or found, the rows, and the members of each split."""
        labels = LabelRows(_ints(self._label_starts), _ints(self._labels))
        names = self._names
        if names is None:
            names = self._found_names(labels)
            labels = labels.renamed(np.array([names.index(name) for name in self._found], dtype=np.int32))
        text = self._text.numbers()
        rows = CorpusRows(
            text=text,
            group=self._group.numbers(),
            key=self._row_id.numbers() if self._spec.row_id else text,
            labels=labels,
            file=_ints(self._file),
            row=_ints(self._row),
            files=tuple(self._files),
        )
        split = np.frombuffer(self._split, dtype=np.int8)
        if self._given_group is not None:
            self.groups_in_several_splits = _in_several(self._given_group.numbers(), split)
        members = {name: np.flatnonzero(split == code).astype(np.int32) for code, name in enumerate(SPLITS)}
        return names, rows, {name: found for name, found in members.items() if len(found)}

    def _add(self, split: str, record: Record, columns: tuple[str, ...]) -> None:
        """Understand one record.

        Raises:
            RowError, LabelError: it cannot be used.
        """
        spec, fields = self._spec, record.fields
        check_encoding(fields)
        if not _wanted(fields, spec.where or {}):
            self.filtered += 1
            return
        if isinstance(spec.split, str) and split != "transfer":
            split = _split_of(fields, spec.split)
        labelled = split != "transfer"
        given = _group_of(fields, spec.group, labelled) if spec.group is not None else record.group
        # ids often start again in each published split
        group = given if given is None or spec.group_scope == "source" else f"{split} {given}"
        text: Row = text_of(fields, columns, spec.joiner) if self._pair is None else pair_of(fields, self._pair)
        tokens = self._tokens(fields) if labelled else ()
        if spec.one_per_group and labelled:
            if str(group) in self._groups_seen:
                self.later_in_group += 1
                return
            self._groups_seen.add(str(group))
        ids = self._ids(tokens)
        if spec.scrub:
            text, found = scrub_row(text)
            self.scrubbed.update(found)
        self._labels.extend(ids)
        self._label_starts.append(len(self._labels))
        self.texts.append(text)
        normalised = normalise_text(text)
        self._text.append(normalised)
        self._group.append(group)
        if self._given_group is not None:
            self._given_group.append(given if labelled else None)
        if spec.row_id:
            keys = [_cell(fields, name) for name in spec.row_id] if labelled else None
            # rows for transfer have no row id, and are compared by their texts
            self._row_id.append(f"id {keys}" if keys else f"text {normalised}")
        self._split.append(SPLITS.index(split))
        self._file.append(self._files.setdefault(record.file, len(self._files)))
        self._row.append(record.row)

    def _tokens(self, fields: dict[str, Any]) -> tuple[Token, ...]:
        """Return the names or ids of a row's labels."""
        cell = fields.get(self._spec.label_columns[0])
        if len(self._spec.label_columns) > 1 or not isinstance(cell, str):
            return self._parsed(fields)
        known = self._parsed_cells.get(cell)
        if known is None:
            known = self._parsed(fields)
            if len(self._parsed_cells) < MAX_DISTINCT:
                self._parsed_cells[cell] = known
        return known

    def _parsed(self, fields: dict[str, Any]) -> tuple[Token, ...]:
        """Return the names or ids in a row's cells, without the cache."""
        cell = self._cells.cell(fields)
        return tuple(map(self._cells.token, self._codec.parse(cell, self._spec.delimiter)))

    def _found_names(self, labels: LabelRows) -> tuple[str, ...]:
        """Return the names of the labels that were found, where none are known."""
        names = find_names(self._label_counts, self._spec.labels_from)
        try:
            self._cells.check_names(names, pairs=bool((labels.sizes() == 2).any()))
        except LabelError as error:
            raise InputError(f"{self._spec.source}, column '{self._spec.labels_from}': {error}") from None
        return names

    def _ids(self, tokens: tuple[Token, ...]) -> tuple[int, ...]:
        """Return label ids, or the positions of their names among those found so far."""
        if self._known is not None:
            return resolve(tokens, self._known)
        names = [str(token) for token in tokens]
        self._label_counts.update(names)
        if len(self._label_counts) > MAX_DISTINCT:
            find_names(self._label_counts, self._spec.labels_from)  # raises
        return tuple(dict.fromkeys(self._found.setdefault(name, len(self._found)) for name in names))


def _in_several(groups: Ints, splits: NDArray[np.int8]) -> int:
    """Count the groups that have rows in more than one published split."""
    pairs = np.unique(groups[groups >= 0].astype(np.int64) * len(SPLITS) + splits[groups >= 0])
    return int((np.unique(pairs // len(SPLITS), return_counts=True)[1] > 1).sum())


def _label_columns(spec: CorpusSpec) -> dict[str, str]:
    """Return the columns that a labelled table needs besides its text, with the keys that name them."""
    wanted = dict.fromkeys(spec.label_columns, "`labels`")
    wanted |= dict.fromkeys(spec.where or {}, "`where`")
    wanted |= dict.fromkeys(spec.row_id or (), "`row_id`")
    if spec.group is not None:
        wanted[spec.group] = "`group`"
    if isinstance(spec.split, str):
        wanted[spec.split] = "`split`"
    return wanted


def _split_of(fields: dict[str, Any], column: str) -> str:
    split = SPLIT_NAMES.get(_cell(fields, column).lower(), "")
    if not split:
        known = ", ".join(dict.fromkeys(SPLIT_NAMES.values()))
        raise RowError(f"column '{column}' names no split; the splits are {known}")
    return split


def _group_of(fields: dict[str, Any], column: str | None, labelled: bool) -> str | None:
    """Return the row's group; a row for transfer may have none."""
    if column is None or not (labelled or column in fields):
        return None
    group = _cell(fields, column)
    if not group:
        raise RowError(f"column '{column}' (`group`) is empty")
    return group


def _cell(fields: dict[str, Any], column: str) -> str:
    """Return a cell as text to compare: empty where it is missing, booleans and whole numbers plain."""
    value = fields.get(column)
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _wanted(fields: dict[str, Any], where: dict[str, str | list[str]]) -> bool:
    """Return whether a row has one of the wanted values in every filtered column that its table has."""
    for column, values in where.items():
        if column in fields and _cell(fields, column) not in ([values] if isinstance(values, str) else values):
            return False
    return True


def _ints(values: array[int]) -> Ints:
    """Return the same numbers, not copied."""
    return np.frombuffer(values, dtype=np.int32)
