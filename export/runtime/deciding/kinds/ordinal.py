"""Exactly one level per row, of labels in ascending order."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final, final

import numpy as np

from distill.export.runtime.deciding.scores import Bools, Doubles, Floats, one_hot, softmax
from distill.export.runtime.deciding.task import (
    CALIBRATED,
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
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.untrusted.fields import Fields

# two cuts that are nearer leave no meaningful level between them
_LEAST_GAP = 1e-6

# what the graph gives, and how it is decided, in a manifest's words
_OUTPUT, _MEDIAN = "level_log_probabilities", "median_level"

# of the rows at or above a level, the share that is decided at or above it
AT_OR_ABOVE: Final = "share at or above"

# the form of sets that have no gaps
INTERVAL: Final = "interval"


@dataclass(frozen=True)
class MedianLevel:
    """The decision in a manifest: the highest level k + 1 that has, with those above it, at least `cutoffs[k]`."""

    kind: str
    cutoffs: tuple[float, ...]

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Return the cutoffs as a policy has them."""
        return self.cutoffs

    @classmethod
    def of(cls, thresholds: tuple[float, ...]) -> "MedianLevel":
        """Return the object that records a policy's thresholds."""
        return cls(_MEDIAN, thresholds)

    @classmethod
    def from_dict(cls, data: object, where: str, *, thresholds: int) -> "MedianLevel":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        return cls(kind=fields.choice("kind", (_MEDIAN,)), cutoffs=fields.numbers("cutoffs", thresholds, 0.0, 1.0))


def at_or_above(scores: Floats) -> Doubles:
    """Return the probability of each level or a higher one: ``(N, C) -> (N, C)``."""
    return np.asarray(np.cumsum(scores[:, ::-1], axis=1, dtype=np.float64)[:, ::-1])


def _softplus(values: Floats) -> Floats:
    """Return log(1 + exp(x)), without overflow."""
    return np.asarray(np.logaddexp(values.dtype.type(0), values))


