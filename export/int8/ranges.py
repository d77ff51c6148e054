"""Activation ranges: how the range of an integer input is chosen from the values of calibration texts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RangeMethod = Literal["mse", "minmax", "percentile"]

Floats = NDArray[np.float32]

UINT8_MAX = 255

# clipping the few largest values can cost less than coarse steps for all the others
SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)

# share of the values inside a percentile's range; half of the rest is above it, half below
PERCENT = 99.99

# a channel that no text activates still gets steps of this share of the widest channel's
MIN_PEAK_SHARE = 1e-3


@dataclass(frozen=True)
class InputScale:
    """``uint8 = x / smoothing / scale + zero_point`` for a hidden state of H channels."""

    smoothing: Floats  # (H,)
    scale: np.float32
    zero_point: np.uint8


def fit_input_scale(values: Floats, method: RangeMethod = "mse") -> InputScale:
    """Return smoothing, scale and zero point for sampled tokens ``(N, H)``.

    Hidden states have a few channels far wider than the rest. Dividing each by the root of its peak, and
    multiplying the weight's rows by the same, shares the range between the two (as in SmoothQuant).

    Args:
        values: the sample.
        method: `minmax` takes the range of all values, `percentile` that of nearly all of them, `mse` the share of
            the whole range whose rounding has the least mean squared error.
    """
    peak = np.abs(values).max(axis=0)  # (H,)
    root = np.sqrt(np.maximum(peak, max(float(peak.max()) * MIN_PEAK_SHARE, 1e-6)))
    smoothing = (root / np.exp(np.log(root).mean())).astype(np.float32)
    smooth = values / smoothing
    if method == "mse":
        scale, zero_point = _least_error(smooth)
    elif method == "minmax":
        scale, zero_point = _steps(*_whole(smooth))
    else:
        scale, zero_point = _steps(*_most(smooth))
    return InputScale(smoothing, scale, zero_point)


def _whole(values: Floats) -> tuple[float, float]:
    """Return the range of all values, widened to include zero."""
    return min(float(values.min()), 0.0), max(float(values.max()), 1e-6)


def _most(values: Floats) -> tuple[float, float]:
    """Return the range of nearly all values, widened to include zero."""
    tail = (100 - PERCENT) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return min(float(low), 0.0), max(float(high), 1e-6)


def _least_error(values: Floats) -> tuple[np.float32, np.uint8]:
    """Return scale and zero point of the best of several shares of the whole range."""
    low, high = _whole(values)
    candidates = [_steps(low * shrink, high * shrink) for shrink in SHRINKS]
    return min(candidates, key=lambda candidate: _error(values, *candidate))


def _steps(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Return scale and zero point of the range low..high."""
    scale = np.float32((high - low) / UINT8_MAX)
    return scale, np.uint8(round(-low / float(scale)))


def _error(values: Floats, scale: np.float32, zero_point: np.uint8) -> float:
    """Return the mean squared error of rounding."""
    integers = np.clip(np.rint(values / scale) + zero_point, 0, UINT8_MAX)
    return float(np.mean(np.square((integers - zero_point) * scale - values)))
