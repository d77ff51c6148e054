"""Kinds of task, one final class each: the scores of logits, the decision rule, and what a manifest must say.

The decision rule is written here once for Python (training, evaluation and the runtime use it) and once in
docs/browser/classifier.js; tests/vectors/decisions.json holds the two together. numpy only: this file ships.

`logits` are float ``(N, C)``, calibrated; `scores` float ``(N, C)`` in [0, 1]; `decisions` bool ``(N, C)``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, compress
from operator import ge
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from distill.export.runtime.untrusted.fields import Fields

Floats = npt.NDArray[np.floating[Any]]

Doubles = npt.NDArray[np.float64]

Bools = npt.NDArray[np.bool_]

# a fresh head of labels that are rare each starts near their base rate, or the first steps only unlearn 0.5
RARE_LABEL_LOGIT = -3.0

# two cuts that are nearer have no level between them that is worth the name
_LEAST_GAP = 1e-6

_ONE, _MINUS_ONE = np.float32(1), np.float32(-1)


@dataclass(frozen=True)
class Output:
    """One output of a graph; `axes` names what each dimension counts."""

    name: str
    axes: tuple[str, ...]


LOGITS = Output("logits", ("batch", "labels"))

# the value that a graph has before the last nodes of a task
CALIBRATED = "calibrated_logits"


@dataclass(frozen=True)
class HeadPlan:
    """The last layer of a network: one output per bias that it starts from.

    With `one_slope` all outputs share one weight vector, and their biases descend.
    """

    biases: tuple[float, ...]
    one_slope: bool = False


@dataclass(frozen=True)
class GraphNode:
    """An ONNX node as data, for a place that has no onnx; an input is a value's name or a constant."""

    operator: str
    inputs: tuple[str | npt.NDArray[np.float32], ...]
    output: str


@dataclass(frozen=True)
class Policy:
    """The fitted numbers that turn scores into decisions.

    `thresholds` are as many as `Task.num_thresholds` says, None where that is 0; below a confidence of
    `abstain_below` a person decides, where it is not None.
    """

    thresholds: tuple[float, ...] | None = None
    abstain_below: float | None = None


@dataclass(frozen=True)
class Prediction:
    """The decision on one text, and whether the text's end was cut off unread.

    `confidence` is the probability that the decision is exactly right, as the calibrated scores have it; where it
    is below the bundle's rule the classifier has `abstained`, and there are no labels: a person should decide.
    """

    labels: tuple[str, ...]
    scores: dict[str, float]
    confidence: float
    abstained: bool
    truncated: bool


