"""Calibrators: how the range of an integer input is chosen from the values that calibration texts bring."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Calibrator = Literal["mse", "minmax", "percentile"]

Floats = NDArray[np.float32]

UINT8_MAX = 255

# cutting off the few largest values can cost less than coarse steps for all the others
SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)

# of the values that a percentile's range holds, half of the others lying above it and half below
PERCENT = 99.99

# a channel that the texts never wake still gets steps of this share of the widest channel's
MIN_PEAK_SHARE = 1e-3


@dataclass(frozen=True)
class InputScale:
    """``uint8 = x / smoothing / scale + zero_point`` for a hidden state of H channels."""

    smoothing: Floats  # (H,)
    scale: np.float32
    zero_point: np.uint8


def fit_scale(values: Floats, calibrator: Calibrator = "mse") -> InputScale:
    """Smoothing, scale and zero point for sampled tokens ``(N, H)``.

    Hidden states have a few channels far wider than the rest. Dividing each by the root of its peak, and
    multiplying the weight's rows by it, shares the burden between the two (as in SmoothQuant).

    Args:
        values: the sample.
        calibrator: `minmax` takes the range of all values, `percentile` that of nearly all of them, `mse` the
            share of the whole range whose rounding has the least mean squared error.
    """
    peak = np.abs(values).max(axis=0)  # (H,)
    root = np.sqrt(np.maximum(peak, max(float(peak.max()) * MIN_PEAK_SHARE, 1e-6)))
    smoothing = (root / np.exp(np.log(root).mean())).astype(np.float32)
    smooth = values / smoothing
    if calibrator == "mse":
        scale, zero_point = _least_error(smooth)
    elif calibrator == "minmax":
        scale, zero_point = _steps(*_whole(smooth))
    else:
        scale, zero_point = _steps(*_most(smooth))
    return InputScale(smoothing, scale, zero_point)


def _whole(values: Floats) -> tuple[float, float]:
    """The range of all values, with zero in it."""
    return min(float(values.min()), 0.0), max(float(values.max()), 1e-6)


def _most(values: Floats) -> tuple[float, float]:
    """The range of nearly all values, with zero in it."""
    tail = (100 - PERCENT) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return min(float(low), 0.0), max(float(high), 1e-6)


def _least_error(values: Floats) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of the best of several shares of the whole range."""
    low, high = _whole(values)
    tried = [_steps(low * shrink, high * shrink) for shrink in SHRINKS]
    return min(tried, key=lambda one: _error(values, *one))


def _steps(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of the range low..high."""
    scale = np.float32((high - low) / UINT8_MAX)
    return scale, np.uint8(round(-low / float(scale)))


def _error(values: Floats, scale: np.float32, zero_point: np.uint8) -> float:
    """The mean squared error of rounding."""
    integers = np.clip(np.rint(values / scale) + zero_point, 0, UINT8_MAX)
    return float(np.mean(np.square((integers - zero_point) * scale - values)))
