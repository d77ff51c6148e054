"""A corpus from where it lies: read, filtered, checked, merged, split, and cleared of leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from corpora.corpus import LABELLED_SPLITS, Corpus, Split, targets_from_ids
from corpora.labels import LabelError, Token, find_names, parse_cell, resolve
from corpora.readers import require_columns
from corpora.rows import BadRow, Record, Row, listed, write_quarantine
from corpora.spec import DEFAULT_SPLIT, CorpusSpec
from corpora.splits import (
    SplitRows,
    labels_without_rows,
    merge_duplicates,
    remove_leaks,
    split_by_group,
)
from corpora.tables import SAMPLE, SPLIT_NAMES, Table, open_source, read_label_names
from corpora.task import Task
from corpora.texts import RowError, check_encoding, text_of
from export.runtime.errors import InputError

__all__ = ["SAMPLE", "BadRow", "CorpusSpec", "read_corpus", "write_quarantine"]


@dataclass(frozen=True)
class _Draft:
    """A row whose labels are still names or ids to be looked up; `order` is its place in the source."""

    order: int
    split: str
    row: Row
    tokens: tuple[Token, ...]
    record: Record


def read_corpus(spec: CorpusSpec, *, seed: int) -> tuple[Corpus, list[BadRow]]:
    """Read, filter, check, merge and split; gives the corpus and the rows put into quarantine."""
    tables = open_source(spec.source, spec.columns, spec.transfer)
    for split, table in tables.by_split.items():
        _require(split, table, spec)
    drafts, bad, filtered = _understand(tables.by_split, spec)
    _refuse(bad, spec)
    used = _first_of_each_group(drafts) if spec.one_per_group else drafts
    if not any(draft.split != "transfer" for draft in used):
        raise InputError(
            f"{spec.source}: no row with labels is usable ({len(bad)} are bad, corpus.where leaves out "
            f"{filtered}); check corpus.text, corpus.labels and corpus.where"
        )
    names = _label_names(spec, used, tables.label_names.get(spec.labels))
    task = Task(spec.task, names)
    splits, unresolved = _resolve(used, names)
    bad |= unresolved
    _refuse(bad, spec)
    notes = {
        "rows_read": sum(len(table.rows) for table in tables.by_split.values()),
        "rows_filtered": filtered,
        "rows_quarantined": len(bad),
        "rows_later_in_group": len(drafts) - len(used),
        "splits_ignored": tables.ignored,
    }
    task, splits = _select(splits, task, spec, notes)
    splits = _split(splits, spec, seed, notes)
    splits, leaks = remove_leaks(splits, spec.leaks)
    _check_rows(splits, task, spec)
    made = {name: _as_split(rows, None if name == "transfer" else task) for name, rows in splits.items()}
    corpus = Corpus(task, made["train"], made["validation"], made["test"], made.get("transfer"), notes | leaks)
    return corpus, [bad[order] for order in sorted(bad)]


def _refuse(bad: dict[int, BadRow], spec: CorpusSpec) -> None:
    """Raise for the first bad row, unless bad rows are to be put aside."""
    if bad and spec.on_bad_row == "error":
        raise bad[min(bad)].error(len(bad) - 1)


def _first_of_each_group(drafts: list[_Draft]) -> list[_Draft]:
    """The first labelled row of every group and all rows for transfer, in order."""
    first: dict[str | None, int] = {}
    for draft in drafts:
        if draft.split != "transfer":
            first.setdefault(draft.row.group, draft.order)
    return [draft for draft in drafts if draft.split == "transfer" or first[draft.row.group] == draft.order]


def _require(split: str, table: Table, spec: CorpusSpec) -> None:
    """Refuse a table that has no row, or lacks a column that the spec names."""
    if not table.rows:
        raise InputError(f"{table.where}: the {split} split has no row; fill it, or take the file away")
    wanted = {} if _plain_texts(table) else dict.fromkeys(spec.text, "corpus.text")
    if split != "transfer":
        wanted[spec.labels] = "corpus.labels"
        wanted |= dict.fromkeys(spec.where or {}, "corpus.where")
        wanted |= dict.fromkeys(spec.row_id or (), "corpus.row_id")
        if spec.group is not None:
            wanted[spec.group] = "corpus.group"
        if isinstance(spec.split, str):
            wanted[spec.split] = "corpus.split"
    require_columns(table.rows, wanted, table.where)


def _plain_texts(table: Table) -> bool:
    """Whether a table is a file of one text a line, which needs no column names."""
    return table.where.endswith(".txt")


def _understand(tables: dict[str, Table], spec: CorpusSpec) -> tuple[list[_Draft], dict[int, BadRow], int]:
    """Drafts of the usable rows, the bad rows by their place in the source, and how many were filtered out."""
    drafts: list[_Draft] = []
    bad: dict[int, BadRow] = {}
    filtered = order = 0
    for split, table in tables.items():
        columns = ("text",) if _plain_texts(table) else spec.text
        for record in table.rows:
            order += 1
            if isinstance(record, BadRow):
                bad[order] = record
                continue
            try:
                draft = _draft(order, split, record, columns, spec)
            except (RowError, LabelError) as error:
                bad[order] = BadRow(record.file, record.row, str(error), record.fields)
                continue
            if draft is None:
                filtered += 1
            else:
                drafts.append(draft)
    return drafts, bad, filtered


def _draft(order: int, split: str, record: Record, columns: tuple[str, ...], spec: CorpusSpec) -> _Draft | None:
    """One record as a draft; None where `corpus.where` leaves it out."""
    fields = record.fields
    check_encoding(fields)
    if not _wanted(fields, spec.where or {}):
        return None
    if isinstance(spec.split, str) and split != "transfer":
        split = SPLIT_NAMES.get(_cell(fields, spec.split).lower(), "")
        if not split:
            known = ", ".join(dict.fromkeys(SPLIT_NAMES.values()))
            raise RowError(f"column '{spec.split}' names no split; the splits are {known}")
    labelled = split != "transfer"
    group = None
    if spec.group is not None and (labelled or spec.group in fields):
        group = _cell(fields, spec.group)
        if not group:
            raise RowError(f"column '{spec.group}' (corpus.group) is empty")
    row_id = tuple(_cell(fields, name) for name in spec.row_id) if spec.row_id and labelled else None
    row = Row(text_of(fields, columns, spec.joiner), (), group, row_id, record.file, record.row)
    tokens = parse_cell(fields.get(spec.labels), spec.task, spec.delimiter) if labelled else ()
    return _Draft(order, split, row, tokens, record)


def _cell(fields: dict[str, Any], column: str) -> str:
    """A cell that is compared, as text: empty where it is missing, booleans and whole numbers plain."""
    value = fields.get(column)
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _wanted(fields: dict[str, Any], where: dict[str, str | list[str]]) -> bool:
    """Whether a row has one of the wanted values in every filtered column that its table has."""
    for column, values in where.items():
        if column in fields and _cell(fields, column) not in ([values] if isinstance(values, str) else values):
            return False
    return True


def _label_names(spec: CorpusSpec, drafts: list[_Draft], carried: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names in logit order: given, else carried by the data set, else found in the rows."""
    if spec.label_names is None:
        rows = (draft.tokens for draft in drafts if draft.split != "transfer")
        return carried or find_names(rows, spec.labels)
    given = spec.label_names
    names = read_label_names(spec.source, given) if isinstance(given, str) else given
    if carried and names != carried and sorted(names) == sorted(carried):
        raise InputError(
            f"corpus.label_names has the names that {spec.source} carries for column '{spec.labels}' in "
            "another order, which would exchange labels; leave it out, or use the order of the data set"
        )
    return names


