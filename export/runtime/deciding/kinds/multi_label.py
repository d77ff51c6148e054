"""Any number of labels per row."""

import math
from dataclasses import dataclass
from itertools import compress
from operator import ge
from typing import ClassVar, final

import numpy as np

from distill.export.runtime.deciding.scores import Bools, Doubles, Floats, sigmoid
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
    thresholds_of,
)
from distill.export.runtime.manifest.promises import PRECISION, RECALL
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.untrusted.fields import Fields

# a fresh head starts near the base rate of rare labels; otherwise the first steps only unlearn 0.5
RARE_LABEL_LOGIT = -3.0


@final
@dataclass(frozen=True)
class MultiLabel:
    """Any number of labels per row: each whose score reaches its own threshold."""

    kind: ClassVar[str] = "multi_label"
    activation: ClassVar[str] = "sigmoid"
    problem_type: ClassVar[str] = "multi_label_classification"
    confidence_rule: ClassVar[str] = "exact_match"
    floor_kinds: ClassVar[tuple[str, ...]] = (RECALL, PRECISION)
    set_kind: ClassVar[str] = LABELS
    manifest_version: ClassVar[int] = 1
    manifest_output: ClassVar[Tagged | None] = None
    manifest_decision: ClassVar[type[TaggedDecision] | None] = None
    outputs: ClassVar[tuple[Output, ...]] = (LOGITS,)

    labels: tuple[str, ...]

    @property
    def head(self) -> HeadPlan:
        """Return one output per label."""
        return HeadPlan((RARE_LABEL_LOGIT,) * len(self.labels))

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
        """Return C: one threshold per label."""
        return len(self.labels)

    def scores(self, logits: Floats) -> Floats:
        """Return independent probabilities: ``(N, C) -> (N, C)``."""
        return sigmoid(logits)

    def decide(self, scores: Floats, policy: Policy) -> Bools:
        """Return every label whose score reaches its threshold: ``(N, C) -> (N, C)``."""
        return np.asarray(scores >= np.array(thresholds_of(policy)), dtype=np.bool_)

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return the product over labels of the score if decided, else of 1 minus the score, ``(N,)``.

        It takes labels as independent given the text.
        """
        exact = scores.astype(np.float64)
        return np.asarray(np.where(decisions, exact, 1 - exact).prod(axis=1))

    def prediction(self, scores: list[float], policy: Policy, noticed: Noticed) -> Prediction:
        """Return what is decided for one text."""
        # plain floats on both sides: a caller can repeat each decision from `scores` and the manifest
        decided = list(map(ge, scores, thresholds_of(policy)))
        factors = [score if yes else 1.0 - score for score, yes in zip(scores, decided, strict=True)]
        chosen = tuple(compress(self.labels, decided))
        return prediction_of(self, scores, chosen, math.prod(factors), policy, noticed)

    def predictions(self, scores: Doubles, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        """Return what is decided for many texts."""
        decided = self.decide(scores, policy)
        confidence = self.confidence(scores, decided)
        rows = zip(scores.tolist(), decided.tolist(), confidence.tolist(), noticed, strict=True)
        return [
            prediction_of(self, row, tuple(compress(self.labels, yes)), sure, policy, seen)
            for row, yes, sure, seen in rows
        ]

    def flagged(self, floor_kind: str, label: str) -> tuple[str, ...]:
        """Return the label where the floor is of its recall: a few of the texts decided so are the price of it."""
        return (label,) if floor_kind == RECALL else ()

    def possible(self, held: list[bool]) -> tuple[str, ...]:
        """Return the labels that cannot be excluded."""
        return tuple(label for label, yes in zip(self.labels, held, strict=True) if yes)

    def possible_mask(self, held: Bools) -> Bools:
        """Return them as they are."""
        return held

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest without thresholds."""
        if policy.thresholds is None:
            raise fields.error("thresholds", f"a list, one for each label, where task is {self.kind}")
