"""The rows of validation that tune, and the independent trials among the others that certify. All pure.

No threshold may be certified by the rows that it, or the calibration below it, was fitted on; the model itself is
chosen on all of validation, which docs/trust.md measures. Rows of one group are not independent draws: a
group is one trial, represented by one of its rows, picked at random.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.deciding.scores import Bools, Floats

# of the shuffle alone; the parts are the same for every model of a corpus
SEED = 0


@dataclass(frozen=True)
class Parts:
    """Two parts of validation, both ``(N,)``; no group has rows in both.

    `order` is a shuffle of all rows, by which the row of a group is picked.
    """

    tunes: Bools
    certifies: Bools
    order: NDArray[np.int64]
    groups: NDArray[np.int32] | None = None

    def trials(self, rows: Bools) -> NDArray[np.int64]:
        """Return the trials among those of these rows ``(N,)`` that certify: row numbers, one per group."""
        found = self.order[(rows & self.certifies)[self.order]]
        if self.groups is None or not len(found):
            return found
        _, first = np.unique(self.groups[found], return_index=True)
        return found[np.sort(first)]


def parts_of(gold: Floats, groups: NDArray[np.int32] | None, share: float | None) -> Parts:
    """Divide validation: whole groups, and of groups with the same labels as nearly the share as possible.

    Args:
        gold: 0/1, ``(N, C)``; nothing of a model enters, or the parts would not be independent of it.
        groups: the number of each row's group, ``(N,)``; None where each row is its own.
        share: of the groups, for what certifies; None where nothing is certified, and all rows tune.
    """
    order = np.random.default_rng(SEED).permutation(len(gold))
    if share is None:
        return Parts(np.ones(len(gold), dtype=np.bool_), np.zeros(len(gold), dtype=np.bool_), order, groups)
    names = np.arange(len(gold)) if groups is None else groups
    _, number = np.unique(names, return_inverse=True)
    held = np.zeros((int(number.max(initial=-1)) + 1, gold.shape[1]), dtype=np.bool_)  # (G, C)
    np.logical_or.at(held, number, gold > 0)
    shuffled = np.random.default_rng(SEED).permutation(len(held))
    # rarest label first, so that groups of a rare label are next to each other and are divided alike
    rarest = np.argsort(held.sum(axis=0), kind="stable")
    ranked = shuffled[np.lexsort(held[shuffled][:, rarest[::-1]].T)]
    place = np.empty(len(held), dtype=np.int64)
    place[ranked] = np.arange(len(held))
    certifies = (np.floor((place + 1) * share) > np.floor(place * share))[number]
    return Parts(~certifies, certifies, order, groups)
