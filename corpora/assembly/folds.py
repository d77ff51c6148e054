"""The folds of a corpus: all rows divided into parts, each of which is test once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.assembly.splits import SplitRows, groups_of, split_by_group
from distill.corpora.corpus import LABELLED_SPLITS
from distill.corpora.reading.rows import listed
from distill.corpora.storage.columns import CorpusRows, Ints
from distill.export.runtime.errors import InputError

# a part that misses its wanted number of rows by more than this share of it is noted
FAR = 0.2

NO_ROWS: Ints = np.empty(0, dtype=np.int32)


def is_far(rows: int, wanted: float) -> bool:
    """Return whether a part's number of rows is far from the wanted one."""
    return abs(rows - wanted) > max(1.0, FAR * wanted)


def divided(
    rows: CorpusRows, splits: SplitRows, spec: CorpusSpec, folds: int, seed: int, notes: dict[str, int]
) -> SplitRows:
    """Divide all rows into folds, of which one is test, and the others into train and validation.

    Without `fold` the test split is empty: the model that ships is made of all rows, and the folds' models, which
    did not see them, say how good it is. Whether each of these can be trained is known before any is.

    Raises:
        InputError: the corpus has published splits, or a fold, or what it leaves to learn from, has too few rows.
    """
    published = [name for name in LABELLED_SPLITS[1:] if name in splits]
    if published:
        raise InputError(
            f"{spec.source}: The corpus has splits of its own ({listed(published)}), and `folds` divides a "
            "corpus without. Leave `folds` out, or give one file with all rows."
        )
    parts = fill_empty(rows, split_by_group(rows, splits["train"], [1.0] * folds, seed=seed))
    _check(rows, parts, spec)
    largest, mean = max(map(len, parts)), len(splits["train"]) / folds
    if is_far(largest, mean):
        notes["rows_of_largest_fold"] = largest
    others = [_without(rows, parts, fold, spec, seed) for fold in range(folds)] if spec.fold is None else []
    if not all(len(part) for pair in others for part in pair):
        raise InputError(
            f"{spec.source}: A fold leaves no row for validation, because rows of one group or text stay together "
            "and train needs every label. Set `folds` to another number, look at `group`, or raise `min_rows`."
        )
    test = NO_ROWS if spec.fold is None else parts[spec.fold]
    train, validation = _without(rows, parts, spec.fold, spec, seed)
    notes |= {"rows_split_off": len(validation) + len(test), "folds": folds}
    return splits | {"train": train, "validation": validation, "test": test}


def fill_empty(rows: CorpusRows, parts: Sequence[Ints]) -> list[Ints]:
    """Return parts none of which is empty if the groups suffice: each gets the smallest of the part with most."""
    filled = list(parts)
    for place in [place for place, part in enumerate(filled) if not len(part)]:
        groups = [groups_of(rows, part) for part in filled]
        giver = max(range(len(filled)), key=lambda number: (len(np.unique(groups[number])), -number))
        found, sizes = np.unique(groups[giver], return_counts=True)
        if len(found) < 2:
            break
        given = groups[giver] == found[sizes.argmin()]
        filled[place], filled[giver] = filled[giver][given], filled[giver][~given]
    return filled


def _without(
    rows: CorpusRows, parts: Sequence[Ints], fold: int | None, spec: CorpusSpec, seed: int
) -> tuple[Ints, Ints]:
    """Return train and validation of all folds but one, or of all."""
    assert not isinstance(spec.split, str)
    rest = np.sort(np.concatenate([part for number, part in enumerate(parts) if number != fold]))
    train, validation = split_by_group(rows, rest, spec.split[:2], seed=seed)
    return train, validation


def _check(rows: CorpusRows, parts: Sequence[Ints], spec: CorpusSpec) -> None:
    """Refuse folds without rows, and labels that are in one fold alone, which that fold's model would not know."""
    of_what = "rows" if spec.group is None else "groups"
    if not all(len(part) for part in parts):
        raise InputError(
            f"{spec.source}: There are too few {of_what} for `folds` = {len(parts)}. Lower it, or add {of_what}."
        )
    present = np.array([rows.labels.take(part).counts(_num_labels(rows)) > 0 for part in parts])  # (K, C)
    lone = int((present.sum(axis=0) == 1).sum())
    if lone:
        raise InputError(
            f"{spec.source}: {lone} of the labels have rows in one of {len(parts)} folds alone, so no other fold "
            f"teaches them. Add {of_what} of such labels, or raise `min_rows`."
        )


def _num_labels(rows: CorpusRows) -> int:
    return int(rows.labels.values.max(initial=-1)) + 1
