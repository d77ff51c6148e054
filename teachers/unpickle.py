"""Read one file of weights and write it as safetensors; `convert` runs this in a process of its own.

A pickle can run code when it is opened. Here torch's reader for weights alone opens it, which knows tensors and
plain data and refuses everything else; if it crashes, only this process ends.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

# names under which training scripts store the weights beside other things
WRAPPED = ("state_dict", "model_state_dict", "model")

# tied weights are written once per name, and hardly any model ties more than these
MOST_COPIES = 8


class Refused(Exception):
    """A file is not converted; the message says why, and names nothing that the file holds."""


def rewrite(source: Path, target: Path, prefix: str) -> list[str]:
    """Write the tensors of a file as safetensors, and return their names.

    Args:
        source: a pickle, or a safetensors file whose names are to change.
        target: the file to write.
        prefix: taken off the names that begin with it; empty leaves all as they are.

    Raises:
        Refused: the file holds anything but tensors, or far fewer numbers than these have, was cut, or has no name
            with the prefix; or the new one cannot be written.
    """
    tensors = _loaded(source) if source.suffix == ".safetensors" else _unpickled(source)
    _require_size(tensors)
    if prefix and not any(name.startswith(prefix) for name in tensors):
        raise Refused(
            "The file has no tensor with that prefix. Look at the names, and give --prefix as they have it."
        )
    renamed = {name.removeprefix(prefix): tensor for name, tensor in _separate(tensors).items()}
    if len(renamed) < len(tensors) or "" in renamed:
        raise Refused("The file has tensors whose names are the same without the prefix. Choose another one.")
    try:
        save_file(renamed, target, metadata={"format": "pt"})
    except (SafetensorError, OSError) as error:
        raise Refused("The new file cannot be written. Check the room on the disk.") from error
    return sorted(renamed)


def _loaded(source: Path) -> Mapping[str, torch.Tensor]:
    try:
        tensors: Mapping[str, torch.Tensor] = load_file(source)
    except (SafetensorError, OSError) as error:
        raise Refused("The file is not a whole safetensors file. Copy it again.") from error
    return tensors


def _require_size(tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors that need far more room than the numbers in the file: a kilobyte may claim a terabyte."""
    held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors.values()}
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > MOST_COPIES * sum(
        held.values()
    ):
        raise Refused(
            "The file has tensors that repeat its numbers many times over. Get the weights as safetensors from "
            "where the model was published."
        )


def _unpickled(source: Path) -> Mapping[str, torch.Tensor]:
    try:
        data = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises depends on where the bytes go wrong
        raise Refused(
            "The file is not a whole file of tensors alone, and was not opened further, because other pickles can "
            "run code. Get the weights as safetensors from where the model was published."
        ) from error
    wrapped = [data[name] for name in WRAPPED if isinstance(data, dict) and isinstance(data.get(name), dict)]
    tensors = wrapped[0] if wrapped else data
    if not isinstance(tensors, dict) or not tensors or not all(map(_is_weight, tensors.items())):
        raise Refused(
            "The file does not hold tensors by name alone. Save the model's state_dict(), or publish it with "
            "save_pretrained(safe_serialization=True)."
        )
    return tensors


def _is_weight(item: tuple[Any, Any]) -> bool:
    name, tensor = item
    plain = isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided and not tensor.is_quantized
    return isinstance(name, str) and plain and not tensor.is_meta


def _separate(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return each tensor with memory of its own: tied ones are copied, and no loader has to tie them."""
    users = Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        if users[tensor.untyped_storage().data_ptr()] > 1
        else tensor.detach().contiguous()
        for name, tensor in tensors.items()
    }


def main() -> None:
    """Convert the file that the arguments name, and print the names or the refusal as JSON."""
    source, target, prefix = sys.argv[1:4]
    try:
        answer: dict[str, object] = {"names": rewrite(Path(source), Path(target), prefix)}
    except Refused as refused:
        answer = {"refused": str(refused)}
    sys.stdout.write(json.dumps(answer))
