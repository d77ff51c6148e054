"""Token ids to raw logits: length-sorted batches, whatever the model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distill.teachers.device import device_of
from distill.teachers.encoding import encode, pad_batch

# from ids and mask, int64 ``(B, T)``, to raw logits, float32 ``(B, C)``
Forward = Callable[[Tensor, Tensor], NDArray[np.float32]]


def torch_forward(model: nn.Module, *, bf16: bool = False) -> Forward:
    """A model in eval mode where its weights are; with `bf16` its products are that coarse.

    In float32 otherwise: bf16 would move logits by a third of what int8 does, and a gate that compares with them
    would blame int8 for it.
    """
    device = device_of(model)

    @torch.inference_mode()
    def forward(ids: Tensor, mask: Tensor) -> NDArray[np.float32]:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            logits: Tensor = model(ids.to(device), mask.to(device))
        found: NDArray[np.float32] = logits.float().cpu().numpy()
        return found

    return forward


def label_texts(
    forward: Forward,
    tokenizer: Any,
    texts: Sequence[str],
    max_tokens: int,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Raw logits of texts, float32 ``(N, C)``, by what maps ids and mask to logits."""
    rows = encode(tokenizer, texts, max_tokens)
    return by_length(forward, rows, pad_id=tokenizer.pad_token_id, progress=progress)


def predict_logits(
    model: nn.Module,
    tokens: Sequence[Sequence[int]],
    *,
    pad_id: int,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Raw logits of a model in float32 ``(N, C)``, as `by_length`; it is put into eval mode and back."""
    training = model.training
    model.eval()
    logits = by_length(torch_forward(model), tokens, pad_id=pad_id, batch_size=batch_size, progress=progress)
    model.train(training)
    return logits


def by_length(
    forward: Forward,
    tokens: Sequence[Sequence[int]],
    *,
    pad_id: int,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Raw logits, float32 ``(N, C)``, in the order given.

    Rows are sorted by length, so that little of a batch is padding; `progress` is told how many rows were done.
    """
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        ids, mask = pad_batch([tokens[row] for row in rows], pad_id)
        found.append(forward(ids, mask))  # (B, C)
        if progress is not None:
            progress(len(rows))
    sorted_logits = np.concatenate(found)
    logits = np.empty_like(sorted_logits)
    logits[order] = sorted_logits
    return logits
