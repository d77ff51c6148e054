"""Training examples, and the batches in which they are read."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from distill.corpora.storage.token_rows import TokenRows

# rows are sorted by length inside chunks of this many batches: little padding, and still a fresh mix per epoch
CHUNK_BATCHES = 50


@dataclass(frozen=True)
class Examples:
    """Rows to learn from; row i of each field belongs to the same text.

    `targets` are class ids ``(N,)`` or 0/1 ``(N, C)``, arbitrary where `labelled` ``(N,)`` is False;
    `teacher_logits` ``(N, C)`` are raw. `extra_inputs` are further inputs of each row, ``(N, ...)``, by the
    name of the model's argument. `context_dropout` is the share of the rows that are read without their context in
    each epoch.
    """

    tokens: TokenRows
    targets: Tensor
    teacher_logits: Tensor
    labelled: Tensor
    extra_inputs: Mapping[str, Tensor] = field(default_factory=dict)
    context_dropout: float = 0.0

    def read(self, rows: Sequence[int]) -> tuple[list[int], TokenRows]:
        """Return the rows of a batch, and their tokens; a row given as ``~row`` is read without context."""
        chosen = [row if row >= 0 else ~row for row in rows]
        tokens = self.tokens.take(chosen)
        dropped = [row < 0 for row in rows]
        return chosen, tokens.without_context(dropped) if any(dropped) else tokens


def join_examples(first: Examples, second: Examples) -> Examples:
    """Return the rows of both, those of `first` first."""
    return Examples(
        tokens=first.tokens.followed_by(second.tokens),
        targets=torch.cat([first.targets, second.targets]),
        teacher_logits=torch.cat([first.teacher_logits, second.teacher_logits]),
        labelled=torch.cat([first.labelled, second.labelled]),
        extra_inputs={
            name: torch.cat([values, second.extra_inputs[name]]) for name, values in first.extra_inputs.items()
        },
        context_dropout=first.context_dropout,
    )


class LengthSortedBatches(Sampler[list[int]]):
    """Batches of rows of similar length, shuffled again each epoch from the seed.

    Args:
        lengths: of the rows, in tokens ``(N,)``.
        batch_size: rows per batch.
        seed: seed of the order.
        own_lengths: the same without context, where some rows of each epoch are read so and given as ``~row``.
        context_dropout: the share of these rows.
    """

    def __init__(
        self,
        lengths: Sequence[int] | NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        own_lengths: NDArray[np.int64] | None = None,
        context_dropout: float = 0.0,
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._own_lengths, self._dropout = own_lengths, context_dropout
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return math.ceil(len(self._lengths) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of each batch."""
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(len(self._lengths))
        lengths, dropped = self._lengths, np.zeros(len(order), dtype=np.bool_)
        if self._own_lengths is not None and self._dropout:
            dropped = rng.random(len(order)) < self._dropout
            lengths = np.where(dropped, self._own_lengths, lengths)
        chunk = self._batch_size * CHUNK_BATCHES
        batches: list[list[int]] = []
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            rows = rows[np.argsort(lengths[rows], kind="stable")]
            rows = np.where(dropped[rows], ~rows, rows)
            batches += [rows[at : at + self._batch_size].tolist() for at in range(0, len(rows), self._batch_size)]
        for index in rng.permutation(len(batches)):
            yield batches[index]
