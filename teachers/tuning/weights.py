"""The linear maps of a body that methods of tuning change, and the weights that they train."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

# parts of bodies that the last hidden states do not depend on
UNUSED = ("pooler",)


def linears_of(body: Any) -> dict[str, nn.Module]:
    """Return the linear maps that a body's hidden states depend on, by their dotted names in it."""
    return {
        name: module
        for name, module in body.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not is_unused(name)
    }


def widths_of(linear: Any) -> tuple[int, int]:
    """Return the number of inputs and of outputs of a linear map."""
    if isinstance(linear, nn.Linear):
        return linear.in_features, linear.out_features
    return int(linear.weight.shape[0]), int(linear.weight.shape[1])


def is_unused(name: str) -> bool:
    """Return whether a dotted name is in a part of a body that its hidden states do not depend on."""
    return name.partition(".")[0] in UNUSED


def fix(body: Any) -> None:
    """Let no weight of a body learn."""
    for parameter in body.parameters():
        parameter.requires_grad = False


def trained_weights(body: Any) -> Mapping[str, Tensor]:
    """Return the weights of a body that learn, by their dotted names in it."""
    return {name: parameter.detach() for name, parameter in body.named_parameters() if parameter.requires_grad}
