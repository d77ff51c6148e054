"""Rows into train, validation and test: merging repeats, splitting by group, removing leaks. All pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from corpora.rows import Row
from corpora.task import TaskKind
from export.runtime.errors import InputError

SplitRows = dict[str, list[Row]]


def normalise_text(text: str) -> str:
    """What two texts must share to count as the same: NFKC, case folded, runs of white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def merge_key(row: Row) -> Hashable:
    """What makes two rows the same one: their row id where the corpus has such columns, else their text."""
    return row.row_id if row.row_id is not None else normalise_text(row.text)


def merge_duplicates(rows: Sequence[Row], kind: TaskKind, policy: str) -> list[Row]:
    """Rows with repeats merged into the first of them; "keep" merges none, "error" refuses other labels."""
    if policy == "keep":
        return list(rows)
    together: dict[Hashable, list[Row]] = {}
    for row in rows:
        together.setdefault(merge_key(row), []).append(row)
    return [_merge(same, kind, policy) for same in together.values()]


def _merge(same: list[Row], kind: TaskKind, policy: str) -> Row:
    """One row for rows that are the same one."""
    first = same[0]
    differing = next((row for row in same if row.labels != first.labels), None)
    if differing is None:
        return first
    if policy == "error":
        raise InputError(
            f"{differing.file}, row {differing.row}: repeats {first.file}, row {first.row} "
            'with other labels; correct one of them, or set corpus.duplicates = "majority"'
        )
    votes = [row.labels for row in same]
    labels = majority_single(votes) if kind is TaskKind.SINGLE_LABEL else majority_multi(votes)
    return Row(first.text, labels, first.group, first.row_id, first.file, first.row)


def majority_single(votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The label that most annotators gave; among equals the one seen first."""
    return Counter(votes).most_common(1)[0][0]


def majority_multi(votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The labels that at least half of the annotators gave.

    Where no label reaches half although most annotators gave one, the most frequent label stands, among
    equals the one seen first: an empty row would say that nothing applies, which most of them denied.
    """
    counts = Counter(label for labels in votes for label in labels)
    chosen = tuple(sorted(label for label, count in counts.items() if 2 * count >= len(votes)))
    mostly_empty = 2 * sum(not labels for labels in votes) >= len(votes)
    if chosen or mostly_empty:
        return chosen
    return (counts.most_common(1)[0][0],)


def split_by_group(rows: Sequence[Row], fractions: Sequence[float], *, seed: int) -> list[list[Row]]:
    """Rows in as many parts as there are fractions, every group whole in one part.

    Rows without a group are grouped by their text, so that a repeated text never straddles parts. Labels
    are placed rarest first, each group drawn into a part with the odds of what the label still lacks
    there; the first group of a label goes to the first part, so train has every label.
    """
    keys = [row.group if row.group is not None else normalise_text(row.text) for row in rows]
    position = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    group_of_row = [position[key] for key in keys]
    num_classes = 1 + max((label for row in rows for label in row.labels), default=0)
    # (G, L): rows of each label in each group; the last column counts rows without a label
    counts = np.zeros((len(position), num_classes + 1), dtype=np.int64)
    for row, group in zip(rows, group_of_row, strict=True):
        for label in row.labels or (num_classes,):
            counts[group, label] += 1
    shares = np.array(fractions, dtype=np.float64) / sum(fractions)
    part_of_group = _fill_empty_parts(_assign(counts, shares, seed), counts, len(shares))
    parts: list[list[Row]] = [[] for _ in shares]
    for row, group in zip(rows, group_of_row, strict=True):
        parts[part_of_group[group]].append(row)
    return parts


def _assign(counts: NDArray[np.int64], shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """The part of every group, (G,), from its rows a label, (G, L), and the wanted shares, (P,)."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    draws = rng.random(len(counts))
    part = np.full(len(counts), -1, dtype=np.int64)
    lacking = np.outer(counts.sum(axis=0), shares)  # (L, P), rows that a part still lacks
    open_rows = counts.sum(axis=0)
    in_train = np.zeros_like(open_rows)
    while open_rows.any():
        label = int(np.argmin(np.where(open_rows > 0, open_rows, np.iinfo(np.int64).max)))
        for group in order[(part[order] < 0) & (counts[order, label] > 0)]:
            odds = np.clip(lacking[label], 0, None)
            chosen = 0
            first_of_a_label = ((counts[group] > 0) & (in_train == 0)).any()
            if not first_of_a_label and odds.any():
                chosen = int(np.searchsorted(np.cumsum(odds) / odds.sum(), draws[group], side="right"))
                chosen = min(chosen, len(shares) - 1)
            part[group] = chosen
            if chosen == 0:
                in_train += counts[group]
            lacking[:, chosen] -= counts[group]
            open_rows = open_rows - counts[group]
    return part


def _fill_empty_parts(part: NDArray[np.int64], counts: NDArray[np.int64], num_parts: int) -> NDArray[np.int64]:
    """Give a part that drew nothing the smallest group that train can spare without losing a label."""
    part = part.copy()
    for empty in (p for p in range(1, num_parts) if not (part == p).any()):
        in_train = np.flatnonzero(part == 0)
        total = counts[in_train].sum(axis=0)
        spare = [g for g in in_train if not ((total > 0) & (total == counts[g])).any()]
        if spare:
            part[min(spare, key=lambda g: int(counts[g].sum()))] = empty
    return part


def remove_leaks(splits: SplitRows, policy: str) -> tuple[SplitRows, dict[str, int]]:
    """Take rows out of train, validation and transfer that a split judged later also holds, and count them.

    Test stays whole. Validation loses what test has; train and transfer lose what either has. "remove"
    compares texts and groups, "groups" only groups, "keep" takes nothing out; what stays is counted too.
    """
    judges = {"train": ("validation", "test"), "validation": ("test",), "transfer": ("validation", "test")}
    notes: dict[str, int] = {}
    clean = dict(splits)
    for name in (name for name in judges if name in splits):
        held = [row for judge in judges[name] for row in splits.get(judge, ())]
        groups = {row.group for row in held if row.group is not None}
        texts = {normalise_text(row.text) for row in held}
        by_group = [row.group in groups for row in splits[name]]
        by_text = [normalise_text(row.text) in texts for row in splits[name]]
        remove_group, remove_text = policy != "keep", policy == "remove"
        # a row that leaks both ways counts as a group leak only
        text_only = [text and not group for text, group in zip(by_text, by_group, strict=True)]
        for what, flags, removed in (("group", by_group, remove_group), ("text", text_only, remove_text)):
            notes[f"{name}_leaks_{what}_removed"] = sum(flags) if removed else 0
            notes[f"{name}_leaks_{what}_kept"] = 0 if removed else sum(flags)
        clean[name] = [
            row
            for row, group, text in zip(splits[name], by_group, text_only, strict=True)
            if not (group and remove_group) and not (text and remove_text)
        ]
    return clean, notes


def labels_without_rows(rows: Iterable[Row], labels: Sequence[str]) -> list[str]:
    """The names of the labels that no row has."""
    present = {label for row in rows for label in row.labels}
    return [name for i, name in enumerate(labels) if i not in present]
