"""A body with the packaged tokenizer and random weights: a run with it costs half of one with the real body."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel, set_seed

from distill.teachers.sources import resolve_model


def write_small_teacher(folder: Path) -> Path:
    """Write six layers of width 64, and return their folder."""
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("sentence-transformers/all-MiniLM-L6-v2").path)
    set_seed(5)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=128,
    )
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        # biases that are all 0 are one constant in a graph, which no trained model's are
        for vector in (one for one in model.parameters() if one.ndim == 1):
            vector.add_(torch.randn(len(vector)) * config.initializer_range)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