@final
@dataclass(frozen=True)
class Ordinal:
    """Exactly one level per row, of labels in ascending order: the median of the levels' probabilities.

    Output k of the head is the logit of a level above k. All outputs share one slope and their biases descend, so
    that the cumulative probabilities do (CORAL: Cao, Mirjalili & Raschka 2020, arXiv 1901.07884). A graph ends in
    the levels' log-probabilities, whose softmax is right for any loader. Threshold k is the probability of a level
    above k from which a row is at least there; 0.5 each is the median.
    """

    kind: ClassVar[str] = "ordinal"
    activation: ClassVar[str] = "softmax"
    problem_type: ClassVar[str] = "single_label_classification"
    confidence_rule: ClassVar[str] = "decided_score"
    floor_kinds: ClassVar[tuple[str, ...]] = (AT_OR_ABOVE,)
    set_kind: ClassVar[str] = INTERVAL
    manifest_version: ClassVar[int] = 2
    manifest_output: ClassVar[Tagged | None] = Tagged(_OUTPUT)
    manifest_decision: ClassVar[type[TaggedDecision] | None] = MedianLevel
    outputs: ClassVar[tuple[Output, ...]] = (LOGITS,)

    labels: tuple[str, ...]

    @property
    def head(self) -> HeadPlan:
        """Return one output per cut, with biases under which every level has the same probability."""
        levels = len(self.labels)
        return HeadPlan(tuple(math.log((levels - cut) / cut) for cut in range(1, levels)), one_slope=True)

    @property
    def num_labels(self) -> int:
        """Return the number of levels, C."""
        return len(self.labels)

    @property
    def num_outputs(self) -> int:
        """Return the number of cuts between levels, C - 1."""
        return len(self.labels) - 1

    @property
    def num_thresholds(self) -> int:
        """Return C - 1: one per cut."""
        return len(self.labels) - 1

    def finish(self, calibrated: Floats) -> Floats:
        """Return log-probabilities of levels: ``(N, C - 1) -> (N, C)``.

        P(level) is a difference of two sigmoids, whose logarithm is the sum of a log-sigmoid of the cut below, one
        of the cut above, and ``log(1 - exp(-gap))`` of the gap between the two. Outputs that do not descend, as
        those of separate classifiers, are lowered to the one before.
        """
        above = np.minimum.accumulate(calibrated, axis=1)
        logits = np.zeros((len(above), above.shape[1] + 1), dtype=above.dtype)
        logits[:, 1:] -= _softplus(-above)
        logits[:, :-1] -= _softplus(above)
        gap = np.maximum(above[:, :-1] - above[:, 1:], _LEAST_GAP)
        logits[:, 1:-1] += np.log(np.tanh(gap / 2)) + _softplus(-gap)
        return logits

    def finish_nodes(self) -> tuple[GraphNode, ...]:
        """Return the same for outputs that descend; products with 0 and 1 put columns into their places."""
        cuts = self.num_outputs
        below, above = np.eye(cuts, cuts + 1, 1, np.float32), np.eye(cuts, cuts + 1, 0, np.float32)
        nodes = [
            GraphNode("Neg", (CALIBRATED,), "cuts_negated"),
            GraphNode("Softplus", ("cuts_negated",), "not_above"),
            GraphNode("Softplus", (CALIBRATED,), "not_below"),
            GraphNode("MatMul", ("not_above", -below), "log_above"),
            GraphNode("MatMul", ("not_below", -above), "log_below"),
        ]
        if cuts == 1:
            return (*nodes, GraphNode("Add", ("log_above", "log_below"), LOGITS.name))
        gaps = np.eye(cuts, cuts - 1, 0, np.float32) - np.eye(cuts, cuts - 1, -1, np.float32)
        inner = np.eye(cuts - 1, cuts + 1, 1, np.float32)
        return (
            *nodes,
            GraphNode("Add", ("log_above", "log_below"), "log_outer"),
            GraphNode("MatMul", (CALIBRATED, gaps), "gaps_as_they_are"),
            GraphNode("Max", ("gaps_as_they_are", np.array([_LEAST_GAP], np.float32)), "gaps"),
            GraphNode("Mul", ("gaps", np.array([0.5], np.float32)), "gap_halves"),
            GraphNode("Tanh", ("gap_halves",), "gap_tanh"),
            GraphNode("Log", ("gap_tanh",), "gap_log"),
            GraphNode("Neg", ("gaps",), "gaps_negated"),
            GraphNode("Softplus", ("gaps_negated",), "gap_softplus"),
            GraphNode("Add", ("gap_log", "gap_softplus"), "log_gap"),
            GraphNode("MatMul", ("log_gap", inner), "log_inner"),
            GraphNode("Add", ("log_outer", "log_inner"), LOGITS.name),
        )

    def scores(self, logits: Floats) -> Floats:
        """Return the probability of each level: ``(N, C) -> (N, C)``."""
        return softmax(logits)

    def decide(self, scores: Floats, policy: Policy) -> Bools:
        """Return the highest level that is reached, the lowest where none is: ``(N, C) -> (N, C)``."""
        reached = at_or_above(scores)[:, 1:] >= np.array(thresholds_of(policy))  # (N, C - 1)
        levels = (reached * np.arange(1, scores.shape[1])).max(axis=1)
        return one_hot(levels, scores.shape[1])

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return the probability of each row's decided level, ``(N,)``."""
        return np.asarray((scores.astype(np.float64) * decisions).sum(axis=1))

    def prediction(self, scores: list[float], policy: Policy, noticed: Noticed) -> Prediction:
        """Return what is decided for one text."""
        thresholds, level = thresholds_of(policy), 0
        reached = accumulate(reversed(scores))
        for cut, probability in zip(range(len(scores) - 2, -1, -1), reached, strict=False):
            if probability >= thresholds[cut]:
                level = cut + 1
                break
        return prediction_of(self, scores, (self.labels[level],), scores[level], policy, noticed)

    def predictions(self, scores: Doubles, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        """Return what is decided for many texts."""
        return [self.prediction(row, policy, seen) for row, seen in zip(scores.tolist(), noticed, strict=True)]

    def flagged(self, floor_kind: str, label: str) -> tuple[str, ...]:
        """Return the level and all above it."""
        return self.labels[self.labels.index(label) :]

    def possible(self, held: list[bool]) -> tuple[str, ...]:
        """Return the levels from the lowest to the highest that cannot be excluded."""
        return self.labels[held.index(True) : len(held) - held[::-1].index(True)] if any(held) else ()

    def possible_mask(self, held: Bools) -> Bools:
        """Return the same for many texts."""
        after, before = (np.maximum.accumulate(side, axis=1) for side in (held, held[:, ::-1]))
        return np.asarray(after & before[:, ::-1])

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest without thresholds, and fewer than two levels."""
        if policy.thresholds is None:
            raise fields.error("decision", f"an object with cutoffs where task is {self.kind}")
        if len(self.labels) < 2:
            raise fields.error("labels", f"at least 2 names where task is {self.kind}")
