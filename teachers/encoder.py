"""The encoder classifier: a transformer encoder, pooling over its last hidden states, and one linear head.

On disk it is a folder that `AutoModel` loads (the encoder, `config.json` with the labels and the pooling, the
tokenizer), with `head.safetensors` in it: `weight (C, H)` and `bias (C,)`. Weights are safetensors, never pickles.
"""

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from distill.export.graph.config import ModelConfig
from distill.export.runtime.deciding.task import Task
from distill.teachers.bodies import inputs_for
from distill.teachers.protocols import Encoder


class Pooling(StrEnum):
    """Way to turn a text's last hidden states into one vector."""

    MEAN = "mean"
    FIRST = "first"
    TARGET = "target"
    LAST = "last"


def pool(hidden: Tensor, attention_mask: Tensor, pooling: Pooling, token_type_ids: Tensor | None = None) -> Tensor:
    """Return one vector per text: ``(B, T, H), (B, T) -> (B, H)``; padding does not count.

    "last" is the last token that the mask has, on whichever side the padding is.
    "target" is the mean over the tokens of type 0, those of the turn that is decided.
    """
    if pooling is Pooling.FIRST:
        return hidden[:, 0]
    if pooling is Pooling.LAST:
        places = torch.arange(hidden.shape[1], device=hidden.device)
        last = (attention_mask * places).argmax(dim=1)  # (B,)
        return hidden[torch.arange(len(hidden), device=hidden.device), last]
    if pooling is Pooling.TARGET and token_type_ids is not None:
        attention_mask = attention_mask * (token_type_ids == 0).long()
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


class TaskHead(nn.Linear):
    """The last layer that a task asks for: ``(B, H) -> (B, K)``.

    Outputs that share one slope have equal rows of weights and descending biases whenever the module is not in
    training: so it is stored and exported as a plain linear layer. In training the mean row and the sorted biases
    count, and since equal rows get equal gradients, equal they stay.
    """

    def __init__(self, width: int, task: Task) -> None:
        super().__init__(width, task.num_outputs)
        self._plan = task.head

    def start(self, std: float) -> None:
        """Draw fresh weights, and take the biases of the plan."""
        nn.init.normal_(self.weight, std=std)
        with torch.no_grad():
            self.bias.copy_(torch.tensor(self._plan.biases))
        self._tie()

    def train(self, mode: bool = True) -> "TaskHead":
        """Tie the outputs before anything but training reads them."""
        super().train(mode)
        if not mode:
            self._tie()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw logits: ``(B, H) -> (B, K)``."""
        if not (self._plan.one_slope and self.training):
            return super().forward(inputs)
        slope = self.weight.mean(dim=0, keepdim=True).expand_as(self.weight)
        return nn.functional.linear(inputs, slope, self.bias.sort(descending=True).values)

    def _tie(self) -> None:
        if self._plan.one_slope:
            with torch.no_grad():
                self.weight.copy_(self.weight.mean(dim=0, keepdim=True).expand_as(self.weight))
                self.bias.copy_(self.bias.sort(descending=True).values)


class EncoderClassifier(nn.Module):
    """An encoder from `AutoModel`, pooling, dropout and a linear head, for teachers and students alike."""

    def __init__(self, encoder: Encoder, task: Task, pooling: Pooling, dropout: float = 0.1) -> None:
        super().__init__()
        # an unused, randomly initialised pooler would be saved along with the encoder
        if getattr(encoder, "pooler", None) is not None and encoder.config.model_type in ("bert", "roberta"):
            encoder.pooler = None
        self.encoder = encoder
        self.task = task
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = TaskHead(encoder.config.hidden_size, task)
        self.head.start(std=0.02)

    @property
    def config(self) -> ModelConfig:
        """The encoder's transformers configuration."""
        return self.encoder.config

    def head_for(self, pooling: Pooling) -> nn.Linear | None:
        """Return the head that a student with this pooling can start from, or None."""
        return self.head if self.pooling is pooling else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return raw logits: ``(B, T) -> (B, C)``."""
        inputs = inputs_for(self.encoder, input_ids, attention_mask, token_type_ids)
        return self.classify(self.encoder(**inputs).last_hidden_state, attention_mask, token_type_ids)

    def classify(self, hidden: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return raw logits from the encoder's last hidden states: ``(B, T, H), (B, T) -> (B, C)``."""
        logits: Tensor = self.head(self.dropout(pool(hidden, attention_mask, self.pooling, token_type_ids)))
        return logits


class HeadedClassifier(nn.Module):
    """A published model with its own sequence-classification head, whose logits are put into the task's order."""

    def __init__(self, model: Any, task: Task, order: list[int]) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.register_buffer("order", torch.tensor(order), persistent=False)

    @property
    def encoder(self) -> Any:
        """The encoder, for students that start from it."""
        return self.model.base_model

    @property
    def config(self) -> ModelConfig:
        """The model's transformers configuration."""
        config: ModelConfig = self.model.config
        return config

    @property
    def pooling(self) -> None:
        """None: a published head pools in a way of its own."""

    def head_for(self, pooling: Pooling) -> nn.Linear | None:
        """Return None: no student can start from a published head."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return raw logits in the task's label order: ``(B, T) -> (B, C)``."""
        inputs = inputs_for(self.model, input_ids, attention_mask, token_type_ids)
        logits: Tensor = self.model(**inputs).logits[:, self.order]
        return logits


Teacher = EncoderClassifier | HeadedClassifier


def parameter_count(model: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())
