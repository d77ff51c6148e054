"""Fit what a recipe's [decisions] asks for, on validation, for the same model or variant that it is applied to."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.calibration import LogLoss, fit_platt, fit_platt_per_label, fit_scale
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.selective import cutoff_for
from distill.evaluation.thresholds import (
    common_threshold,
    expected_f1_threshold,
    keep_precision,
    keep_recall,
    tune_thresholds,
)
from distill.export.runtime.scores import Floats
from distill.export.runtime.task import Task
from distill.recipe.kinds import KINDS
from distill.recipe.shipping import DecisionsRecipe


def fit_calibration(
    logits: Logits, gold: NDArray[np.float32], task: Task, policy: DecisionsRecipe, loss: LogLoss
) -> Decision:
    """Return scale and bias alone, as a decision without thresholds.

    Args:
        logits: raw, ``(N, C)``.
        gold: 0/1 ``(N, C)``.
        task: the kind and its labels.
        policy: the recipe's.
        loss: the log loss that a temperature minimises.
    """
    chosen = policy.calibration or KINDS[task.kind].calibrations[0]
    if chosen == "platt-per-label":
        scales, biases = fit_platt_per_label(logits, gold, shrink=policy.calibration_shrink)
        return Decision(tuple(map(float, scales)), tuple(map(float, biases)), None)
    scale, bias = 1.0, 0.0
    if chosen == "temperature":
        scale = fit_scale(logits, gold, loss)
    elif chosen == "platt":
        scale, bias = fit_platt(logits, gold)
    return Decision((scale,) * logits.shape[1], (bias,) * logits.shape[1], None)


def fit_thresholds(
    scores: Floats, gold: Floats, labels: tuple[str, ...], policy: DecisionsRecipe
) -> tuple[float, ...]:
    """Return thresholds of calibrated scores ``(N, C)``: the best F1, shrunk, then moved as far as floors need."""
    if policy.threshold_towards == "common":
        towards = np.full(len(labels), common_threshold(scores, gold))  # (C,)
    else:
        towards = np.array([expected_f1_threshold(scores[:, label]) for label in range(len(labels))])  # (C,)
    thresholds = tune_thresholds(scores, gold, towards=towards, shrink=policy.threshold_shrink)
    for keep, floors in ((keep_recall, policy.recall_floor), (keep_precision, policy.precision_floor)):
        for label, floor in floors.items():
            at = labels.index(label)
            thresholds[at] = keep(scores[:, at], gold[:, at], floor, float(thresholds[at]))
    return tuple(map(float, thresholds))


def with_abstention(decision: Decision, logits: Logits, task: Task, policy: DecisionsRecipe) -> Decision:
    """Return a decision with the confidence below which a person decides, from raw logits ``(N, C)``."""
    if policy.abstain_coverage is None:
        return replace(decision, abstain_below=policy.abstain_below)
    scores = decision.scores(logits, task)
    confidence = task.confidence(scores, task.decide(scores, decision.policy))
    return replace(decision, abstain_below=cutoff_for(confidence, policy.abstain_coverage))
