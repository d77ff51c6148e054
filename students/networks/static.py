"""The network of the `static` student: token vectors, hashed n-grams, pooling, a small MLP; no attention.

Token vectors start from the teacher's outputs for each token alone. Row 0 of every table means "no token": it
is zero, it never learns, and padding reads it, so that a text's logits do not depend on how far it is padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import set_seed

from distill.export.runtime.deciding.task import Task
from distill.students.networks.narrow import channel_scales, rounded_rows, rounded_table
from distill.students.networks.projection import principal_basis
from distill.teachers.bodies import check_width, require_supported
from distill.teachers.encoder import TaskHead, Teacher

# tokens that the window mixer sees at once
WINDOW = 3

# rows of "no token" on both sides of a text, so that windows that reach over its ends see the same in any batch;
# n-grams begin as many tokens before the text as they are long
EDGE = WINDOW - 1

# a token's n-gram is hashed as the sum of its row numbers times these odd numbers, cut to the table's bits
HASH_FACTORS = (31337, 1000003, 7919)

# the token weight of "no token": its share of a text's mean is 0 in float32
NO_WEIGHT = -1e4

# spread of the token vectors at the start
START_STD = 0.5

NGRAM_STD = 0.01

HEAD_STD = 0.02

PIECES_AT_ONCE = 512


@dataclass(frozen=True)
class StaticConfig:
    """The shape of a static student; 0 `window_channels` or `hash_buckets` leave that part out."""

    vocabulary: int  # tokens, without the row of "no token"
    width: int
    window_channels: int
    hash_buckets: int  # a power of two: rows of each n-gram table
    ngrams: int  # tokens in the longest n-gram
    hidden: int
    segments: int = 0  # token types of rows of turns, 0 for the decided one; without context there are none

    @property
    def contexts(self) -> int:
        """Parts of the context that are pooled apart: the newest turn, and those before it."""
        return min(max(self.segments - 1, 0), 2)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the n-grams that are hashed, each into a table of its own."""
        return tuple(range(2, self.ngrams + 1)) if self.hash_buckets else ()

    @property
    def features(self) -> int:
        """Width of a pooled row: weighted mean and maximum of the token vectors, maximum of the windows.

        Of each part of the context there is one more weighted mean.
        """
        return (2 + self.contexts) * self.width + self.window_channels


