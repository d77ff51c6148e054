"""A kind of task as an interface: the scores of logits, the decision rule, and what a manifest must say.

The decision rule is written once for Python in kinds/ (training, evaluation and the runtime use it) and once in
docs/browser/decisions.js; tests/vectors/decisions.json holds the two together. numpy only: this file ships.

`logits` are float ``(N, C)``, calibrated; `scores` float ``(N, C)`` in [0, 1]; `decisions` bool ``(N, C)``.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from distill.export.runtime.deciding.scores import Bools, Doubles, Floats
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.untrusted.fields import Fields

# why a text is handed over to a person, in the order in which a prediction has them
UNSURE: Final = "unsure"

UNREADABLE: Final = "unreadable"

TRUNCATED: Final = "truncated"

CRISIS_WORD: Final = "crisis word"

OUT_OF_DOMAIN: Final = "out of domain"

FLOOR: Final = "floor"

REASONS = (UNSURE, UNREADABLE, TRUNCATED, CRISIS_WORD, OUT_OF_DOMAIN, FLOOR)


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
    `abstain_below` a person decides, where it is not None. `sets` say which labels are possible, and a text that
    is decided as one of the `flagged` labels is handed over to a person together with its decision.
    """

    thresholds: tuple[float, ...] | None = None
    abstain_below: float | None = None
    sets: Sets | None = None
    flagged: frozenset[str] = frozenset()


class Noticed(NamedTuple):
    """Facts about a text that are known before its scores: whether it was cut, and reasons to hand it over.

    `meaningless` is the share of its pieces without meaning; 0 where no rule says which those are.
    """

    truncated: bool
    reasons: tuple[str, ...] = ()
    meaningless: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """The decision on one text, and whether the text's end was cut off unread.

    `confidence` is the probability that the decision is exactly right, as the calibrated scores have it. Where it
    is below the bundle's rule, or the text cannot be read, the classifier has `abstained`, and there are no
    labels: a person should decide. `handed_over` has the reasons, some of `REASONS`, for which a person should
    read the text; with reasons other than these two there is a decision as well. `possible` are the labels that
    cannot be excluded, None where the bundle has no prediction sets. `context` is the number of turns before the
    decided one that were read, 0 where it was decided without any; None where the bundle reads no conversations.
    """

    labels: tuple[str, ...]
    scores: dict[str, float]
    confidence: float
    abstained: bool
    truncated: bool
    handed_over: tuple[str, ...] = ()
    possible: tuple[str, ...] | None = None
    context: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the fields by name, for JSON; `context` only where the bundle reads conversations."""
        return {name: value for name, value in vars(self).items() if name != "context" or value is not None}


class Task(Protocol):
    """A kind of task with its label names in logit order.

    `activation` is the manifest's word for the function from logits to scores, `problem_type` the word of
    transformers, `confidence_rule` the manifest's word for the measure of confidence, `floor_kinds` its words for
    the metrics that a floor can be of, `set_kind` its word for the form of prediction sets, and `manifest_version`
    the `format_version` of its manifests. Those of version 2 say what the graph gives in the object
    `manifest_output` and record the policy as a `manifest_decision`; both are None in the first version.
    """

    kind: ClassVar[str]
    activation: ClassVar[str]
    problem_type: ClassVar[str]
    confidence_rule: ClassVar[str]
    floor_kinds: ClassVar[tuple[str, ...]]
    set_kind: ClassVar[str]
    manifest_version: ClassVar[int]
    manifest_output: ClassVar[Tagged | None]
    manifest_decision: ClassVar[type[TaggedDecision] | None]
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

    def prediction(self, scores: list[float], policy: Policy, noticed: Noticed) -> Prediction:
        """Return what is decided for one text, from plain floats: numpy would take longer than the decision."""
        ...

    def predictions(self, scores: Doubles, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        """Return what is decided for many texts, scores ``(N, C)``: the same numbers in fewer steps."""
        ...

    def flagged(self, floor_kind: str, label: str) -> tuple[str, ...]:
        """Return the labels whose decision a person should read for the sake of a floor of this kind and label."""
        ...

    def possible(self, held: list[bool]) -> tuple[str, ...]:
        """Return the prediction set of one text, from the labels that cannot be excluded."""
        ...

    def possible_mask(self, held: Bools) -> Bools:
        """Return the prediction sets of many texts: ``(N, C) -> (N, C)``."""
        ...

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        """Refuse a manifest's policy that does not fit this kind.

        Raises:
            BundleError: names the field and the rule.
        """
        ...


def thresholds_of(policy: Policy) -> tuple[float, ...]:
    """Return a policy's thresholds, where the kind of task has some."""
    if policy.thresholds is None:
        raise ValueError("this kind of task is decided by thresholds")
    return policy.thresholds


def prediction_of(
    task: Task,
    scores: list[float],
    chosen: tuple[str, ...],
    confidence: float,
    policy: Policy,
    noticed: Noticed,
) -> Prediction:
    """Return one prediction: without labels if its confidence is below the policy's rule or it is unreadable."""
    below, reasons = policy.abstain_below, noticed.reasons
    unreadable = UNREADABLE in reasons
    abstained = unreadable or (below is not None and confidence < below)
    if abstained and not unreadable:
        reasons = (UNSURE, *reasons)
    # what cannot be read says as little about a label as about any other
    if policy.flagged and not unreadable and not policy.flagged.isdisjoint(chosen):
        reasons = (*reasons, FLOOR)
    possible = None
    if policy.sets is not None:
        possible = task.labels if unreadable else task.possible(policy.sets.held(task.labels, scores, chosen))
    named = dict(zip(task.labels, scores, strict=True))
    return Prediction(
        () if abstained else chosen, named, confidence, abstained, noticed.truncated, reasons, possible
    )
