"""The part of a transformers configuration that is read here."""

from typing import Protocol


class ModelConfig(Protocol):
    """Configuration of a transformers encoder.

    Architectures name depth and width differently; teachers/bodies.py reads those by name.
    """

    model_type: str
    hidden_size: int
    num_attention_heads: int
    vocab_size: int
    max_position_embeddings: int
    pad_token_id: int | None
    id2label: dict[int, str]
    label2id: dict[str, int]
    problem_type: str | None
    classifier_pooling: str  # the project's own key: how hidden states become one vector