class StaticClassifier(nn.Module):
    """Token vectors, pooled, normalised, and an MLP with a linear head over them."""

    def __init__(
        self, config: StaticConfig, task: Task, dropout: float = 0.1, *, table_bits: int | None = None
    ) -> None:
        """Create the network; with `table_bits` its tables are rounded to that many bits where they are read."""
        super().__init__()
        self.config = config
        self.task = task
        self.table_bits = table_bits
        self.vectors = nn.Embedding(config.vocabulary + 1, config.width, padding_idx=0)
        # a softmax over the text makes them shares, so row 0 gets none, and no gradient either
        self.weights = nn.Parameter(torch.zeros(config.vocabulary + 1))
        self.ngrams = nn.ModuleList(
            nn.Embedding(config.hash_buckets, config.width, padding_idx=0) for _ in config.lengths
        )
        # of tokens in the context, and of how far away their turn is
        self.context_weights = nn.Parameter(torch.zeros(config.vocabulary + 1)) if config.contexts else None
        self.distances = nn.Parameter(torch.zeros(config.segments)) if config.contexts else None
        self.window = nn.Linear(WINDOW * config.width, config.window_channels) if config.window_channels else None
        self.norm = nn.LayerNorm(config.features)
        self.up = nn.Linear(config.features, config.hidden)
        self.head = TaskHead(config.hidden, task)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.weights[0] = NO_WEIGHT
            if self.context_weights is not None:
                self.context_weights[0] = NO_WEIGHT
            for table in self.ngrams:
                nn.init.normal_(table.weight, std=NGRAM_STD)  # type: ignore[arg-type]
                table.weight[0] = 0  # type: ignore[operator]
        self.head.start(HEAD_STD)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return raw logits: ``(B, T) -> (B, C)``; the segments of a pair are one text, whatever their types.

        Of rows of turns the types tell the decided turn, which is type 0, from the context.
        """
        # bf16 saved no time where it was measured
        with torch.autocast(input_ids.device.type, enabled=False):
            return self._logits(input_ids, attention_mask, token_type_ids)

    def _logits(self, input_ids: Tensor, attention_mask: Tensor, types: Tensor | None) -> Tensor:
        longest = max(self.config.lengths, default=1)
        numbers = (input_ids + 1) * attention_mask  # (B, T), 0 where there is no token
        contexts: list[Tensor] = []
        if self.config.contexts:
            types = torch.zeros_like(input_ids) if types is None else types
            contexts = self._contexts(numbers, types)
            numbers = numbers * (types == 0)
            # the decided turn comes first, and nothing behind it is looked up
            numbers = numbers[:, : max(1, int((numbers > 0).sum(dim=1).max()))]
        edge = EDGE + longest - 1
        numbers = functional.pad(numbers, (edge, edge))
        size = numbers.shape[1] - longest + 1  # W = T + edge + EDGE
        rows = numbers[:, :size]  # (B, W)
        hidden = self._look_up(self.vectors, rows)  # (B, W, D)
        for length, table in zip(self.config.lengths, self.ngrams, strict=True):
            hidden = hidden + self._look_up(table, self._hash(numbers, length, size))
        shares = functional.softmax(self.weights[rows], dim=1)  # (B, W)
        pooled = [(shares.unsqueeze(1) @ hidden).squeeze(1), hidden.amax(dim=1)]
        if self.window is not None:
            pooled.append(self._strongest_windows(hidden, self.window))
        pooled += contexts
        features = self.dropout(self.norm(torch.cat(pooled, dim=1)))  # (B, F)
        logits: Tensor = self.head(self.dropout(functional.gelu(self.up(features))))
        return logits

    def _contexts(self, numbers: Tensor, types: Tensor) -> list[Tensor]:
        """Return a weighted mean ``(B, D)`` of the newest turn's vectors, and one of those before it."""
        assert self.context_weights is not None
        assert self.distances is not None
        inside = [types == 1, types > 1][: self.config.contexts]
        means = []
        for part in inside:
            rows = numbers * part  # (B, T)
            shares = functional.softmax(self.context_weights[rows] + self.distances[types], dim=1)
            means.append((shares.unsqueeze(1) @ self._look_up(self.vectors, rows)).squeeze(1))
        return means

    def _look_up(self, table: nn.Module, rows: Tensor) -> Tensor:
        """Return rows of a table as one of `table_bits` has them: ``(B, W) -> (B, W, D)``."""
        vectors: Tensor = table(rows)
        if self.table_bits is None:
            return vectors
        return rounded_rows(vectors, channel_scales(table.weight), self.table_bits)  # type: ignore[arg-type]

    def round_for_good(self) -> None:
        """Replace the tables by what was read of them; from here on they are read as they are."""
        if self.table_bits is None:
            return
        with torch.no_grad():
            for table in (self.vectors, *self.ngrams):
                table.weight.copy_(rounded_table(table.weight, self.table_bits))
        self.table_bits = None

    def _hash(self, numbers: Tensor, length: int, size: int) -> Tensor:
        """Return the bucket ``(B, W)`` of the n-gram that begins at each place; "no token" alone is bucket 0."""
        parts = [
            numbers[:, place : place + size] * factor
            for place, factor in zip(range(length), HASH_FACTORS, strict=False)
        ]
        return torch.stack(parts).sum(dim=0) & (self.config.hash_buckets - 1)

    @staticmethod
    def _strongest_windows(hidden: Tensor, window: nn.Linear) -> Tensor:
        """Return a 1-D convolution's maximum over the text: ``(B, W, D) -> (B, channels)``.

        A window of "no token" alone has the value 0, which counts in every text, padded or not. Bias and GELU come
        after the maximum, because there they are needed only once per text.
        """
        seen = hidden.shape[1] - WINDOW + 1
        windows = torch.cat([hidden[:, place : place + seen] for place in range(WINDOW)], dim=2)
        strongest = functional.linear(windows, window.weight).amax(dim=1).relu()
        return functional.gelu(strongest + window.bias)


