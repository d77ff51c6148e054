"""Set-up of fine-tuning: frozen layers, learning rates per parameter group, and class weights."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.export.runtime.errors import InputError
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.layer_places import any_layers_of

# bound on the weight of a label that is much rarer than the mean
MAX_CLASS_WEIGHT = 10.0


def freeze(model: EncoderClassifier, frozen: Literal["none", "body"] | int) -> None:
    """Freeze nothing, all but the head (`body`), or all but the head and the last `frozen` layers.

    Raises:
        InputError: the encoder has fewer layers, or its layers cannot be found.
    """
    if frozen == "none":
        return
    for parameter in model.encoder.parameters():
        parameter.requires_grad = False
    if frozen == "body":
        return
    layers = any_layers_of(model.encoder)
    if layers is None:
        raise InputError(
            f"`freeze` is a number, and the layers of a {model.encoder.config.model_type} body are not known. Use "
            "'none' or 'body'."
        )
    count = int(frozen)
    if count > len(layers):
        raise InputError(f"`freeze` is {count}, but the encoder has {len(layers)} layers. Ask for at most that.")
    for layer in list(layers)[-count:]:
        for parameter in layer.parameters():
            parameter.requires_grad = True


def parameter_groups(
    model: EncoderClassifier, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return AdamW's groups: the head has its own learning rate; biases and norms (vectors) do not decay."""
    groups = []
    for part, rate in ((model.encoder, body_learning_rate), (model.head, head_learning_rate)):
        trained = [parameter for parameter in part.parameters() if parameter.requires_grad]
        for decay, chosen in (
            (weight_decay, [parameter for parameter in trained if parameter.ndim > 1]),
            (0.0, [parameter for parameter in trained if parameter.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return groups


def class_weights(matrix: NDArray[np.float32]) -> Tensor:
    """Return weights ``(C,)`` from 0/1 targets ``(N, C)``: mean frequency over the label's own, at most 10.

    The task's loss defines what they multiply.
    """
    counts = matrix.sum(axis=0).clip(min=1)
    weights = (counts.mean() / counts).clip(max=MAX_CLASS_WEIGHT)
    return torch.from_numpy(weights.astype(np.float32))
