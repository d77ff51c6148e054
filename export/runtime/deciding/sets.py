"""Prediction sets: the labels that cannot be excluded, as thresholds of scores in a manifest."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields

# the form of sets whose labels have no order
LABELS: Final = "labels"


@dataclass(frozen=True)
class Sets:
    """A label is possible where its score reaches its threshold, or where it is decided.

    Of texts that have a label, the set holds it in a share of `coverage`. `kind` is `Task.set_kind`: a kind of
    task may widen its sets.
    """

    kind: str
    coverage: float
    thresholds: tuple[float, ...]

    @classmethod
    def from_dict(cls, data: object, where: str, labels: tuple[str, ...], kind: str) -> "Sets":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        return cls(
            kind=fields.choice("kind", (kind,)),
            coverage=fields.number("coverage", 0.0, 1.0),
            thresholds=fields.numbers("thresholds", len(labels), 0.0, 1.0),
        )

    def held(self, labels: tuple[str, ...], scores: list[float], chosen: tuple[str, ...]) -> list[bool]:
        """Return per label whether it is possible for one text."""
        return [
            score >= threshold or label in chosen
            for label, score, threshold in zip(labels, scores, self.thresholds, strict=True)
        ]

    def held_mask(self, scores: Floats, decisions: Bools) -> Bools:
        """Return the same for many texts: ``(N, C) -> (N, C)``."""
        return np.asarray(decisions | (scores.astype(np.float64) >= np.array(self.thresholds)))
