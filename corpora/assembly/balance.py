"""Balance of the parts of a split: the rows of each label that a part needs, and moves of groups towards them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distill.corpora.storage.columns import Ints
from distill.export.runtime.deciding.scores import Doubles

# deviations of up to this many rows, or this share of the wanted number, are left alone
ROW, NEAR = 1.0, 0.02

# costs of a label that train lacks, a part without a row, and a label that another part lacks
NO_LABEL_IN_TRAIN, NO_ROW, NO_LABEL = 1e9, 1e6, 1e3

# groups that are considered, so that millions of them take little memory and time
MAX_CANDIDATES = 50_000

# first moves of two that are tried where no single move helps, among at most this number of groups
FIRST_MOVES, FEW_GROUPS = 30, 2_000

# groups times labels that are evaluated in total
MAX_WEIGHED = 200_000_000

NOTHING = 1e-9


@dataclass(frozen=True)
class GroupCounts:
    """Rows of each label in each of G groups; the label past the last is that of rows without any.

    `labels` and `rows` have the labels of group g and their rows from ``starts[g]`` to ``starts[g + 1]``; `sizes`
    are the rows of each group, ``(G,)``, which are fewer than the sum over its labels where a row has several.
    """

    starts: Ints  # (G + 1,)
    labels: Ints
    rows: Ints
    sizes: Ints

    def __len__(self) -> int:
        """Return the number of groups, G."""
        return len(self.starts) - 1

    def of(self, group: int) -> list[tuple[int, int]]:
        """Return the labels of one group, each with its number of rows."""
        place = slice(self.starts[group], self.starts[group + 1])
        return list(zip(self.labels[place].tolist(), self.rows[place].tolist(), strict=True))

    @cached_property
    def owners(self) -> Ints:
        """The group of each entry of `labels` and `rows`."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))


@dataclass(frozen=True)
class _Aims:
    """The rows of each part and label that are wanted, ``(P, L + 1)``; the last column is of all rows."""

    wanted: Doubles
    near: Doubles
    absent: Doubles  # the cost of having no row

    @classmethod
    def of(cls, counts: GroupCounts, shares: Sequence[float]) -> _Aims:
        totals = np.append(np.bincount(counts.labels, weights=counts.rows), counts.sizes.sum())
        groups = np.append(np.bincount(counts.labels), len(counts))
        wanted = np.outer(shares, totals)
        # fewer groups than parts cannot be in each of them
        absent = np.where(groups >= len(shares), NO_LABEL, 0.0)[None, :].repeat(len(shares), axis=0)
        absent[:, -1] *= NO_ROW / NO_LABEL
        absent[0] = np.where(groups > 0, NO_LABEL_IN_TRAIN, 0.0)
        return cls(wanted, np.maximum(ROW, NEAR * wanted), absent)

    def cost(self, rows: Doubles, parts: Ints | int | slice, labels: Ints | slice) -> Doubles:
        """Return the chi-squared distance of numbers of rows from the wanted ones, 0 or more."""
        wanted = self.wanted[parts, labels]
        beyond = np.maximum(np.abs(rows - wanted) - self.near[parts, labels], 0.0)
        return beyond**2 / np.maximum(wanted, NOTHING) + self.absent[parts, labels] * (rows < 0.5)


def balanced(part: Ints, counts: GroupCounts, shares: Sequence[float], *, seed: int) -> Ints:
    """Return the parts of groups, with groups moved until every label is near its share in every part.

    A move must reduce the deviation summed over parts and labels; if no single move does, two are tried. A label
    with at least as many groups as parts ends up in each, and the first part has every label.

    Args:
        part: the part of each group, ``(G,)``.
        counts: rows of each label in each group.
        shares: the wanted share of each part, which add up to 1.
        seed: draws the groups that are looked at, where there are too many.
    """
    aims, part = _Aims.of(counts, shares), part.copy()
    have = np.zeros_like(aims.wanted)
    np.add.at(have, (part[counts.owners], counts.labels), counts.rows)
    have[:, -1] = np.bincount(part, weights=counts.sizes, minlength=len(shares))
    off = np.asarray(aims.cost(have, slice(None), slice(None)).any(axis=0))
    if off.any():
        groups = _candidates(counts, off, seed)
        moves = _Moves.of(counts, groups, part[groups], have, aims)
        moves.improve()
        part[groups] = moves.part
    return part


