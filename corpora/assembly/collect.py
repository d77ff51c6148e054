"""One pass over a source: each record is interpreted as it is read, its text stored, and a few numbers kept."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.conversations import TurnColumns, TurnRows, plain_cell
from distill.corpora.assembly.gold import Gold
from distill.corpora.assembly.records import group_of, label_columns, split_of, wanted
from distill.corpora.assembly.spec import SEGMENTS, CorpusSpec
from distill.corpora.assembly.splits import SplitRows, normalise_text
from distill.corpora.assembly.subgroups import SubgroupColumns
from distill.corpora.corpus import LABELLED_SPLITS
from distill.corpora.reading.cells.cells import NoLabel
from distill.corpora.reading.cells.labels import LabelError, Token, find_names, resolve
from distill.corpora.reading.cells.texts import RowError, check_encoding, is_spelt_missing, pair_of, text_of
from distill.corpora.reading.places.source import Table
from distill.corpora.reading.rows import BadRow, Quarantine, Record
from distill.corpora.reading.scrub import scrub_row
from distill.corpora.reading.tables.headers import SeenColumns
from distill.corpora.storage.columns import CorpusRows, Ints, KeyColumn, LabelRows
from distill.corpora.storage.text_store import TextStore
from distill.corpora.targets import CODECS
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row

SPLITS = (*LABELLED_SPLITS, "transfer")

# a column with more distinct values does not hold labels
MAX_DISTINCT = 10_000

PROGRESS_ROWS = 1000


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
        self.groups_in_several_splits = self.spelt_missing = 0
        self.scrubbed: Counter[str] = Counter()
        self.turns: TurnRows | None = None  # once the rows are finished, of a corpus of conversations
        self.subgroups = SubgroupColumns(spec.subgroup, scrubbed=spec.scrub)
        self._spec, self._progress = spec, progress
        self._turns = None if spec.context is None else TurnColumns(spec.context, spec.row_id, folder)
        self._pair = (spec.text[0], spec.text[1]) if spec.joiner == SEGMENTS else None
        self._codec = CODECS[spec.task]
        self._names = names
        self._cells = spec.label_cells(names)
        self._gold = Gold(self._cells, self._parsed)
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
        rows, gold = table.rows, True
        if split in ("validation", "test") and self._spec.is_labelled:
            rows, gold = self._gold.of(table, self._found)
        for record in rows:
            self.rows_read += 1
            if self._progress is not None and self.rows_read % PROGRESS_ROWS == 0:
                self._progress(PROGRESS_ROWS)
            if isinstance(record, BadRow):
                self.bad.add(record)
                continue
            seen.add(record)
            if not gold:
                self.without_gold += 1
                continue
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
        needed = {} if plain else dict.fromkeys(self._spec.text, "`text`")
        seen.require(needed | ({} if split == "transfer" or not gold else label_columns(self._spec)), table.where)

    def look_ahead(self, train: Table) -> Table:
        """Note the label names in train's first rows, and return all of it: other splits are read before it."""
        return self._gold.look_ahead(train) if self._spec.is_labelled else train

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
            key=self._row_id.numbers() if self._spec.row_id and self._turns is None else text,
            labels=labels,
            file=_ints(self._file),
            row=_ints(self._row),
            files=tuple(self._files),
        )
        split = np.frombuffer(self._split, dtype=np.int8)
        decided = np.ones(len(split), dtype=np.bool_)
        if self._turns is not None:
            self.turns = turns = self._turns.finish(self.texts, rows)
            rows = replace(rows, text=turns.window, key=turns.key)
            decided = turns.is_row if turns.is_whole else _decided(turns, split)
        if self._given_group is not None:
            self.groups_in_several_splits = _in_several(self._given_group.numbers(), split)
        members = {
            name: np.flatnonzero((split == code) & decided).astype(np.int32) for code, name in enumerate(SPLITS)
        }
        return names, rows, {name: found for name, found in members.items() if len(found)}

    def _add(self, split: str, record: Record, columns: tuple[str, ...]) -> None:
        """Understand one record.

        Raises:
            RowError, LabelError: it cannot be used.
        """
        spec, fields = self._spec, record.fields
        check_encoding(fields)
        kept = wanted(fields, spec.where or {})
        if not kept:
            self.filtered += 1
            if self._turns is None:
                return
        if isinstance(spec.split, str) and split != "transfer":
            split = split_of(fields, spec.split)
        labelled = split != "transfer" and spec.is_labelled
        conversation = None if self._turns is None else self._turns.conversation_of(record)
        given = self._given(record, conversation, labelled=labelled)
        # ids often start again in each published split
        group = given if given is None or spec.group_scope == "source" else f"{split} {given}"
        text, tokens = self._content(fields, columns, labelled=labelled, kept=kept)
        if spec.one_per_group and labelled:
            if str(group) in self._groups_seen:
                self.later_in_group += 1
                return
            self._groups_seen.add(str(group))
        ids = self._ids(tokens or ())
        if spec.scrub:
            text, found = scrub_row(text)
            self.scrubbed.update(found)
        if self._turns is not None:
            scope = "" if spec.group_scope == "source" else f"{split} "
            self._turns.add(record, f"{scope}{conversation}", is_row=tokens is not None, is_empty=not text)
        self.spelt_missing += is_spelt_missing(text)
        self._labels.extend(ids)
        self._label_starts.append(len(self._labels))
        self.texts.append(text)
        normalised = normalise_text(text)
        self._text.append(normalised)
        self._group.append(group)
        self.subgroups.add(fields, labelled=labelled)
        if self._given_group is not None:
            self._given_group.append(given if labelled else None)
        if spec.row_id:
            keys = [plain_cell(fields, name) for name in spec.row_id] if labelled else None
            # rows for transfer have no row id, and are compared by their texts
            self._row_id.append(f"id {keys}" if keys else f"text {normalised}")
        self._split.append(SPLITS.index(split))
        self._file.append(self._files.setdefault(record.file, len(self._files)))
        self._row.append(record.row)

    def _given(self, record: Record, conversation: str | None, *, labelled: bool) -> str | None:
        """Return the group of a row as its file has it: a cell, the conversation, or the list that it is in."""
        if self._spec.group is not None:
            return group_of(record.fields, self._spec.group, labelled)
        return record.group if conversation is None else conversation

    def _content(
        self, fields: dict[str, Any], columns: tuple[str, ...], *, labelled: bool, kept: bool
    ) -> tuple[Row, tuple[Token, ...] | None]:
        """Return a row's text and labels; None for the labels of a turn that is context alone."""
        if self._turns is not None:
            turn = text_of(fields, columns, self._spec.joiner, empty=True)
            return turn, None if not kept else self._tokens_of_turn(fields) if labelled else ()
        pair = self._pair
        text: Row = text_of(fields, columns, self._spec.joiner) if pair is None else pair_of(fields, pair)
        return text, self._tokens(fields) if labelled else ()

    def _tokens_of_turn(self, fields: dict[str, Any]) -> tuple[Token, ...] | None:
        """Return the labels of a turn; None where it has none and is context alone."""
        try:
            return self._tokens(fields) if self._cells.has_label(fields) else None
        except NoLabel:
            return None

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

    def _parsed(self, fields: Mapping[str, Any]) -> tuple[Token, ...]:
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


def _decided(turns: TurnRows, split: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which rows are to be decided: labelled ones, and those for transfer of the same speakers."""
    speakers = turns.log.speakers[turns.place]
    transfer = split == SPLITS.index("transfer")
    decided: NDArray[np.bool_] = turns.is_row & (~transfer | np.isin(speakers, speakers[turns.is_row & ~transfer]))
    return decided


def _ints(values: array[int]) -> Ints:
    """Return the same numbers, not copied."""
    return np.frombuffer(values, dtype=np.int32)
