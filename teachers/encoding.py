"""Token ids of texts, and padded batches of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from distill.corpora.storage.token_rows import TokenRows
from distill.teachers.protocols import Tokenizer

# texts per call of a tokenizer, which ignores Ctrl-C meanwhile; 43,000 texts take it five seconds
ENCODED_TEXTS = 1000


def encode(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, folder: Path | None = None) -> TokenRows:
    """Return each text's token ids with special tokens, cut at `max_tokens`; in a file where `folder` is given."""

    def rows() -> Iterator[list[int]]:
        for start in range(0, len(texts), ENCODED_TEXTS):
            batch = list(texts[start : start + ENCODED_TEXTS])
            yield from tokenizer(
                batch, truncation=True, max_length=max_tokens, padding=False, return_token_type_ids=False
            )["input_ids"]

    return TokenRows.of(rows()) if folder is None else TokenRows.in_file(rows(), folder)


def pad_batch(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return ids and attention mask, both int64 ``(B, T)``, padded on the right to the longest row."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)  # (B, T)
    mask = torch.zeros((len(rows), width), dtype=torch.long)  # (B, T)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[index, : len(row)] = 1
    return ids, mask
