"""Fixed input scales for static int8, fitted on what calibration texts bring to each product."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import load_file, save_file

from distill.export.graph.rewrite import Rewriter, find_products
from distill.export.graph.roles import Role
from distill.export.graph.session import GraphRunner
from distill.export.int8.ranges import Calibrator, Floats, InputScale, fit_scale
from distill.export.runtime.errors import InputError

# of the input of each product, by layer and role
Scales = Mapping[tuple[int, Role], InputScale]

# tokens kept for each product: enough for a range, and a bound on memory however long the texts are
SAMPLE_TOKENS = 4096

# texts on which the scales of a student are fitted
CALIBRATION_TEXTS = 300

SCALES_FILE = "input_scales.safetensors"


def fit_scales(
    path: Path, feeds: Sequence[Mapping[str, NDArray[np.int64]]], calibrator: Calibrator = "mse"
) -> Scales:
    """The scale of the input of each product, by layer and role.

    Args:
        path: the fused fp32 graph.
        feeds: inputs of the graph; with an `attention_mask`, padding does not count.
        calibrator: how the ranges are chosen.

    Raises:
        InputError: there are no feeds.
        CheckFailedError: the graph has a product that no BERT-like layer has.
    """
    if not feeds:
        raise InputError("int8-static needs texts to calibrate on; the train split is empty")
    products = find_products(Rewriter(path))
    names = sorted({product.hidden_state for product in products})
    if not names:
        return {}
    samples: dict[str, list[Floats]] = {name: [] for name in names}
    budget = math.ceil(SAMPLE_TOKENS / len(feeds))
    for values, mask in _watch(onnx.load(str(path)), names, feeds):
        for name, value in zip(names, values, strict=True):
            tokens = _tokens(value, mask)  # (tokens, H)
            samples[name].append(tokens[:: math.ceil(len(tokens) / budget)])
    fitted = {name: fit_scale(np.concatenate(found), calibrator) for name, found in samples.items()}
    return {(product.layer, product.role): fitted[product.hidden_state] for product in products}


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


def calibration_feeds(
    seed: int, runner: GraphRunner, train: Sequence[Sequence[int]]
) -> list[dict[str, NDArray[np.int64]]]:
    """Some train texts, chosen by the seed, each alone, as inputs of a graph."""
    chosen = np.random.default_rng(seed).permutation(len(train))[:CALIBRATION_TEXTS]
    return [runner.feed_of(train[row]) for row in chosen]


def save_scales(scales: Scales, path: Path) -> None:
    """Write the scales of a static form; none for the others."""
    tensors: dict[str, NDArray[Any]] = {}
    for (layer, role), scale in scales.items():
        for field, value in asdict(scale).items():
            tensors[f"{layer}.{role}.{field}"] = np.asarray(value)
    save_file(tensors, path)


def load_scales(path: Path) -> Scales:
    """The scales that `save_scales` wrote."""
    tensors = load_file(path)
    places = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
    found = {}
    for place in places:
        layer, role = place.split(".")
        found[int(layer), Role(role)] = InputScale(
            smoothing=tensors[f"{place}.smoothing"],
            scale=np.float32(tensors[f"{place}.scale"]),
            zero_point=np.uint8(tensors[f"{place}.zero_point"]),
        )
    return found
