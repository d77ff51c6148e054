"""Raw logits of texts, in batches sorted by length, for any model."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distill.corpora.storage.token_rows import TokenRows
from distill.teachers.device import device_of
from distill.teachers.encoding import pad_batch

# maps ids, mask and, where there are some, token types, int64 ``(B, T)``, to raw logits, float32 ``(B, C)``
Forward = Callable[..., NDArray[np.float32]]


def torch_forward(model: nn.Module, *, bf16: bool = False) -> Forward:
    """Return a function that runs a model in eval mode on its device, in float32 or with matmuls in bf16.

    bf16 moves logits by a third of what int8 does, and a gate that compared with such logits would blame int8 for
    the difference.
    """
    device = device_of(model)

    @torch.inference_mode()
    def forward(*batch: Tensor) -> NDArray[np.float32]:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            logits: Tensor = model(*(part.to(device) for part in batch))
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array

    return forward


def predict_logits(
    model: nn.Module,
    tokens: Sequence[Sequence[int]],
    *,
    pad_id: int,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return raw logits of a model in float32 ``(N, C)``, as `by_length`; its mode is restored afterwards."""
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
    """Return raw logits, float32 ``(N, C)``, in the given order.

    Rows are sorted by length, so that batches have little padding. `progress` is called with the number of rows
    per batch.
    """
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    batches: list[NDArray[np.float32]] = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = tokens.take(rows) if isinstance(tokens, TokenRows) else [tokens[row] for row in rows]
        batches.append(forward(*pad_batch(batch, pad_id)))  # (B, C)
        if progress is not None:
            progress(len(rows))
    sorted_logits = np.concatenate(batches)
    logits = np.empty_like(sorted_logits)
    logits[order] = sorted_logits
    return logits
