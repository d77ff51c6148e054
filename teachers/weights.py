"""Weights of a transformers model: every weight that counts is loaded, or the model is refused with one sentence.

transformers draws a weight at random where a file does not hold it, and says so only in its log. Here that is an
error, whose message says in what way config.json and weights do not belong together.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import OFFSET_POSITIONS

# errors that transformers raises for files that are missing, broken or of another type
UNREADABLE = (OSError, ValueError, KeyError, AttributeError, TypeError, RuntimeError, SafetensorError)

# nothing is downloaded, and code inside a model is never run or asked about
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

# names that wrappers put before a body's tensors: task models, DataParallel, torch.compile, SentenceTransformers
WRAPPERS = frozenset(
    (
        *("bert", "roberta", "distilbert", "model", "module", "encoder", "transformer", "backbone"),
        *("base_model", "auto_model", "0", "_orig_mod"),
    )
)

ARCHITECTURES = (
    MODEL_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

# characters of a tensor's name that a message quotes
SHOWN = 60

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def load_body(folder: str | Path, argument: str) -> Any:
    """Load an encoder in float32 whose last hidden states depend on no weight that its files do not hold.

    Args:
        folder: the model's folder.
        argument: the argument that named it, for messages.

    Raises:
        InputError: it cannot be read, or a weight is missing or has another shape.
    """
    model, missing, unexpected = _load(AutoModel, folder, argument)
    used = weights_in_use(model, missing)
    if used or _surplus_layers(model, unexpected):
        raise InputError(f"`{argument}` {str(folder)!r}: {_misfit(model, used, unexpected)}")
    return model


def load_with_head(auto: Any, folder: str | Path, argument: str) -> tuple[Any, bool]:
    """Load a model of a task in float32, and return it with whether its files hold its head.

    Args:
        auto: the class of transformers that finds the model's own, such as `AutoModelForMaskedLM`.
        folder: the model's folder.
        argument: the argument that named it, for messages.

    Raises:
        InputError: it cannot be read, or a weight of its body is missing or has another shape.
    """
    model, missing, unexpected = _load(auto, folder, argument)
    prefix = f"{model.base_model_prefix}."
    in_body = {name.removeprefix(prefix) for name in missing if name.startswith(prefix)}
    used = weights_in_use(model.base_model, in_body)
    if used or _surplus_layers(model, unexpected):
        hidden = {f"{prefix}{name}" for name in used}
        raise InputError(f"`{argument}` {str(folder)!r}: {_misfit(model, hidden, unexpected)}")
    return model, not missing


def require_finite(tensors: Iterable[tuple[str, torch.Tensor]], where: str) -> None:
    """Refuse weights that hold NaN or infinite values, as diverged training leaves them.

    Args:
        tensors: names and weights.
        where: the place that names them, for messages.

    Raises:
        InputError: one of them holds NaN, or an infinite value.
    """
    for name, tensor in tensors:
        # one pass without a copy, and NaN is the least and the greatest of what it is in
        if tensor.is_floating_point() and tensor.numel() and not all(map(isfinite, tensor.detach().aminmax())):
            raise InputError(
                f"{where}: The tensor {name[:SHOWN]!r} holds NaN or infinite values, as training leaves them "
                "that diverged. Take an earlier checkpoint, or get the model again."
            )


def weights_in_use(encoder: Any, names: Collection[str]) -> frozenset[str]:
    """Return the given weights that an encoder's last hidden states depend on, so without those of a pooler."""
    parameters = {name: weight for name, weight in encoder.named_parameters() if name in names}
    others = frozenset(names) - parameters.keys()
    if not parameters:
        return others
    device = next(iter(parameters.values())).device
    ids = torch.zeros((1, 2), dtype=torch.long, device=device)
    try:
        with torch.enable_grad():
            hidden = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            gradients = torch.autograd.grad(hidden.sum(), list(parameters.values()), allow_unused=True)
    except (*UNREADABLE, IndexError):  # a body that needs more than ids; then all of them count
        return frozenset(names)
    return others | {name for name, gradient in zip(parameters, gradients, strict=True) if gradient is not None}


def _load(auto: Any, folder: str | Path, argument: str) -> tuple[Any, frozenset[str], frozenset[str]]:
    """Return a model, the names of weights that its files lack, and those in the files that it lacks.

    A prefix of a known wrapper is taken off all names in the files where that makes more of them known.
    """
    where, files = f"`{argument}` {str(folder)!r}", sorted(Path(folder).glob("*.safetensors"))
    shapes = _stored_shapes(files, where)
    source: dict[str, Any] = {"pretrained_model_name_or_path": str(folder), "use_safetensors": True, **LOCAL}
    model, missing, unexpected = _attempt(auto, source, shapes, where)
    _require_architecture(model.config, where)
    prefix = common_prefix(missing, unexpected)
    if prefix is None or not set(prefix.rstrip(".").split(".")) <= WRAPPERS:
        return model, missing, unexpected
    renamed = {name.removeprefix(prefix): tensor for path in files for name, tensor in load_file(path).items()}
    source = {"pretrained_model_name_or_path": None, "config": model.config, "state_dict": renamed}
    return _attempt(type(model), source, shapes, where)


