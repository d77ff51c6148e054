"""A corpus from its source: read, filtered, checked, merged, split, and cleared of leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from distill.corpora.assembly.collect import Collector
from distill.corpora.assembly.conversations import context_leaks, rows_of_turns
from distill.corpora.assembly.folds import NO_ROWS, divided, is_far
from distill.corpora.assembly.spec import DEFAULT_SPLIT, CorpusSpec
from distill.corpora.assembly.splits import (
    SplitRows,
    count_repeats,
    labels_without_rows,
    merge_duplicates,
    remove_leaks,
    split_by_group,
)
from distill.corpora.assembly.told_labels import count_told_labels
from distill.corpora.assembly.unknown_labels import rows_of_unknown_labels
from distill.corpora.corpus import LABELLED_SPLITS, UNLABELLED, Corpus, Split, targets_of
from distill.corpora.reading.cells.cells import label_names_of
from distill.corpora.reading.places.source import Tables, open_source, read_label_names
from distill.corpora.reading.rows import Quarantine, listed
from distill.corpora.reading.scrub import PATTERNS
from distill.corpora.storage.columns import NONE, CorpusRows, Ints
from distill.corpora.storage.text_store import StoredTexts
from distill.corpora.targets import CODECS, checked_task
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row

__all__ = ["CorpusSpec", "read_corpus"]

KINDS = tuple(kind for kind, _ in PATTERNS)


def read_corpus(
    spec: CorpusSpec,
    *,
    seed: int,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Corpus, Quarantine]:
    """Read, filter, check, merge and split; return the corpus and the rows put into quarantine.

    Texts are written to an anonymous file; only numbers stay in memory.

    Args:
        spec: where the rows are and how to understand them.
        seed: the seed of the split.
        folder: where that file is made; the system's folder for temporary files by default.
        progress: told how many rows were read since its last call.
    """
    tables = open_source(spec.source, spec.form, spec.transfer, spec.read_columns)
    collector = Collector(spec, _known_names(spec, tables), folder, progress)
    _take(tables, collector)
    bad = collector.bad
    if bad.first is not None and spec.on_bad_row == "error":
        raise bad.first.error(len(bad) - 1)
    names, rows, splits = collector.finish()
    if not splits.keys() - {"transfer"}:
        raise InputError(
            f"{spec.source}: No row with labels is usable ({len(bad)} are bad, `where` leaves out "
            f"{collector.filtered}). Check `text`, `labels` and `where`."
        )
    task = checked_task(spec.task, names)
    notes = {
        "rows_read": collector.rows_read,
        "rows_filtered": collector.filtered,
        "rows_quarantined": len(bad),
        "rows_later_in_group": collector.later_in_group,
        "splits_ignored": tables.ignored,
    }
    if collector.without_gold:
        notes["rows_without_gold"] = collector.without_gold
    counted = {
        "files_that_look_quoted": tables.quoted,
        "groups_in_several_splits": collector.groups_in_several_splits,
        # once, somebody may have said so
        "texts_spelt_missing": collector.spelt_missing if collector.spelt_missing > 1 else 0,
    }
    notes |= {name: count for name, count in counted.items() if count}
    if spec.scrub:
        notes |= {f"scrubbed_{kind}s": collector.scrubbed[kind] for kind in KINDS}
    if collector.turns is not None:
        notes |= collector.turns.notes
    task, rows, splits = _select(rows, splits, task, spec, notes)
    splits = _split(rows, splits, spec, seed, notes)
    splits, leaks = remove_leaks(rows, splits, spec.leaks)
    _check_rows(rows, splits, task, spec)
    texts_of: Callable[[Ints], Sequence[Row]] = partial(StoredTexts, collector.texts)
    reads = None
    if collector.turns is not None and spec.context is not None:
        reads, texts_of = rows_of_turns(rows, splits, collector.turns, spec.context)
        leaks |= context_leaks(splits, collector.turns)
    labelled = LABELLED_SPLITS if spec.is_labelled else ()
    made = {
        name: _as_split(texts_of, rows, found, task, labelled=name in labelled) for name, found in splits.items()
    }
    train, validation, test = (made[name] for name in LABELLED_SPLITS)
    if spec.is_labelled:
        notes |= count_told_labels(train, task)
    corpus = Corpus(
        task,
        train,
        validation,
        test,
        made.get("transfer"),
        notes | leaks,
        tables.record,
        reads,
        collector.subgroups.of(splits["test"]),
    )
    return corpus, bad


def _take(tables: Tables, collector: Collector) -> None:
    """Take in every table, in the order of the files' names."""
    by_split = dict(tables.by_split)
    if next(iter(by_split)) != "train" and "train" in by_split:
        by_split["train"] = collector.look_ahead(by_split["train"])
    for split, table in by_split.items():
        collector.take(split, table)


def _known_names(spec: CorpusSpec, tables: Tables) -> tuple[str, ...] | None:
    """Return the label names in logit order where they are given, or carried by the data set or columns."""
    carried = tables.label_names.get(spec.labels_from)
    columns = spec.label_columns if not isinstance(spec.labels, str) else None
    if spec.label_names is None:
        return label_names_of(columns) if columns else carried
    given = spec.label_names
    names = read_label_names(spec.source, given) if isinstance(given, str) else given
    if columns and len(names) != len(columns):
        raise InputError(
            f"`label_names` has {len(names)} names for the {len(columns)} columns of `labels`. Give one for "
            "each, in their order."
        )
    if carried and names != carried and sorted(names) == sorted(carried):
        raise InputError(
            f"`label_names` has the names that {spec.source} carries for column '{spec.labels}' in another "
            "order, which would exchange labels. Leave it out, or use the order of the data set."
        )
    return names


