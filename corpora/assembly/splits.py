"""Rows into train, validation and test: merging repeats, splitting by group, removing leaks. All pure.

Rows are ascending numbers, and their properties are columns, so that splitting millions takes little memory.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from distill.corpora.assembly.balance import GroupCounts, balanced
from distill.corpora.storage.columns import NONE, CorpusRows, Ints, LabelRows
from distill.corpora.targets import TargetCodec
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row, segments_of

SplitRows = dict[str, Ints]


def normalise_text(row: Row) -> str:
    """Return the form in which equal texts count as the same: NFKC, case-folded, white space as one blank.

    Pairs are the same if both of their texts are; a line end, which no normalised text has, is between them.
    """
    texts = (unicodedata.normalize("NFKC", text).casefold().split() for text in segments_of(row))
    return "\n".join(map(" ".join, texts))


def merge_duplicates(
    rows: CorpusRows, splits: SplitRows, codec: TargetCodec, policy: str, *, whole: Collection[str] = ()
) -> tuple[CorpusRows, SplitRows]:
    """Merge repeats within a split into the first of them; "keep" merges none, "error" refuses other labels.

    Args:
        rows: every row, by its key.
        splits: the rows of each split.
        codec: merges the labels of repeats.
        policy: "majority", "error" or "keep".
        whole: splits in which nothing is merged, whatever the policy.

    Raises:
        InputError: repeats of one row have different labels, in whichever split, and the policy is "error".
    """
    if policy == "keep":
        return rows, splits
    merged: SplitRows = {}
    changed: dict[int, tuple[int, ...]] = {}
    for name, members in splits.items():
        if name in whole and policy != "error":
            merged[name] = members
            continue
        order = np.argsort(rows.key[members], kind="stable")
        keys = rows.key[members][order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys
        firsts = members[order[starts]]
        ends = np.append(starts[1:], len(keys))
        repeated = np.flatnonzero(ends - starts > 1)
        for place in repeated[np.argsort(firsts[repeated])]:
            same = members[order[starts[place] : ends[place]]]
            labels = _merged_labels(rows, same.tolist(), codec, policy)
            if labels is not None:
                changed[int(same[0])] = labels
        merged[name] = members if name in whole else np.sort(firsts)
    return replace(rows, labels=rows.labels.replaced(changed)), merged


def count_repeats(rows: CorpusRows, members: Ints) -> int:
    """Count the rows that repeat another of these members."""
    return len(members) - len(np.unique(rows.key[members]))


def _merged_labels(rows: CorpusRows, same: list[int], codec: TargetCodec, policy: str) -> tuple[int, ...] | None:
    """Return the merged labels of repeats of one row; None where all of them agree."""
    votes = [rows.labels.ids(row) for row in same]
    differing = next((row for row, labels in zip(same, votes, strict=True) if labels != votes[0]), None)
    if differing is None:
        return None
    if policy == "error":
        raise InputError(
            f"{rows.place(differing)}: The row repeats {rows.place(same[0])} with other labels. Correct one of "
            'them, or set corpus.duplicates = "majority".'
        )
    return codec.merge(votes)


def split_by_group(rows: CorpusRows, members: Ints, fractions: Sequence[float], *, seed: int) -> list[Ints]:
    """Divide members into one part per fraction, with every group in one part.

    Rows without a group are grouped by their text, so that a repeated text never straddles parts. Labels are
    placed rarest first (iterative stratification, Sechidis et al. 2011), and each group is drawn into a part with
    odds proportional to the rows that the label still lacks there. Then groups are moved as long as that brings
    labels nearer to their shares. The first part has every label, the others each label that has a group for each
    part.
    """
    group_of_row = groups_of(rows, members)
    counts = _count_labels(group_of_row, rows.labels.take(members))
    shares = [fraction / sum(fractions) for fraction in fractions]
    part = balanced(_assign(counts, shares, seed), counts, shares, seed=seed)
    part_of_row = part[group_of_row]
    return [members[part_of_row == number] for number in range(len(shares))]


def groups_of(rows: CorpusRows, members: Ints) -> Ints:
    """Return the number of each member's group, or of its text where it has none, ``(N,)``."""
    return _dense(rows.group[members], rows.text[members])


