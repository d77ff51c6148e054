"""Token ids of texts and pairs, and padded batches of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import ONE_TEXT, PAIR, TEXT, Input, Row
from distill.export.runtime.reading.turns import TURNS
from distill.teachers.protocols import Tokenizer
from distill.teachers.tokenizers import without_truncation

# rows per call of a tokenizer, which ignores Ctrl-C meanwhile; 43,000 texts take it five seconds
ENCODED_TEXTS = 1000

# what a message calls a row of a kind of input
ROWS = {PAIR: "pair", TURNS: "turn"}

# ids and mask, both int64 ``(B, T)``; and token types ``(B, T)`` where the rows have them
Batch = tuple[Tensor, ...]


def encode(
    tokenizer: Tokenizer,
    texts: Sequence[Row],
    max_tokens: int,
    folder: Path | None = None,
    *,
    reads: Input = ONE_TEXT,
) -> TokenRows:
    """Return each row's token ids with special tokens, cut at `max_tokens`, as the bundle will read them.

    Args:
        tokenizer: a fast tokenizer.
        texts: the rows.
        max_tokens: length at which they are cut.
        folder: where the ids are kept in a file; in memory without it.
        reads: what one row is; a text by default.

    Raises:
        InputError: there is no room for a row in `max_tokens`.
    """
    if reads.kind != TEXT:
        return TokenRows.typed(_typed(tokenizer, texts, max_tokens, reads), folder)
    rows = _texts(tokenizer, texts, max_tokens)
    return TokenRows.of(rows) if folder is None else TokenRows.in_file(rows, folder)


def _texts(tokenizer: Tokenizer, texts: Sequence[Row], max_tokens: int) -> Iterator[list[int]]:
    for start in range(0, len(texts), ENCODED_TEXTS):
        rows = texts[start : start + ENCODED_TEXTS]
        batch = [row for row in rows if isinstance(row, str)]
        if len(batch) < len(rows):  # pairs, which the tokenizer would cut by another rule
            raise TypeError("Pairs were given where texts are read.")
        yield from tokenizer(
            batch, truncation=True, max_length=max_tokens, padding=False, return_token_type_ids=False
        )["input_ids"]


def _typed(
    tokenizer: Tokenizer, rows: Sequence[Row], max_tokens: int, reads: Input
) -> Iterator[tuple[list[int], list[int]]]:
    plain = without_truncation(tokenizer)
    special = reads.special_tokens(plain)
    if special >= max_tokens:
        raise InputError(
            f"`max_tokens` is {max_tokens}, but a {ROWS[reads.kind]} has {special} special tokens of its own. "
            "Raise it."
        )
    reader = reads.reader(plain, max_tokens, type_ids=True)
    for start in range(0, len(rows), ENCODED_TEXTS):
        for encoded in reader.several(list(rows[start : start + ENCODED_TEXTS])):
            yield encoded.ids, encoded.type_ids


def pad_batch(rows: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """Return rows as a batch, padded on the right to the longest row."""
    ids = _padded(rows, pad_id)
    mask = _padded([[1] * len(row) for row in rows], 0)
    types = [rows.types_of(row) or [] for row in range(len(rows))] if isinstance(rows, TokenRows) else [[]]
    return (ids, mask, _padded(types, 0)) if types[0] else (ids, mask)


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Return rows of different lengths as one tensor, int64 ``(B, T)``."""
    table = torch.full((len(rows), max(1, *map(len, rows))), fill, dtype=torch.long)
    for index, row in enumerate(rows):
        table[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    return table
