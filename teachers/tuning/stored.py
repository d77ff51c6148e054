"""The few trained weights of a tuned teacher on disk, beside its own: `peft/` in its folder.

With the base that they were trained on, they are the teacher: twenty tuned teachers cost one base.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from distill.export.runtime.errors import InputError
from distill.teachers.protocols import Tokenizer
from distill.teachers.tuning.methods import TUNINGS
from distill.teachers.tuning.tuning import Tuning
from distill.teachers.tuning.weights import trained_weights

FOLDER = "peft"

WEIGHTS_FILE = "weights.safetensors"

METHOD_FILE = "method.json"


@dataclass(frozen=True)
class Stored:
    """The content of `peft/method.json`: the method with its size, and the sha256 of the base's weights."""

    tuning: Tuning
    base: str


def keep(folder: Path, tuning: Tuning, body: Any, base: str) -> None:
    """Write the weights of a body that learnt, before they are merged.

    Args:
        folder: the teacher's.
        tuning: the method that trained them.
        body: as the method prepared it.
        base: the sha256 of the base's weights.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    weights = {name: tensor.cpu().contiguous() for name, tensor in trained_weights(body).items()}
    save_file(weights, place / WEIGHTS_FILE)
    data = {"method": tuning.method, **tuning.options, "base": base}
    (place / METHOD_FILE).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read_stored(folder: Path) -> Stored | None:
    """Return how the teacher in a folder was tuned; None if all of its weights were.

    Raises:
        InputError: the file is not one of this project.
    """
    path = folder / FOLDER / METHOD_FILE
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tuning = TUNINGS[data.pop("method")]
        return Stored(tuning.of({name: data[name] for name in (tuning.option,) if name}), str(data["base"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: The file does not name a method of tuning. Copy the folder again.") from error


def restore(folder: Path, tuning: Tuning, model: Any, tokenizer: Tokenizer) -> Tokenizer:
    """Add the few trained weights in a teacher's folder to its base, in place and unmerged.

    Args:
        folder: the teacher's.
        tuning: the method that trained them.
        model: a classifier around the base.
        tokenizer: the base's tokenizer.

    Returns:
        The tokenizer that the tuned model reads rows with.

    Raises:
        InputError: the weights are not those of the method on this base.
    """
    import torch

    from distill.teachers.weights import require_finite

    path = folder / FOLDER / WEIGHTS_FILE
    try:
        stored = load_file(path)
    except Exception as error:
        raise InputError(f"{path}: The file is not a whole safetensors file. Copy it again.") from error
    tuned = tuning.prepare(model, tokenizer)
    expected = {name: weight for name, weight in model.encoder.named_parameters() if weight.requires_grad}
    if {name: tensor.shape for name, tensor in stored.items()} != {n: w.shape for n, w in expected.items()}:
        raise InputError(
            f"{path}: The weights are not those of {tuning.method} on this base. Copy the folder again."
        )
    require_finite(stored.items(), str(path))
    with torch.no_grad():
        for name, weight in expected.items():
            weight.copy_(stored[name])
    return tuned
