"""The encoder classifier: a transformer body, pooling over its last hidden states, and one linear head.

On disk it is a folder that `AutoModel` loads (the body, `config.json` with the labels and the pooling, the
tokenizer) beside `head.safetensors` with `weight (C, H)` and `bias (C,)`. Weights are safetensors, never pickles.
"""

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from distill.export.runtime.tasks import Task


class Pooling(StrEnum):
    """How a text's last hidden states become one vector."""

    MEAN = "mean"
    FIRST = "first"


def pool(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector a text: ``(B, T, H), (B, T) -> (B, H)``; padding never counts."""
    if pooling is Pooling.FIRST:
        return hidden[:, 0]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


class EncoderClassifier(nn.Module):
    """A body from `AutoModel`, pooling, dropout and a linear head; teachers and students alike."""

    def __init__(self, encoder: Any, task: Task, pooling: Pooling, dropout: float = 0.1) -> None:
        super().__init__()
        # a randomly initialised pooler would travel along unused
        if getattr(encoder, "pooler", None) is not None and encoder.config.model_type in ("bert", "roberta"):
            encoder.pooler = None
        self.encoder = encoder
        self.task = task
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, task.num_labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, task.head_bias)

    @property
    def config(self) -> Any:
        """The body's transformers configuration."""
        return self.encoder.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits: ``(B, T) -> (B, C)``."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        return self.classify(self.encoder(**inputs).last_hidden_state, attention_mask)

    def classify(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Raw logits of the body's last hidden states: ``(B, T, H), (B, T) -> (B, C)``."""
        logits: Tensor = self.head(self.dropout(pool(hidden, attention_mask, self.pooling)))
        return logits


class HeadedClassifier(nn.Module):
    """A published model with its own sequence-classification head, its logits put into the task's order."""

    def __init__(self, model: Any, task: Task, order: list[int]) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.register_buffer("order", torch.tensor(order), persistent=False)

    @property
    def encoder(self) -> Any:
        """The body, for students that start from it."""
        return self.model.base_model

    @property
    def config(self) -> Any:
        """The model's transformers configuration."""
        return self.model.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits in the task's label order: ``(B, T) -> (B, C)``."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        logits: Tensor = self.model(**inputs).logits[:, self.order]
        return logits


Teacher = EncoderClassifier | HeadedClassifier


def parameter_count(model: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())
