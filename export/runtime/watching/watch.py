"""The reference of a bundle's watch: counts of its own validation, beside which later texts are held."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields
from distill.export.runtime.watching.counts import SCORE_BINS, Counts, histograms_in, score_histograms

COUNTS = "counts"

# a manifest of more labels would take megabytes
MAX_WATCHED_LABELS = 1000

# a table of each label with each label is kept up to here
MAX_CONFUSED_LABELS = 100


@dataclass(frozen=True)
class Watch:
    """Counts of validation.

    Attributes:
        kind: of reference.
        counts: what was decided.
        positives: per label, by bin of its score, the texts that have it, ``(C, SCORE_BINS)``.
        right: per label, the texts that have it and are decided so.
        confusion: the texts by label and by decided label, ``(C, C)``, where each text has exactly one of both;
            otherwise None.
    """

    kind: str
    counts: Counts
    positives: tuple[tuple[int, ...], ...]
    right: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...] | None = None

    @classmethod
    def of(cls, counts: Counts, scores: Floats, decided: Bools, gold: Floats) -> "Watch":
        """Return the reference of validation; all three arrays are ``(N, C)``, `gold` 0/1."""
        has = gold > 0
        labels = scores.shape[1]
        rows = [score_histograms(scores[has[:, at], at : at + 1])[0] for at in range(labels)]
        exclusive = bool((has.sum(axis=1) == 1).all() and (decided.sum(axis=1) == 1).all())
        table = has.astype(np.int64).T @ decided.astype(np.int64) if labels <= MAX_CONFUSED_LABELS else None
        return cls(
            COUNTS,
            counts,
            tuple(tuple(row.tolist()) for row in rows),
            tuple((has & decided).sum(axis=0).tolist()),
            tuple(map(tuple, table.tolist())) if exclusive and table is not None else None,
        )

    @classmethod
    def from_dict(cls, data: object, where: str, task: Task) -> "Watch":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        many = task.num_labels
        if many > MAX_WATCHED_LABELS:
            raise fields.error("counts", f"missing where there are more than {MAX_WATCHED_LABELS} labels")
        counts = Counts.from_dict(fields.raw("counts"), f"{where}: counts", many)
        if not counts.texts:
            raise fields.error("counts", "of at least one text")
        positives = _parts(fields, "positives", counts.scores)
        right = fields.integers("right", many, 0, counts.texts)
        sums = tuple(map(sum, positives))
        if len(right) != many or any(map(lambda hits, *most: hits > min(most), right, counts.decided, sums)):
            raise fields.error("right", "for each label at most as many as have it, and as were decided so")
        confusion = None
        if fields.raw("confusion") is not None:
            confusion = _confusion(fields, sums, counts)
        return cls(fields.choice("kind", (COUNTS,)), counts, positives, right, confusion)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "counts": self.counts.to_dict(),
            "positives": self.positives,
            "right": self.right,
            "confusion": self.confusion,
        }


def _parts(fields: Fields, key: str, wholes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return one histogram for each of `wholes`, no count of which is above that of the whole."""
    found = []
    for row, whole in zip(fields.items(key, len(wholes)), wholes, strict=True):
        one = Fields({key: row}, fields.where, (key,))
        counts = one.integers(key, SCORE_BINS, 0, max(whole))
        if len(counts) != len(whole) or any(map(int.__gt__, counts, whole)):
            raise fields.error(key, "for each label a part of its scores")
        found.append(counts)
    return tuple(found)


def _confusion(fields: Fields, has: tuple[int, ...], counts: Counts) -> tuple[tuple[int, ...], ...]:
    table: list[tuple[int, ...]] = []
    for row, texts in zip(fields.items("confusion", len(has)), has, strict=True):
        one = Fields({"confusion": [row]}, fields.where, ("confusion",))
        table += histograms_in(one, "confusion", 1, len(has), texts)
    if sum(has) != counts.texts or tuple(map(sum, zip(*table, strict=True))) != counts.decided:
        raise fields.error("confusion", "of texts that each have one label, and are decided as one")
    return tuple(table)
