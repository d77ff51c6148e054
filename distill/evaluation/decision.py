"""From a model's raw validation logits to its decisions: calibration, thresholds, and when to abstain.

What the recipe's [decisions] asks for, fitted on validation for the very model or variant that it is applied to.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.task import Task, TaskKind
from distill.evaluation.calibration import fit_platt, fit_platt_per_label, fit_temperature
from distill.evaluation.metrics import Bools, Floats, Quality, decide, evaluate, scores_of
from distill.evaluation.selective import confidences, cutoff_for
from distill.evaluation.thresholds import (
    common_threshold,
    expected_f1_threshold,
    keep_precision,
    keep_recall,
    tune_thresholds,
)
from distill.recipe.recipe import default_calibration
from distill.recipe.shipping import DecisionsRecipe

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Decision:
    """How one model's raw logits become decisions; fitted on validation.

    `thresholds` is None for argmax; below a confidence of `abstain_below` a person decides, where it is not None.
    """

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    thresholds: tuple[float, ...] | None
    abstain_below: float | None = None

    def calibrated(self, logits: Logits) -> Logits:
        """Calibrated logits: ``(N, C) -> (N, C)``."""
        scale, bias = np.array(self.scale, dtype=np.float32), np.array(self.bias, dtype=np.float32)
        return np.asarray(logits * scale + bias, dtype=np.float32)

    def scores(self, logits: Logits, kind: TaskKind) -> Floats:
        """Calibrated scores of raw logits: ``(N, C) -> (N, C)``."""
        return scores_of(self.calibrated(logits), kind)

    def decide(self, logits: Logits, kind: TaskKind) -> Bools:
        """Decisions on raw logits: ``(N, C) -> (N, C)``."""
        return decide(self.scores(logits, kind), self.threshold_array, kind)

    @property
    def threshold_array(self) -> Floats | None:
        """One threshold a label ``(C,)``, or None for argmax."""
        return None if self.thresholds is None else np.array(self.thresholds)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        thresholds = None if self.thresholds is None else list(self.thresholds)
        return {
            "scale": list(self.scale),
            "bias": list(self.bias),
            "thresholds": thresholds,
            "abstain_below": self.abstain_below,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Decision":
        """The decision that `to_dict` wrote."""
        thresholds = None if data["thresholds"] is None else tuple(data["thresholds"])
        return cls(tuple(data["scale"]), tuple(data["bias"]), thresholds, data["abstain_below"])


def fit_decision(logits: Logits, gold: NDArray[np.float32], task: Task, policy: DecisionsRecipe) -> Decision:
    """Calibration, thresholds and the rule to abstain from validation's raw logits ``(N, C)`` and 0/1 gold.

    Floors that no threshold can keep are missed by as little as possible; `floors.judge_floors` says so.
    """
    calibration = fit_calibration(logits, gold, task, policy)
    scores = calibration.scores(logits, task.kind)
    thresholds = fit_thresholds(scores, gold, task.labels, policy) if task.multi_label else None
    decision = replace(calibration, thresholds=thresholds)
    if policy.abstain_coverage is None:
        return replace(decision, abstain_below=policy.abstain_below)
    confidence = confidences(scores, decision.decide(logits, task.kind), task.kind)
    return replace(decision, abstain_below=cutoff_for(confidence, policy.abstain_coverage))


def fit_calibration(logits: Logits, gold: NDArray[np.float32], task: Task, policy: DecisionsRecipe) -> Decision:
    """Scale and bias alone, as a decision without thresholds."""
    chosen = policy.calibration or default_calibration(task.kind.value)
    if chosen == "platt-per-label":
        scales, biases = fit_platt_per_label(logits, gold, shrink=policy.calibration_shrink)
        return Decision(tuple(map(float, scales)), tuple(map(float, biases)), None)
    scale, bias = 1.0, 0.0
    if chosen == "temperature":
        scale = fit_temperature(logits, gold, task.kind)
    elif chosen == "platt":
        scale, bias = fit_platt(logits, gold)
    return Decision((scale,) * task.num_labels, (bias,) * task.num_labels, None)


def fit_thresholds(
    scores: Floats, gold: Floats, labels: tuple[str, ...], policy: DecisionsRecipe
) -> tuple[float, ...]:
    """Thresholds of calibrated scores ``(N, C)``: the best F1, shrunk, then moved as far as floors need."""
    if policy.threshold_towards == "common":
        towards = np.full(len(labels), common_threshold(scores, gold))  # (C,)
    else:
        towards = np.array([expected_f1_threshold(scores[:, label]) for label in range(len(labels))])  # (C,)
    found = tune_thresholds(scores, gold, towards=towards, shrink=policy.threshold_shrink)
    for keep, floors in ((keep_recall, policy.recall_floor), (keep_precision, policy.precision_floor)):
        for label, floor in floors.items():
            at = labels.index(label)
            found[at] = keep(scores[:, at], gold[:, at], floor, float(found[at]))
    return tuple(map(float, found))


def evaluate_decision(logits: Logits, gold: NDArray[np.float32], task: Task, decision: Decision) -> Quality:
    """Quality of raw logits ``(N, C)`` under a decision, as if it never abstained."""
    return evaluate(decision.scores(logits, task.kind), gold, decision.threshold_array, task.kind, task.labels)