def _attempt(
    auto: Any, source: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], where: str
) -> tuple[Any, frozenset[str], frozenset[str]]:
    try:
        model, info = auto.from_pretrained(
            **source, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except UNREADABLE as error:
        raise InputError(
            f"{where}: The model cannot be loaded with weights in safetensors ({type(error).__name__}). Give a "
            "folder with config.json, tokenizer.json and model.safetensors."
        ) from error
    for entry in info["mismatched_keys"]:
        name = entry if isinstance(entry, str) else entry[0]
        stored = next((shape for key, shape in shapes.items() if f".{key}".endswith(f".{name}")), None)
        raise InputError(
            f"{where}: The tensor {name[:SHOWN]!r} is {_shape(stored)} in the weights and "
            f"{_shape(model.state_dict()[name].shape)} by config.json. Get both files of the same model."
        )
    missing = frozenset(info["missing_keys"])
    # buffers are left out: a mask may be infinite by right
    require_finite(((name, weight) for name, weight in model.named_parameters() if name not in missing), where)
    return model, missing, frozenset(info["unexpected_keys"])


def _shape(shape: Collection[int] | None) -> str:
    return "another shape" if shape is None else " x ".join(map(str, shape)) or "a number"


def _stored_shapes(files: Collection[Path], where: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of each stored tensor.

    Raises:
        InputError: a file was cut.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            with safe_open(path, "pt") as opened:
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{where}: {path.name} is not a whole safetensors file. Copy it again.") from error
    return shapes


def _require_architecture(config: Any, where: str) -> None:
    """Refuse a config.json whose type and architecture count positions in two ways: the weights would fit both."""
    types = {name: kind for names in ARCHITECTURES for kind, name in names.items() if isinstance(name, str)}
    for name in config.architectures or ():
        kind = types.get(name, config.model_type)
        if (kind in OFFSET_POSITIONS) != (config.model_type in OFFSET_POSITIONS):
            raise InputError(
                f"{where}: Its config.json says model_type {config.model_type} and the architecture {name}, "
                f"which counts positions in another way. Set model_type to {kind}, or get the model again."
            )


def common_prefix(missing: Collection[str], unexpected: Collection[str]) -> str | None:
    """Return the one prefix under which unexpected names are missing ones; None if there is none, or several."""
    if not missing:
        return None
    longest, known = max(missing, key=len), frozenset(unexpected)
    prefixes = {name[: -len(longest)] for name in known if name.endswith(f".{longest}")}
    # a body inside a task model has no pooler, and the weights of a head have no prefix
    fitting = {prefix for prefix in prefixes if sum(prefix + name in known for name in missing) * 2 > len(missing)}
    return fitting.pop() if len(fitting) == 1 else None


def _surplus_layers(model: nn.Module, unexpected: Collection[str]) -> frozenset[int]:
    """Return the numbers of layers in the weights that come after the last of the model's."""
    last: dict[str, int] = {}
    for name, _ in model.named_parameters():
        for number in _NUMBER.finditer(name):
            form = _form(name, number)
            last[form] = max(last.get(form, 0), int(number.group()))
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    return frozenset(
        int(number.group())
        for name in {*unexpected, *(name.removeprefix(prefix) for name in unexpected)}
        for number in _NUMBER.finditer(name)
        if _form(name, number) in last and int(number.group()) > last[_form(name, number)]
    )


def _form(name: str, number: re.Match[str]) -> str:
    return f"{name[: number.start()]}*{name[number.end() :]}"


def _misfit(model: Any, missing: Collection[str], unexpected: Collection[str]) -> str:
    """Return in what way weights and config.json do not belong together, and what to do."""
    prefix = common_prefix(missing, unexpected)
    if prefix is not None:
        return (
            f"Its tensors have the prefix {prefix[:SHOWN]!r}, under which no {model.config.model_type} body finds "
            f"them. Take it off with `distill convert FOLDER --out NEW --prefix {prefix[:SHOWN]}`."
        )
    in_config = getattr(model.config, "num_hidden_layers", None)
    in_weights = _layers_in_weights(model, missing, unexpected)
    if in_weights is not None and in_config is not None:
        key = model.config.attribute_map.get("num_hidden_layers", "num_hidden_layers")
        return (
            f"Its config.json has {in_config} layers and its weights have {in_weights}. Set {key} to "
            f"{in_weights}, or get the model again."
        )
    begin = _common_beginning(unexpected)
    return (
        f"Its weights are not those of its config.json: {len(missing)} tensors of a {model.config.model_type} are "
        f"missing, such as {min(missing, key=len)[:SHOWN]!r}"
        + (f", and {len(unexpected)} others begin with {begin[:SHOWN]!r}" if begin else "")
        + ". Get config.json and weights of the same model."
    )


def _layers_in_weights(model: nn.Module, missing: Collection[str], unexpected: Collection[str]) -> int | None:
    """Return the number of layers in the weights, if it is the only difference from the configuration."""
    surplus = _surplus_layers(model, unexpected)
    if not missing:
        return max(surplus) + 1 if surplus else None
    numbers: dict[int, int] = {}
    for name in missing:
        found = _NUMBER.search(name)
        if found is None:
            return None
        numbers[int(found.group())] = numbers.get(int(found.group()), 0) + 1
    # the last layers, each with the same number of tensors: without one in between, the others are not a model
    behind = sorted(numbers) == list(range(min(numbers), getattr(model.config, "num_hidden_layers", 0)))
    whole = behind and len(set(numbers.values())) == 1
    every = sum(1 for name, _ in model.named_parameters() if f".{min(numbers)}." in name)
    return min(numbers) if whole and min(numbers) > 0 and numbers[min(numbers)] == every else None


def _common_beginning(names: Collection[str]) -> str:
    """Return the dotted parts that all names begin with, each with its dot."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for part in zip(*parts, strict=False):
        if len(set(part)) > 1:
            break
        shared.append(f"{part[0]}.")
    return "".join(shared)
