"""Texts to token ids, token ids to raw logits: length-sorted batches, whatever the model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from corpora.tokens import TokenRows

# texts in one call of a tokenizer: it hears no Ctrl-C meanwhile, and 43,000 take it five seconds
ENCODED_TEXTS = 1000


def encode(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> TokenRows:
    """Token ids of each text with special tokens, cut at `max_tokens`."""

    def rows() -> Iterator[list[int]]:
        for start in range(0, len(texts), ENCODED_TEXTS):
            some = list(texts[start : start + ENCODED_TEXTS])
            yield from tokenizer(
                some, truncation=True, max_length=max_tokens, padding=False, return_token_type_ids=False
            )["input_ids"]

    return TokenRows.of(rows())


def pad_batch(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, both int64 ``(B, T)``, padded on the right to the longest row."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)  # (B, T)
    mask = torch.zeros((len(rows), width), dtype=torch.long)  # (B, T)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[index, : len(row)] = 1
    return ids, mask


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def label_texts(
    model: nn.Module,
    tokenizer: Any,
    texts: Sequence[str],
    max_tokens: int,
    *,
    bf16: bool = False,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Raw logits of texts, float32 ``(N, C)``; with `bf16` the products in between are that coarse."""
    rows = encode(tokenizer, texts, max_tokens)
    with torch.autocast(device_of(model).type, dtype=torch.bfloat16, enabled=bf16):
        return predict_logits(model, rows, pad_id=tokenizer.pad_token_id, progress=progress)


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    tokens: Sequence[Sequence[int]],
    *,
    pad_id: int,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Raw logits, float32 ``(N, C)``, in the order given; the model is put into eval mode and back.

    In float32, unless the caller turns autocast on: bf16 would move logits by a third of what int8 does, and a
    gate that compares with them would blame int8 for it. Rows are sorted by length, so that little of a batch is
    padding; `progress` is told how many rows were done.
    """
    device = device_of(model)
    training = model.training
    model.eval()
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    found: list[Tensor] = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        ids, mask = pad_batch([tokens[row] for row in rows], pad_id)
        found.append(model(ids.to(device), mask.to(device)).float().cpu())  # (B, C)
        if progress is not None:
            progress(len(rows))
    model.train(training)
    sorted_logits = torch.cat(found).numpy()
    logits = np.empty_like(sorted_logits)
    logits[order] = sorted_logits
    return logits
