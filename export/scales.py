"""Fixed input scales for static int8, fitted on what calibration texts bring to each product."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

Floats = NDArray[np.float32]
# tokens kept for each product: enough for a range, and a bound on memory however long the texts are
SAMPLE_TOKENS = 4096
UINT8_MAX = 255
# cutting off the few largest values can cost less than coarse steps for all the others
SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
# a channel that the texts never wake still gets steps of this share of the widest channel's
MIN_PEAK_SHARE = 1e-3


@dataclass(frozen=True)
class InputScale:
    """``uint8 = x / smoothing / scale + zero_point`` for a hidden state of H channels."""

    smoothing: Floats  # (H,)
    scale: np.float32
    zero_point: np.uint8


def fit_scales(
    path: Path, products: Collection[str], feeds: Sequence[Mapping[str, NDArray[np.int64]]]
) -> dict[str, InputScale]:
    """The scale of the input of each product, by the input's name.

    Args:
        path: the fused fp32 graph.
        products: names of its MatMul nodes.
        feeds: inputs of the graph; with an `attention_mask`, padding does not count.
    """
    model = onnx.load(str(path))
    names = sorted({node.input[0] for node in model.graph.node if node.name in products})
    if not names:
        return {}
    samples: dict[str, list[Floats]] = {name: [] for name in names}
    budget = math.ceil(SAMPLE_TOKENS / len(feeds))
    for values, mask in _watch(model, names, feeds):
        for name, value in zip(names, values, strict=True):
            tokens = _tokens(value, mask)  # (tokens, H)
            samples[name].append(tokens[:: math.ceil(len(tokens) / budget)])
    return {name: fit_scale(np.concatenate(found)) for name, found in samples.items()}


def fit_scale(values: Floats) -> InputScale:
    """Smoothing, scale and zero point for sampled tokens ``(N, H)``.

    Hidden states have a few channels far wider than the rest. Dividing each by the root of its peak, and
    multiplying the weight's rows by it, shares the burden between the two (as in SmoothQuant).
    """
    peak = np.abs(values).max(axis=0)  # (H,)
    root = np.sqrt(np.maximum(peak, max(float(peak.max()) * MIN_PEAK_SHARE, 1e-6)))
    smoothing = (root / np.exp(np.log(root).mean())).astype(np.float32)
    smooth = values / smoothing
    low, high = min(float(smooth.min()), 0.0), max(float(smooth.max()), 1e-6)
    tried = [_candidate(smooth, low * shrink, high * shrink) for shrink in SHRINKS]
    _, scale, zero_point = min(tried, key=lambda one: one[0])
    return InputScale(smoothing, scale, zero_point)


def _candidate(values: Floats, low: float, high: float) -> tuple[float, np.float32, np.uint8]:
    """The mean squared error of the range low..high, and its scale and zero point."""
    scale = np.float32((high - low) / UINT8_MAX)
    zero_point = np.uint8(round(-low / float(scale)))
    integers = np.clip(np.rint(values / scale) + zero_point, 0, UINT8_MAX)
    error = (integers - zero_point) * scale - values
    return float(np.mean(np.square(error))), scale, zero_point


def _tokens(value: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Those that are text ``(tokens, H)`` of hidden states that belong to tokens, and all that belong to no token.

    A static student has a state for a whole text ``(B, H)``, and windows that reach over its ends ``(B, W, H)``.
    """
    return value[mask] if value.shape[:-1] == mask.shape else value.reshape(-1, value.shape[-1])


def _watch(
    model: Any, names: list[str], feeds: Sequence[Mapping[str, NDArray[np.int64]]]
) -> Iterator[tuple[list[Floats], NDArray[np.bool_]]]:
    """For each feed the hidden states `names`, (B, T, H) most of them, and which tokens are text (B, T)."""
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # one thread: sums in another order would end in other scales, and the bundle in other bytes
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for feed in feeds:
        mask = (
            feed["attention_mask"].astype(bool)
            if "attention_mask" in feed
            else np.ones_like(feed["input_ids"], bool)
        )
        yield session.run(names, dict(feed)), mask