def random_student(
    config: StaticConfig, task: Task, dropout: float, seed: int, table_bits: int | None = None
) -> StaticClassifier:
    """Return a static student whose weights are all drawn from the seed."""
    set_seed(seed)
    return StaticClassifier(config, task, dropout, table_bits=table_bits)


def static_student(
    teacher: Teacher,
    tokenizer: Any,
    sources: Sequence[Sequence[int]],
    config: StaticConfig,
    *,
    dropout: float,
    seed: int,
    table_bits: int | None = None,
) -> StaticClassifier:
    """Return a static student whose token vectors are the principal components of the teacher's outputs.

    Args:
        teacher: source of the vectors; its body reads each token alone.
        tokenizer: the teacher's tokenizer.
        sources: per token of the student, the teacher's ids whose mean it starts from.
        config: the student's shape; `vocabulary` is the number of `sources`.
        dropout: dropout before the MLP and before the head.
        seed: seed for all weights that do not come from the teacher.
        table_bits: bits to which it rounds its token vectors while it learns.

    Raises:
        InputError: the student is wider than the teacher, or the teacher's body is not supported.
    """
    require_supported(teacher.config)
    check_width(teacher.config, config.width, heads=1)
    needed = sorted({piece for ids in sources for piece in ids})
    outputs = token_outputs(teacher, tokenizer, needed)  # (N, H)
    place = {piece: index for index, piece in enumerate(needed)}
    table = torch.stack([outputs[[place[piece] for piece in ids]].mean(dim=0) for ids in sources])  # (V, H)
    vectors = (table - table.mean(dim=0)) @ principal_basis(table, config.width)  # (V, D)
    student = random_student(config, teacher.task, dropout, seed, table_bits)
    with torch.no_grad():
        student.vectors.weight[1:] = vectors * (START_STD / vectors.std())
    return student


@torch.inference_mode()
def token_outputs(teacher: Teacher, tokenizer: Any, pieces: Sequence[int]) -> Tensor:
    """Return the mean last hidden state of each token, read alone between the special tokens: ``(N, H)``."""
    before, after = (
        [] if special is None else [special] for special in (tokenizer.cls_token_id, tokenizer.sep_token_id)
    )
    training = teacher.training
    teacher.eval()
    means = []
    for start in range(0, len(pieces), PIECES_AT_ONCE):
        rows = [[*before, piece, *after] for piece in pieces[start : start + PIECES_AT_ONCE]]
        ids = torch.tensor(rows)
        hidden = teacher.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        means.append(hidden.mean(dim=1))
    teacher.train(training)
    return torch.cat(means).clone()


def parameter_groups(
    model: StaticClassifier, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return AdamW's groups: the tables have the body's rate and no decay, because most rows have no gradient."""
    tables = [model.vectors.weight, model.weights, *(parameter for parameter in model.ngrams.parameters())]
    if model.context_weights is not None:
        tables.append(model.context_weights)
    known = {id(parameter) for parameter in tables}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    head = {"lr": head_learning_rate}
    return [
        {"params": tables, "lr": body_learning_rate, "weight_decay": 0.0},
        {"params": [parameter for parameter in rest if parameter.ndim > 1], "weight_decay": weight_decay, **head},
        {"params": [parameter for parameter in rest if parameter.ndim <= 1], "weight_decay": 0.0, **head},
    ]
