"""Kinds of task, one final class each: the scores of logits, the decision rule, and what a manifest must say.

The decision rule is written here once for Python (training, evaluation and the runtime use it) and once in
docs/browser/classifier.js; tests/vectors/decisions.json holds the two together. numpy only: this file ships.

`logits` are float ``(N, C)``, calibrated; `scores` float ``(N, C)`` in [0, 1]; `decisions` bool ``(N, C)``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
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


TASKS: Mapping[str, type[SingleLabel] | type[MultiLabel]] = {
    "multi_label": MultiLabel,
    "single_label": SingleLabel,
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


def one_hot(chosen: npt.NDArray[np.integer[Any]], num_labels: int) -> Bools:
    """Return decisions for one label of each row: ``(N,) -> (N, C)``."""
    return np.asarray(np.arange(num_labels) == chosen[:, None], dtype=np.bool_)


def _thresholds_of(policy: Policy) -> tuple[float, ...]:
    if policy.thresholds is None:
        raise ValueError("a multi-label task is decided by thresholds")
    return policy.thresholds


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