def _resolve(drafts: list[_Draft], names: tuple[str, ...]) -> tuple[SplitRows, dict[int, BadRow]]:
    """Rows by split with their label ids, and the rows whose labels are not known."""
    index = {name: i for i, name in enumerate(names)}
    splits: SplitRows = {}
    bad: dict[int, BadRow] = {}
    for draft in drafts:
        try:
            row = replace(draft.row, labels=resolve(draft.tokens, index))
        except LabelError as error:
            bad[draft.order] = BadRow(draft.row.file, draft.row.row, str(error), draft.record.fields)
            continue
        splits.setdefault(draft.split, []).append(row)
    return splits, bad


def _select(splits: SplitRows, task: Task, spec: CorpusSpec, notes: dict[str, int]) -> tuple[Task, SplitRows]:
    """Repeats merged and rare labels left out; adds to the notes."""
    before = _count(splits)
    splits = {name: merge_duplicates(rows, task.kind, spec.duplicates) for name, rows in splits.items()}
    notes["rows_merged"] = before - _count(splits)
    counts = Counter(label for row in splits.get("train", ()) for label in row.labels)
    kept = [i for i in range(task.num_labels) if counts[i] >= spec.min_rows or spec.min_rows == 1]
    notes["labels_left_out"] = task.num_labels - len(kept)
    before = _count(splits)
    if len(kept) < task.num_labels:
        task = Task(task.kind, tuple(task.labels[i] for i in kept))
        splits = {name: _with_labels(rows, kept) for name, rows in splits.items()}
    notes["rows_left_out"] = before - _count(splits)
    return task, splits


