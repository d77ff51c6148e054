"""Fit what a recipe's [decisions] asks for, on validation, for the same model or variant that it is applied to."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.calibration import LogLoss, fit_platt, fit_platt_per_label, fit_scale
from distill.evaluation.certificates import Judged, certified_cutoff, certified_threshold, certify
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.floors import floors_of
from distill.evaluation.selective import cutoff_for
from distill.evaluation.sets import fit_thresholds_of_sets
from distill.evaluation.thresholds import (
    common_threshold,
    count_missed,
    expected_f1_threshold,
    keep_precision,
    keep_recall,
    tune_thresholds,
)
from distill.evaluation.trials import Parts
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.manifest.promises import PRECISION, FittedFloor
from distill.recipe.kinds import KINDS
from distill.recipe.shipping import DecisionsRecipe


@dataclass(frozen=True)
class Columns:
    """Scores that thresholds are compared with, gold, and the label that each column is about, ``(N, K)``."""

    scores: Floats
    gold: Floats
    labels: tuple[str, ...]


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


def fit_thresholds(scores: Floats, gold: Floats, policy: DecisionsRecipe) -> Floats:
    """Return thresholds ``(C,)`` of calibrated scores ``(N, C)``: the best F1, shrunk."""
    if policy.threshold_towards == "common":
        towards = np.full(scores.shape[1], common_threshold(scores, gold))  # (C,)
    else:
        towards = np.array([expected_f1_threshold(column) for column in scores.T])  # (C,)
    return tune_thresholds(scores, gold, towards=towards, shrink=policy.threshold_shrink)


def with_floors(
    decision: Decision,
    tuned: Floats,
    columns: Columns,
    policy: DecisionsRecipe,
    parts: Parts,
) -> Decision:
    """Return a decision with the tuned thresholds ``(K,)``, moved as far as floors need.

    A plain floor is kept on all of validation. A certified one stands on its part of it alone, and a threshold
    that is lower than the certified one keeps the floor all the more.
    """
    thresholds = tuned.astype(np.float64)
    fitted: dict[tuple[str, str], FittedFloor] = {}
    for wanted in floors_of(policy):
        if wanted.label not in columns.labels:  # every row is at the lowest level or above it
            continue
        at = columns.labels.index(wanted.label)
        scores, gold = columns.scores[:, at], columns.gold[:, at]
        if wanted.confidence is None:
            keep = keep_precision if wanted.metric == PRECISION else keep_recall
            thresholds[at] = keep(scores, gold, wanted.floor, float(thresholds[at]))
            precise = wanted.metric == PRECISION
            rows, missed = count_missed(scores, gold, float(thresholds[at]), among_decided=precise)
            fitted[wanted.metric, wanted.label] = FittedFloor(
                wanted.metric, wanted.label, wanted.floor, float(thresholds[at]), rows, missed
            )
            continue
        of_trials = scores[parts.trials(gold > 0)]
        certified = certified_threshold(of_trials, wanted.floor, wanted.confidence)
        thresholds[at] = min(thresholds[at], certified)
        fitted[wanted.metric, wanted.label] = certify(
            wanted.metric,
            wanted.label,
            wanted.floor,
            wanted.confidence,
            scores=of_trials,
            threshold=float(thresholds[at]),
        )
    return replace(decision, thresholds=tuple(map(float, thresholds)), floors=tuple(fitted.values()))


def with_abstention(
    decision: Decision,
    logits: Logits,
    gold: NDArray[np.float32],
    task: Task,
    policy: DecisionsRecipe,
    parts: Parts,
) -> Decision:
    """Return a decision with the confidence below which a person decides, from raw logits ``(N, C)``."""
    if policy.abstain_coverage is None and policy.answer_when_right is None:
        return replace(decision, abstain_below=policy.abstain_below)
    scores = decision.scores(logits, task)
    decisions = task.decide(scores, decision.policy)
    confidence = task.confidence(scores, decisions)
    if policy.answer_when_right is None:
        assert policy.abstain_coverage is not None
        return replace(decision, abstain_below=cutoff_for(confidence[parts.tunes], policy.abstain_coverage))
    right = (decisions == (gold > 0)).all(axis=1)
    trials = parts.trials(np.ones(len(gold), dtype=np.bool_))
    below, answers = certified_cutoff(
        Judged(confidence[parts.tunes], right[parts.tunes]),
        Judged(confidence[trials], right[trials]),
        policy.answer_when_right,
        policy.confidence,
    )
    return replace(decision, abstain_below=below, answers=answers)


def with_sets(
    decision: Decision,
    logits: Logits,
    gold: NDArray[np.float32],
    task: Task,
    policy: DecisionsRecipe,
    parts: Parts,
    *,
    per_label: bool,
) -> Decision:
    """Return a decision with prediction sets, from raw logits ``(N, C)``, where the recipe asks for them."""
    if policy.sets is None:
        return decision
    scores = decision.scores(logits, task)
    thresholds = fit_thresholds_of_sets(
        scores,
        task.decide(scores, decision.policy),
        gold,
        parts,
        policy.sets,
        per_label=per_label,
    )
    return replace(decision, sets=Sets(task.set_kind, policy.sets, thresholds))