class Task(Protocol):
    """A kind of task with its label names in logit order.

    `activation` is the manifest's word for the function from logits to scores, `problem_type` the word of
    transformers, `confidence_rule` the manifest's word for the measure of confidence.
    """

    kind: ClassVar[str]
    activation: ClassVar[str]
    problem_type: ClassVar[str]
    confidence_rule: ClassVar[str]
    outputs: ClassVar[tuple[Output, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the label names in logit order."""
        ...

    @property
    def num_labels(self) -> int:
        """Return the number of labels, C."""
        ...

    @property
    def head(self) -> HeadPlan:
        """Return the shape of the network's last layer."""
        ...

    @property
    def num_outputs(self) -> int:
        """Return the number of raw logits per row, K: the outputs of the head."""
        ...

    @property
    def num_thresholds(self) -> int:
        """Return how many thresholds a policy has."""
        ...

    def finish(self, calibrated: Floats) -> Floats:
        """Return the logits that a graph gives for the calibrated outputs of the head: ``(N, K) -> (N, C)``."""
        ...

    def finish_nodes(self) -> tuple[GraphNode, ...]:
        """Return the same as the last nodes of a graph, from the value `CALIBRATED`; empty for the identity."""
        ...

    def scores(self, logits: Floats) -> Floats:
        """Return scores of calibrated logits, without overflow: ``(N, C) -> (N, C)``, dtype as given."""
        ...

    def decide(self, scores: Floats, policy: Policy) -> Bools:
        """Return decisions: ``(N, C) -> (N, C)``."""
        ...

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return the probability of each row's decision being exactly right, ``(N,)``."""
        ...

    def prediction(self, scores: list[float], policy: Policy, truncated: bool) -> Prediction:
        """Return what is decided for one text, from plain floats: numpy would take longer than the decision."""
        ...

    def predictions(self, scores: Doubles, policy: Policy, truncated: list[bool]) -> list[Prediction]:
        """Return what is decided for many texts, scores ``(N, C)``: the same numbers in fewer steps."""
        ...

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest's policy that is none of this kind.

        Raises:
            BundleError: names the field and the rule.
        """
        ...


@dataclass(frozen=True)
class SingleLabel:
    """Exactly one label per row: the one with the highest score."""

    kind: ClassVar[str] = "single_label"
    activation: ClassVar[str] = "softmax"
    problem_type: ClassVar[str] = "single_label_classification"
    confidence_rule: ClassVar[str] = "top_score"
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
        """Return the label with the highest score of each row, the first of equals: ``(N, C) -> (N, C)``."""
        return one_hot(scores.argmax(axis=1), scores.shape[1])

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return each row's highest score, ``(N,)``."""
        return np.asarray(scores.astype(np.float64).max(axis=1))

    def prediction(self, scores: list[float], policy: Policy, truncated: bool) -> Prediction:
        """Return what is decided for one text."""
        confidence = max(scores)
        label = self.labels[scores.index(confidence)]
        return _prediction(self.labels, scores, (label,), confidence, policy, truncated)

    def predictions(self, scores: Doubles, policy: Policy, truncated: list[bool]) -> list[Prediction]:
        """Return what is decided for many texts."""
        return [self.prediction(row, policy, cut) for row, cut in zip(scores.tolist(), truncated, strict=True)]

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse thresholds, and fewer than two labels."""
        if policy.thresholds is not None:
            raise fields.error("thresholds", f"null where task is {self.kind}")
        if len(self.labels) < 2:
            raise fields.error("labels", f"at least 2 names where task is {self.kind}")


@dataclass(frozen=True)
class MultiLabel:
    """Any number of labels per row: each whose score reaches its own threshold."""

    kind: ClassVar[str] = "multi_label"
    activation: ClassVar[str] = "sigmoid"
    problem_type: ClassVar[str] = "multi_label_classification"
    confidence_rule: ClassVar[str] = "exact_match"
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
        return np.asarray(scores >= np.array(_thresholds_of(policy)), dtype=np.bool_)

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return the product over labels of the score where it is decided, else of its rest to 1, ``(N,)``.

        It takes labels as independent given the text.
        """
        exact = scores.astype(np.float64)
        return np.asarray(np.where(decisions, exact, 1 - exact).prod(axis=1))

    def prediction(self, scores: list[float], policy: Policy, truncated: bool) -> Prediction:
        """Return what is decided for one text."""
        # plain floats on both sides: a caller can repeat each decision from `scores` and the manifest
        decided = list(map(ge, scores, _thresholds_of(policy)))
        factors = [score if yes else 1.0 - score for score, yes in zip(scores, decided, strict=True)]
        chosen = tuple(compress(self.labels, decided))
        return _prediction(self.labels, scores, chosen, math.prod(factors), policy, truncated)

    def predictions(self, scores: Doubles, policy: Policy, truncated: list[bool]) -> list[Prediction]:
        """Return what is decided for many texts."""
        decided = self.decide(scores, policy)
        confidence = self.confidence(scores, decided)
        rows = zip(scores.tolist(), decided.tolist(), confidence.tolist(), truncated, strict=True)
        return [
            _prediction(self.labels, row, tuple(compress(self.labels, yes)), sure, policy, cut)
            for row, yes, sure, cut in rows
        ]

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest without thresholds."""
        if policy.thresholds is None:
            raise fields.error("thresholds", f"a list, one for each label, where task is {self.kind}")


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
        reached = at_or_above(scores)[:, 1:] >= np.array(_thresholds_of(policy))  # (N, C - 1)
        levels = (reached * np.arange(1, scores.shape[1])).max(axis=1)
        return one_hot(levels, scores.shape[1])

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        """Return the probability of each row's decided level, ``(N,)``."""
        return np.asarray((scores.astype(np.float64) * decisions).sum(axis=1))

    def prediction(self, scores: list[float], policy: Policy, truncated: bool) -> Prediction:
        """Return what is decided for one text."""
        thresholds, level = _thresholds_of(policy), 0
        reached = accumulate(reversed(scores))
        for cut, probability in zip(range(len(scores) - 2, -1, -1), reached, strict=False):
            if probability >= thresholds[cut]:
                level = cut + 1
                break
        return _prediction(self.labels, scores, (self.labels[level],), scores[level], policy, truncated)

    def predictions(self, scores: Doubles, policy: Policy, truncated: list[bool]) -> list[Prediction]:
        """Return what is decided for many texts."""
        return [self.prediction(row, policy, cut) for row, cut in zip(scores.tolist(), truncated, strict=True)]

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest without thresholds, and fewer than two levels."""
        if policy.thresholds is None:
            raise fields.error("decision", f"an object with cutoffs where task is {self.kind}")
        if len(self.labels) < 2:
            raise fields.error("labels", f"at least 2 names where task is {self.kind}")


TASKS: Mapping[str, type[SingleLabel] | type[MultiLabel] | type[Ordinal]] = {
    "multi_label": MultiLabel,
    "single_label": SingleLabel,
    "ordinal": Ordinal,
}


def task_of(kind: str, labels: tuple[str, ...]) -> Task:
    """Return the task of a kind that is known to be in `TASKS`."""
    return TASKS[kind](labels)


def sigmoid(logits: Floats) -> Floats:
    """Return independent probabilities, without overflow: ``(N, C) -> (N, C)``, dtype as given.

    The fewest calls that neither overflow nor lose the small ones: one text's logits are so few that each counts.
    """
    small = np.exp(np.copysign(logits, _MINUS_ONE))
    return np.asarray(np.maximum(small, np.heaviside(logits, _ONE)) / (small + _ONE))


def softmax(logits: Floats) -> Floats:
    """Return probabilities that add up to 1 per row: ``(N, C) -> (N, C)``, dtype as given."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def at_or_above(scores: Floats) -> Doubles:
    """Return the probability of each level or a higher one: ``(N, C) -> (N, C)``."""
    return np.asarray(np.cumsum(scores[:, ::-1], axis=1, dtype=np.float64)[:, ::-1])


def one_hot(chosen: npt.NDArray[np.integer[Any]], num_labels: int) -> Bools:
    """Return decisions for one label of each row: ``(N,) -> (N, C)``."""
    return np.asarray(np.arange(num_labels) == chosen[:, None], dtype=np.bool_)


def _thresholds_of(policy: Policy) -> tuple[float, ...]:
    if policy.thresholds is None:
        raise ValueError("this kind of task is decided by thresholds")
    return policy.thresholds


def _softplus(values: Floats) -> Floats:
    """Return log(1 + exp(x)), without overflow."""
    return np.asarray(np.logaddexp(values.dtype.type(0), values))


def _prediction(
    labels: tuple[str, ...],
    scores: list[float],
    chosen: tuple[str, ...],
    confidence: float,
    policy: Policy,
    truncated: bool,
) -> Prediction:
    """Return one prediction: without labels where its confidence is below the policy's rule."""
    below = policy.abstain_below
    abstained = below is not None and confidence < below
    named = dict(zip(labels, scores, strict=True))
    return Prediction(() if abstained else chosen, named, confidence, abstained, truncated)