def _count(splits: SplitRows) -> int:
    """The rows of all splits."""
    return sum(len(rows) for rows in splits.values())


def _with_labels(rows: Iterable[Row], kept: list[int]) -> list[Row]:
    """Rows under the new ids of the kept labels; a row whose every label is left out goes with them."""
    new = {old: i for i, old in enumerate(kept)}
    moved = [replace(row, labels=tuple(new[i] for i in row.labels if i in new)) for row in rows]
    return [after for after, row in zip(moved, rows, strict=True) if after.labels or not row.labels]


def _split(splits: SplitRows, spec: CorpusSpec, seed: int, notes: dict[str, int]) -> SplitRows:
    """Split off from train what the source does not give as a split of its own, group by group."""
    missing = [name for name in LABELLED_SPLITS[1:] if name not in splits]
    notes["rows_split_off"] = 0
    if not missing or "train" not in splits:
        return splits
    fractions = dict(
        zip(LABELLED_SPLITS, DEFAULT_SPLIT if isinstance(spec.split, str) else spec.split, strict=True)
    )
    names = ["train", *missing]
    parts = split_by_group(splits["train"], [fractions[name] for name in names], seed=seed)
    notes["rows_split_off"] = sum(len(rows) for rows in parts[1:])
    return splits | dict(zip(names, parts, strict=True))


def _check_rows(splits: SplitRows, task: Task, spec: CorpusSpec) -> None:
    """Refuse a split that ended without rows, and labels that train cannot teach."""
    for name in LABELLED_SPLITS:
        if not splits.get(name):
            raise InputError(
                f"{spec.source}: the {name} split has no row left after filtering, merging and removing leaks; "
                "add rows or groups, or change corpus.where, corpus.split or corpus.leaks"
            )
    missing = labels_without_rows(splits["train"], task.labels)
    if missing and spec.label_names is None:
        # found names may be texts, where corpus.labels names the wrong column: count them, quote none
        raise InputError(
            f"{spec.source}: {len(missing)} of the {task.num_labels} values in column '{spec.labels}' are in no "
            "row of train; does corpus.labels name the right column? Add rows, or set corpus.min_rows = 2 or more"
        )
    if missing:
        raise InputError(
            f"{spec.source}: no row in train has the label{'s' * (len(missing) > 1)} {listed(missing)}; "
            "add rows, leave the label out of corpus.label_names, or set corpus.min_rows = 2 or more"
        )


def _as_split(rows: list[Row], task: Task | None) -> Split:
    """Rows as arrays; without a task they have no targets."""
    groups = [row.group for row in rows if row.group is not None]
    targets = None if task is None else targets_from_ids([row.labels for row in rows], task)
    return Split([row.text for row in rows], targets, groups if rows and len(groups) == len(rows) else None)
