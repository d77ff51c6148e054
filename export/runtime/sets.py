"""Prediction sets: the labels that cannot be excluded, as thresholds of scores in a manifest."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from distill.export.runtime.records import names_of
from distill.export.runtime.scores import Bools, Floats
from distill.export.runtime.untrusted.fields import Fields

LABELS: Final = "labels"

INTERVAL: Final = "interval"

KINDS = (LABELS, INTERVAL)


@dataclass(frozen=True)
class Sets:
    """A label is possible where its score reaches its threshold, or where it is decided.

    An `interval` of ordered levels has those in between as well. Of texts that have a label, the set holds it in a
    share of `coverage`.
    """

    kind: str
    coverage: float
    thresholds: tuple[float, ...]

    @classmethod
    def from_dict(cls, data: object, where: str, labels: tuple[str, ...]) -> "Sets":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        return cls(
            kind=fields.choice("kind", KINDS),
            coverage=fields.number("coverage", 0.0, 1.0),
            thresholds=fields.numbers("thresholds", len(labels), 0.0, 1.0),
        )

    def possible(self, labels: tuple[str, ...], scores: list[float], chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Return the possible labels of one text."""
        held = [
            score >= threshold or label in chosen
            for label, score, threshold in zip(labels, scores, self.thresholds, strict=True)
        ]
        if self.kind == INTERVAL and any(held):
            first, last = held.index(True), len(held) - held[::-1].index(True)
            return labels[first:last]
        return tuple(label for label, yes in zip(labels, held, strict=True) if yes)

    def mask(self, scores: Floats, decisions: Bools) -> Bools:
        """Return the possible labels of many texts: ``(N, C) -> (N, C)``."""
        held = decisions | (scores.astype(np.float64) >= np.array(self.thresholds))
        if self.kind == INTERVAL:
            after, before = (np.maximum.accumulate(side, axis=1) for side in (held, held[:, ::-1]))
            return np.asarray(after & before[:, ::-1])
        return np.asarray(held)
