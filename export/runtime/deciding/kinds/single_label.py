"""Exactly one label per row."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from distill.export.runtime.deciding.scores import Bools, Doubles, Floats, one_hot, softmax
from distill.export.runtime.deciding.sets import LABELS
from distill.export.runtime.deciding.task import (
    LOGITS,
    GraphNode,
    HeadPlan,
    Noticed,
    Output,
    Policy,
    Prediction,
    prediction_of,
)
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.untrusted.fields import Fields


@final
@dataclass(frozen=True)
class SingleLabel:
    """Exactly one label per row: the one with the highest score."""

    kind: ClassVar[str] = "single_label"
    activation: ClassVar[str] = "softmax"
    problem_type: ClassVar[str] = "single_label_classification"
    confidence_rule: ClassVar[str] = "top_score"
    floor_kinds: ClassVar[tuple[str, ...]] = ()
    set_kind: ClassVar[str] = LABELS
    manifest_version: ClassVar[int] = 1
    manifest_output: ClassVar[Tagged | None] = None
    manifest_decision: ClassVar[type[TaggedDecision] | None] = None
    outputs: ClassVar[tuple[Output, ...]] = (LOGITS,)

    labels: tuple[str, ...]

    @property
    def head(self) -> HeadPlan:
        """Return one output per label."""
        return HeadPlan((0.0,) * len(self.labels))

    @property
    def num_labels(self) -> int:
        """Return the number of labels, C."""
        return len(self.labels)

    @property
    def num_outputs(self) -> int:
        """Return C."""
        return len(self.labels)

    def finish(self, calibrated: Floats) -> Floats:
        """Return them as they are."""
        return calibrated

    def finish_nodes(self) -> tuple[GraphNode, ...]:
        """Return none."""
        return ()

    @property
    def num_thresholds(self) -> int:
        """Return 0: the highest score needs no threshold."""
        return 0

    def scores(self, logits: Floats) -> Floats:
        """Return probabilities that add up to 1 per row: ``(N, C) -> (N, C)``."""
        return softmax(logits)

    def decide(self, scores: Floats, policy: Policy) -> Bools:
        """Return the label with the highest score of each row, the first on a tie: ``(N, C) -> (N, C)``."""
        return one_hot(scores.argmax(axis=1), scores.shape[1])

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return each row's highest score, ``(N,)``."""
        return np.asarray(scores.astype(np.float64).max(axis=1))

    def prediction(self, scores: list[float], policy: Policy, noticed: Noticed) -> Prediction:
        """Return what is decided for one text."""
        confidence = max(scores)
        label = self.labels[scores.index(confidence)]
        return prediction_of(self, scores, (label,), confidence, policy, noticed)

    def predictions(self, scores: Doubles, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        """Return what is decided for many texts."""
        return [self.prediction(row, policy, seen) for row, seen in zip(scores.tolist(), noticed, strict=True)]

    def flagged(self, floor_kind: str, label: str) -> tuple[str, ...]:
        """Return none: this kind has no floors."""
        return ()

    def possible(self, held: list[bool]) -> tuple[str, ...]:
        """Return the labels that cannot be excluded."""
        return tuple(label for label, yes in zip(self.labels, held, strict=True) if yes)

    def possible_mask(self, held: Bools) -> Bools:
        """Return them as they are."""
        return held

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse thresholds, and fewer than two labels."""
        if policy.thresholds is not None:
            raise fields.error("thresholds", f"null where task is {self.kind}")
        if len(self.labels) < 2:
            raise fields.error("labels", f"at least 2 names where task is {self.kind}")
