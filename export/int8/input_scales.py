"""Fixed input scales for static int8, fitted on the hidden states of calibration texts."""

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

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import find_matmuls
from distill.export.graph.roles import Role
from distill.export.graph.session import GraphRunner, types_of
from distill.export.int8.ranges import Floats, InputScale, RangeMethod, fit_input_scale
from distill.export.runtime.errors import InputError

# scale of the input of each matmul, by layer and role
InputScales = Mapping[tuple[int, Role], InputScale]

# tokens sampled per matmul: enough for a range, and a bound on memory however long the texts are
SAMPLE_TOKENS = 4096

# texts on which a student's scales are fitted
CALIBRATION_TEXTS = 300

SCALES_FILE = "input_scales.safetensors"


def fit_input_scales(
    path: Path, feeds: Sequence[Mapping[str, NDArray[np.int64]]], method: RangeMethod = "mse"
) -> InputScales:
    """Return the scale of the input of each matmul, by layer and role.

    Args:
        path: the fused fp32 graph.
        feeds: inputs of the graph; with an `attention_mask`, padding does not count.
        method: how the ranges are chosen.

    Raises:
        InputError: there are no feeds.
        CheckFailedError: the graph has a matmul that no BERT-like layer has.
    """
    if not feeds:
        raise InputError(
            "Texts to calibrate int8-static on are missing, because the train split is empty. Add rows to it."
        )
    matmuls = find_matmuls(GraphBuilder.load(path))
    names = sorted({matmul.hidden_state for matmul in matmuls})
    if not names:
        return {}
    samples: dict[str, list[Floats]] = {name: [] for name in names}
    budget = math.ceil(SAMPLE_TOKENS / len(feeds))
    for values, mask in _hidden_states(onnx.load(str(path)), names, feeds):
        for name, value in zip(names, values, strict=True):
            tokens = _tokens(value, mask)  # (tokens, H)
            samples[name].append(tokens[:: math.ceil(len(tokens) / budget)])
    fitted = {name: fit_input_scale(np.concatenate(parts), method) for name, parts in samples.items()}
    return {(matmul.layer, matmul.role): fitted[matmul.hidden_state] for matmul in matmuls}


def _tokens(value: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Return the states that count ``(tokens, H)``: those of text where a state belongs to a token, else all.

    A static student has states of a whole text ``(B, H)``, and windows that reach over its ends ``(B, W, H)``.
    """
    return value[mask] if value.shape[:-1] == mask.shape else value.reshape(-1, value.shape[-1])


def _hidden_states(
    model: Any, names: list[str], feeds: Sequence[Mapping[str, NDArray[np.int64]]]
) -> Iterator[tuple[list[Floats], NDArray[np.bool_]]]:
    """Yield per feed the hidden states `names`, most of them (B, T, H), and the mask of its text (B, T)."""
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # one thread: sums in another order would give other scales, and the bundle other bytes
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
    """Return inputs of a graph for some train texts, chosen by the seed, each text alone."""
    chosen = np.random.default_rng(seed).permutation(len(train))[:CALIBRATION_TEXTS]
    return [runner.row_feed(train[row], types_of(train, int(row))) for row in chosen]


def save_input_scales(scales: InputScales, path: Path) -> None:
    """Write scales; none for precisions without fixed scales."""
    tensors: dict[str, NDArray[Any]] = {}
    for (layer, role), scale in scales.items():
        for field, value in asdict(scale).items():
            tensors[f"{layer}.{role}.{field}"] = np.asarray(value)
    save_file(tensors, path)


def load_input_scales(path: Path) -> InputScales:
    """Read the scales that `save_input_scales` wrote."""
    tensors = load_file(path)
    places = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
    scales = {}
    for place in places:
        layer, role = place.split(".")
        scales[int(layer), Role(role)] = InputScale(
            smoothing=tensors[f"{place}.smoothing"],
            scale=np.float32(tensors[f"{place}.scale"]),
            zero_point=np.uint8(tensors[f"{place}.zero_point"]),
        )
    return scales
