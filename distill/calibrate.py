"""From a model's raw validation logits to its decisions: a scale and a bias per label, then thresholds.

Single-label: one temperature (Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599).
Multi-label: one scale and one bias for all labels (Platt scaling on all cells): rare labels have too few
positives for parameters of their own. Neither changes the order of a label's scores.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from corpora.metrics import Bools, Floats, Quality, decide, evaluate, scores_of, tune_thresholds
from corpora.task import Task, TaskKind

Logits = NDArray[np.float32]
# beyond these a validation split is too small or separable, and sharper scores would be a boast
SCALE_BOUNDS = (0.05, 10.0)
BIAS_BOUNDS = (-10.0, 10.0)


@dataclass(frozen=True)
class Decision:
    """How one model's raw logits become decisions; fitted on validation."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    thresholds: tuple[float, ...] | None

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

    def without_calibration(self) -> "Decision":
        """The same thresholds for logits that are calibrated already."""
        return Decision((1.0,) * len(self.scale), (0.0,) * len(self.bias), self.thresholds)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        thresholds = None if self.thresholds is None else list(self.thresholds)
        return {"scale": list(self.scale), "bias": list(self.bias), "thresholds": thresholds}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Decision":
        """The decision that `to_dict` wrote."""
        thresholds = None if data["thresholds"] is None else tuple(data["thresholds"])
        return cls(tuple(data["scale"]), tuple(data["bias"]), thresholds)


def fit_decision(logits: Logits, gold: NDArray[np.float32], task: Task, *, shrink: float) -> Decision:
    """Calibration and thresholds from validation.

    Args:
        logits: raw, ``(N, C)``.
        gold: 0/1 ``(N, C)``.
        task: kind and labels.
        shrink: positives at which a label's own threshold counts half against the common one.
    """
    scale, bias = fit_calibration(logits, gold, task.kind)
    calibration = Decision((scale,) * task.num_labels, (bias,) * task.num_labels, None)
    if not task.multi_label:
        return calibration
    scores = calibration.scores(logits, task.kind)
    thresholds = tuple(float(value) for value in tune_thresholds(scores, gold, shrink=shrink))
    return Decision(calibration.scale, calibration.bias, thresholds)


def fit_calibration(logits: Logits, gold: NDArray[np.float32], kind: TaskKind) -> tuple[float, float]:
    """Scale and bias that minimise validation's log loss; the bias is 0 for single-label tasks."""
    x, y = logits.astype(np.float64), gold.astype(np.float64)
    if kind is TaskKind.SINGLE_LABEL:
        found = minimize(_softmax_loss, np.array([1.0]), args=(x, y), bounds=[SCALE_BOUNDS], method="L-BFGS-B")
        return float(found.x[0]), 0.0
    bounds = [SCALE_BOUNDS, BIAS_BOUNDS]
    found = minimize(_sigmoid_loss, np.array([1.0, 0.0]), args=(x, y), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])


def judge(logits: Logits, gold: NDArray[np.float32], task: Task, decision: Decision) -> Quality:
    """Quality of raw logits ``(N, C)`` under a decision."""
    return evaluate(decision.scores(logits, task.kind), gold, decision.threshold_array, task.kind, task.labels)


def _softmax_loss(parameters: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    scaled = x * parameters[0]
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(scaled).sum(axis=1))
    return float((log_total - (scaled * y).sum(axis=1)).mean())


def _sigmoid_loss(
    parameters: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Mean log loss over all cells, and its gradient."""
    z = x * parameters[0] + parameters[1]
    loss = float((np.logaddexp(0, z) - y * z).mean())
    residual = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - y
    return loss, np.array([(residual * x).mean(), residual.mean()])