def _candidates(counts: GroupCounts, off: NDArray[np.bool_], seed: int) -> Ints:
    """Return the groups whose moves may help: all of them, or those with a label that deviates."""
    groups = np.arange(len(counts), dtype=np.int32) if off[-1] else np.unique(counts.owners[off[counts.labels]])
    if len(groups) > MAX_CANDIDATES:
        groups = np.sort(np.random.default_rng(seed).choice(groups, MAX_CANDIDATES, replace=False))
    return groups


@dataclass
class _Moves:
    """Groups that may be moved: K of them, with an entry for each of their labels and one for their rows.

    `part` and `have`, the rows of each part and label, change as groups are moved.
    """

    part: Ints  # (K,)
    have: Doubles  # (P, L + 1)
    aims: _Aims
    group: Ints  # of each entry
    label: Ints
    rows: Doubles

    @classmethod
    def of(cls, counts: GroupCounts, groups: Ints, part: Ints, have: Doubles, aims: _Aims) -> _Moves:
        number = np.full(len(counts), -1, dtype=np.int32)
        number[groups] = np.arange(len(groups), dtype=np.int32)
        owner = number[counts.owners]
        entries = np.flatnonzero(owner >= 0)
        all_rows = np.full(len(groups), have.shape[1] - 1, dtype=np.int32)
        return cls(
            part,
            have,
            aims,
            np.concatenate([owner[entries], np.arange(len(groups), dtype=np.int32)]),
            np.concatenate([counts.labels[entries], all_rows]),
            np.concatenate([counts.rows[entries], counts.sizes[groups]]).astype(np.float64),
        )

    def improve(self) -> None:
        """Move groups until neither one move nor two reduce the deviation, or the limit of work is reached."""
        weighed = 0
        while weighed < MAX_WEIGHED:
            gains = self._gains()
            weighed += len(self.rows) * len(self.have)
            group, to = self._best(gains)
            if gains[group, to] > NOTHING:
                self._move(group, to)
                continue
            if len(self.part) > FEW_GROUPS:
                return
            weighed += FIRST_MOVES * len(self.rows) * len(self.have)
            if not self._move_two(gains):
                return

    def _gains(self) -> Doubles:
        """Return the amount by which moving each group to each part reduces the deviation, ``(K, P)``."""
        source, label, rows = self.part[self.group], self.label, self.rows
        here = self.have[source, label]
        left = self.aims.cost(here, source, label) - self.aims.cost(here - rows, source, label)
        gains = np.empty((len(self.part), len(self.have)))
        for to, have in enumerate(self.have):
            there = have[label]
            entered = self.aims.cost(there + rows, to, label) - self.aims.cost(there, to, label)
            gains[:, to] = np.bincount(self.group, weights=left - entered, minlength=len(self.part))
        gains[np.arange(len(self.part)), self.part] = -np.inf
        return gains

    @staticmethod
    def _best(gains: Doubles) -> tuple[int, int]:
        group, to = np.unravel_index(np.argmax(gains), gains.shape)
        return int(group), int(to)

    def _move(self, group: int, to: int) -> None:
        entries = self.group == group
        self.have[self.part[group], self.label[entries]] -= self.rows[entries]
        self.have[to, self.label[entries]] += self.rows[entries]
        self.part[group] = to

    def _move_two(self, gains: Doubles) -> bool:
        """Move two groups that together reduce the deviation, and return whether there are two."""
        firsts = np.argsort(-gains, axis=None, kind="stable")[:FIRST_MOVES]
        for group, to in zip(*np.unravel_index(firsts, gains.shape), strict=True):
            first, source = gains[group, to], int(self.part[group])
            if not np.isfinite(first):
                return False
            self._move(int(group), int(to))
            then = self._gains()
            other, target = self._best(then)
            if first + then[other, target] > NOTHING:
                self._move(other, target)
                return True
            self._move(int(group), source)
        return False
