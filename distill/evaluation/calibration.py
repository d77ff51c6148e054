"""Calibration as a scale and a bias of raw logits, fitted on validation.

One temperature (Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599), and for multi-label
Platt scaling (Platt 1999): a scale and a bias of all cells, or of each label and drawn towards these, because
rare labels have too few positives for parameters of their own. None of them changes the order of a label's scores.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Parameters = NDArray[np.float64]

# parameters, logits (N, C), gold 0/1 (N, C) -> mean log loss
LogLoss = Callable[[Parameters, Parameters, Parameters], float]

# beyond these a validation split is too small or separable, and sharper scores would be overconfident
SCALE_BOUNDS = (0.05, 10.0)

BIAS_BOUNDS = (-10.0, 10.0)


def fit_scale(logits: NDArray[np.float32], gold: NDArray[np.float32], loss: LogLoss) -> float:
    """Return the one scale of all logits ``(N, C)`` that minimises the log loss: 1 over the temperature."""
    x, y = logits.astype(np.float64), gold.astype(np.float64)
    fitted = minimize(loss, np.array([1.0]), args=(x, y), bounds=[SCALE_BOUNDS], method="L-BFGS-B")
    return float(fitted.x[0])


def fit_temperature(logits: NDArray[np.float32], gold: NDArray[np.float32], loss: LogLoss) -> float:
    """Return the temperature that all logits ``(N, C)`` are divided by for the least log loss.

    Calibration multiplies by `fit_scale` instead, because inverting this value would round twice.
    """
    return 1.0 / fit_scale(logits, gold, loss)


def fit_platt(logits: NDArray[np.float32], gold: NDArray[np.float32]) -> tuple[float, float]:
    """Return the one scale and bias of all cells ``(N, C)`` that minimise the log loss."""
    return _platt(logits.astype(np.float64), gold.astype(np.float64), (1.0, 0.0))


def fit_platt_per_label(
    logits: NDArray[np.float32], gold: NDArray[np.float32], *, shrink: float
) -> tuple[Parameters, Parameters]:
    """Return scale and bias of each label, each ``(C,)``, drawn towards the common ones.

    A label with p positives keeps p / (p + shrink) of the way to what fits it best, as its threshold does; for a
    label that nearly every row has, the rows without it count.

    Args:
        logits: raw, ``(N, C)``.
        gold: 0/1 ``(N, C)``.
        shrink: positives at which a label's own parameters count half.
    """
    common = np.array(fit_platt(logits, gold))  # (2,)
    x, y = logits.astype(np.float64), gold.astype(np.float64)
    fitted = np.tile(common, (x.shape[1], 1))  # (C, 2)
    for label in range(x.shape[1]):
        rarer = min(y[:, label].sum(), len(y) - y[:, label].sum())
        if rarer > 0:  # otherwise there is nothing to fit
            best = np.array(_platt(x[:, label], y[:, label], (common[0], common[1])))
            fitted[label] += rarer / (rarer + shrink) * (best - common)
    return fitted[:, 0], fitted[:, 1]


def categorical_loss(parameters: Parameters, x: Parameters, y: Parameters) -> float:
    """Return the mean log loss of a softmax over each row of scaled logits ``(N, C)``."""
    scaled = x * parameters[0]
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(scaled).sum(axis=1))
    return float((log_total - (scaled * y).sum(axis=1)).mean())


def bernoulli_loss(parameters: Parameters, x: Parameters, y: Parameters) -> float:
    """Return the mean log loss over cells of a sigmoid of scaled logits ``(N, C)``."""
    return _sigmoid_loss(np.array([parameters[0], 0.0]), x, y)[0]


def _platt(x: Parameters, y: Parameters, start: tuple[float, float]) -> tuple[float, float]:
    bounds = [SCALE_BOUNDS, BIAS_BOUNDS]
    fitted = minimize(_sigmoid_loss, np.array(start), args=(x, y), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(fitted.x[0]), float(fitted.x[1])


def _sigmoid_loss(parameters: Parameters, x: Parameters, y: Parameters) -> tuple[float, Parameters]:
    """Return the mean log loss over all cells, and its gradient."""
    z = x * parameters[0] + parameters[1]
    loss = float((np.logaddexp(0, z) - y * z).mean())
    residual = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - y
    return loss, np.array([(residual * x).mean(), residual.mean()])