def _dense(group: Ints, text: Ints) -> Ints:
    """Return the rows' groups as numbers without gaps, in the order in which they appear."""
    # numbers of lone texts follow those of groups
    keys = np.where(group == NONE, group.max(initial=NONE) + 1 + text, group)
    rows = np.arange(len(keys), dtype=np.int32)
    first = np.full(int(keys.max(initial=NONE)) + 1, NONE, dtype=np.int32)
    first[keys[::-1]] = rows[::-1]  # what is assigned last stays: the first row of each
    known = np.flatnonzero(first != NONE)
    numbers = np.empty_like(first)
    numbers[known[np.argsort(first[known])]] = np.arange(len(known), dtype=np.int32)
    return numbers[keys]


def _count_labels(group_of_row: Ints, labels: LabelRows) -> GroupCounts:
    none = int(labels.values.max(initial=0)) + 1
    empty = np.flatnonzero(labels.sizes() == 0)
    groups = np.concatenate([group_of_row[labels.row_of_value()], group_of_row[empty]])
    values = np.concatenate([labels.values, np.full(len(empty), none)])
    pairs, rows = np.unique(groups.astype(np.int64) * (none + 1) + values, return_counts=True)
    sizes = np.bincount(pairs // (none + 1))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return GroupCounts(
        starts,
        (pairs % (none + 1)).astype(np.int32),
        rows.astype(np.int32),
        np.bincount(group_of_row).astype(np.int32),
    )


def _assign(counts: GroupCounts, shares: Sequence[float], seed: int) -> Ints:
    """Return the part of every group, ``(G,)``, from its rows per label and the wanted shares."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    draws = rng.random(len(counts))
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    owners = counts.owners
    totals = np.bincount(counts.labels, weights=counts.rows).astype(np.int64)
    part = np.full(len(counts), -1, dtype=np.int32)
    lacking = [[int(total) * share for share in shares] for total in totals]
    open_rows = {label: int(total) for label, total in enumerate(totals) if total}
    in_train: set[int] = set()
    while open_rows:
        label = min(open_rows, key=lambda label: (open_rows[label], label))
        holders = owners[counts.labels == label]
        for group in holders[np.argsort(place[holders])].tolist():
            if part[group] >= 0:
                continue
            held = counts.of(group)
            first_of_a_label = any(other not in in_train for other, _ in held)
            chosen = 0 if first_of_a_label else _drawn(lacking[label], draws[group])
            part[group] = chosen
            if chosen == 0:
                in_train.update(other for other, _ in held)
            for other, rows in held:
                lacking[other][chosen] -= rows
                open_rows[other] -= rows
        open_rows = {label: rows for label, rows in open_rows.items() if rows}
    return part


def _drawn(lacking: list[float], draw: float) -> int:
    """Return the part that a draw from [0, 1) selects, with odds by the rows that each part still lacks."""
    odds = [max(value, 0.0) for value in lacking]
    total = sum(odds)
    if not total:
        return 0
    reached = 0.0
    for part, value in enumerate(odds):
        reached += value
        if reached / total > draw:
            return part
    return len(odds) - 1


def remove_leaks(rows: CorpusRows, splits: SplitRows, policy: str) -> tuple[SplitRows, dict[str, int]]:
    """Remove rows from train, validation and transfer that a held-out split also has, and count them.

    Test stays whole. Validation loses what test has; train and transfer lose what either has. "remove"
    compares texts and groups, "groups" only groups, "keep" takes nothing out; what stays is counted too.
    """
    held_out = {"train": ("validation", "test"), "validation": ("test",), "transfer": ("validation", "test")}
    notes: dict[str, int] = {}
    clean = dict(splits)
    for name in (name for name in held_out if name in splits):
        members = splits[name]
        held = np.concatenate([splits[other] for other in held_out[name] if other in splits] or [members[:0]])
        by_group = np.isin(rows.group[members], rows.group[held]) & (rows.group[members] != NONE)
        # a row that leaks both ways counts as a group leak only
        by_text = np.isin(rows.text[members], rows.text[held]) & ~by_group
        remove_group, remove_text = policy != "keep", policy == "remove"
        for by, leaks, removed in (("group", by_group, remove_group), ("text", by_text, remove_text)):
            notes[f"{name}_leaks_{by}_removed"] = int(leaks.sum()) if removed else 0
            notes[f"{name}_leaks_{by}_kept"] = 0 if removed else int(leaks.sum())
        clean[name] = members[~(by_group & remove_group) & ~(by_text & remove_text)]
    return clean, notes


def labels_without_rows(labels: LabelRows, names: Sequence[str]) -> list[str]:
    """Return the names of the labels that no row has."""
    return [name for name, count in zip(names, labels.counts(len(names)), strict=True) if not count]
