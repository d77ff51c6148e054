"""Bodies of many architectures with random weights, small enough to be built in a test."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig

VOCABULARY = 400

SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    # far from the default, so that the layers matter beside the residual path
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
LLAMA = {**SMALL, "num_key_value_heads": 2}
FURTHER: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "xlm-roberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
    "mpnet": {"pad_token_id": 1},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
    },
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "sep_token_id": 3, "cls_token_id": 2},
}
DECODERS: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    "gemma": {"num_key_value_heads": 2, "head_dim": 8},
    "gpt2": {},
}
ENCODERS = tuple(FURTHER)


def tiny_config(kind: str) -> PretrainedConfig:
    """A configuration of three narrow layers."""
    sizes = {**SMALL, **{**FURTHER, **DECODERS}[kind]}
    if kind == "distilbert":
        sizes = {name: value for name, value in sizes.items() if name not in SMALL or name in DISTILBERT}
    if kind == "gpt2":
        sizes = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 66}
    return AutoConfig.for_model(kind, **sizes)


DISTILBERT = ("vocab_size", "max_position_embeddings", "initializer_range", "pad_token_id")


def tiny_body(kind: str) -> Any:
    """A body whose every bias and norm is drawn at random too."""
    torch.manual_seed(3)
    body = AutoModel.from_config(tiny_config(kind)).eval()
    with torch.no_grad():
        for parameter in body.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return body