def _select(
    rows: CorpusRows, splits: SplitRows, task: Task, spec: CorpusSpec, notes: dict[str, int]
) -> tuple[Task, CorpusRows, SplitRows]:
    """Merge repeats and leave rare labels out; add to the notes."""
    before, published_test = _count(splits), splits.get("test", NO_ROWS)
    if not spec.is_labelled:
        notes[UNLABELLED] = before
    # several annotators of one row do not repeat it: `row_id` merges them in every split
    annotated = spec.row_id is not None or spec.context is not None
    whole = () if spec.merge_test or annotated else ("test",)
    # rows without labels are merged as those that may have none
    codec = CODECS[task.kind if spec.is_labelled else "multi_label"]
    rows, splits = merge_duplicates(rows, splits, codec, spec.duplicates, whole=whole)
    notes["rows_merged"] = before - _count(splits)
    if not annotated and spec.duplicates != "keep":
        repeats = count_repeats(rows, published_test)
        if repeats:
            notes["test_rows_merged" if spec.merge_test else "test_rows_repeated"] = repeats
    counts = rows.labels.take(splits.get("train", NO_ROWS)).counts(task.num_labels)
    if spec.is_labelled and spec.label_names is None and isinstance(spec.labels, str):
        unknown = rows_of_unknown_labels(rows, splits, task.labels, counts, least=spec.min_rows)
        notes |= {"held_out_rows_with_unknown_labels": unknown} if unknown else {}
    kept = [i for i in range(task.num_labels) if counts[i] >= spec.min_rows or spec.min_rows == 1]
    notes["labels_left_out"] = task.num_labels - len(kept)
    before = _count(splits)
    if len(kept) < task.num_labels:
        task = checked_task(task.kind, tuple(task.labels[i] for i in kept))
        new_ids = np.full(len(counts), NONE, dtype=np.int32)
        new_ids[kept] = np.arange(len(kept))
        labels = rows.labels.renamed(new_ids)
        # a row whose every label is left out goes with them
        lost = (labels.sizes() == 0) & (rows.labels.sizes() > 0)
        splits = {name: members[~lost[members]] for name, members in splits.items()}
        rows = replace(rows, labels=labels)
    notes["rows_left_out"] = before - _count(splits)
    return task, rows, splits


def _count(splits: SplitRows) -> int:
    """Count the rows of all splits."""
    return sum(len(members) for members in splits.values())


def _split(rows: CorpusRows, splits: SplitRows, spec: CorpusSpec, seed: int, notes: dict[str, int]) -> SplitRows:
    """Split off from train, group by group, the splits that the source lacks."""
    missing = [name for name in LABELLED_SPLITS[1:] if name not in splits]
    notes["rows_split_off"] = 0
    if spec.folds is not None:
        return divided(rows, splits, spec, spec.folds, seed, notes)
    if not missing or not len(splits.get("train", NO_ROWS)):
        return splits
    fractions = dict(
        zip(LABELLED_SPLITS, DEFAULT_SPLIT if isinstance(spec.split, str) else spec.split, strict=True)
    )
    names = ["train", *missing]
    shares = [fractions[name] for name in names]
    parts = split_by_group(rows, splits["train"], shares, seed=seed)
    notes["rows_split_off"] = sum(len(members) for members in parts[1:])
    for name, share, members in list(zip(names, shares, parts, strict=True))[1:]:
        if not len(members):
            raise InputError(
                f"{spec.source}: No row is left for the {name} split of {len(splits['train'])} rows, because "
                "rows of one group or text stay together and train needs every label. Look at `group`, set "
                "`min_rows` = 3 to leave rare labels out, or publish splits of your own."
            )
        wanted = len(splits["train"]) * share / sum(shares)
        if is_far(len(members), wanted):
            notes[f"{name}_rows_wanted"] = round(wanted)
    return splits | dict(zip(names, parts, strict=True))


def _check_rows(rows: CorpusRows, splits: SplitRows, task: Task, spec: CorpusSpec) -> None:
    """Refuse a split that ended without rows, and labels that train cannot teach."""
    without_test = spec.folds is not None and spec.fold is None
    for name in LABELLED_SPLITS[: 2 if without_test else 3]:
        if not len(splits.get(name, NO_ROWS)):
            raise InputError(
                f"{spec.source}: The {name} split has no row left after filtering, merging, and removing leaks "
                "and rare labels. Add rows or groups, or change `where`, `split`, `leaks` or `min_rows`."
            )
    missing = labels_without_rows(rows.labels.take(splits["train"]), task.labels) if spec.is_labelled else ()
    if missing and spec.label_names is None:
        # found names may be texts, where `labels` names the wrong column: count them, quote none
        raise InputError(
            f"{spec.source}: {len(missing)} of the {task.num_labels} values in column '{spec.labels_from}' are "
            "in no row of train. Does `labels` name the right column? Add rows, or set `min_rows` = 2 or more."
        )
    if missing:
        raise InputError(
            f"{spec.source}: No row in train has the label{'s' * (len(missing) > 1)} {listed(missing)}. Add "
            "rows, leave the label out of `label_names`, or set `min_rows` = 2 or more."
        )


def _as_split(
    texts_of: Callable[[Ints], Sequence[Row]], rows: CorpusRows, members: Ints, task: Task, *, labelled: bool
) -> Split:
    """Return members as arrays, with targets if they are labelled."""
    groups = rows.group[members]
    targets = targets_of(rows.labels.take(members), task) if labelled else None
    grouped = len(groups) > 0 and bool((groups != NONE).all())
    return Split(texts_of(members), targets, groups if grouped else None)
