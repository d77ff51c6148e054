"""Where the parts of a supported body are: BERT, RoBERTa and DistilBERT name them differently."""

from typing import Any

from torch import nn

from export.runtime.errors import InputError

SUPPORTED = ("bert", "roberta", "distilbert")


def require_supported(encoder: Any) -> str:
    """The body's model type.

    Raises:
        InputError: another architecture, by its name.
    """
    name = str(encoder.config.model_type)
    if name not in SUPPORTED:
        raise InputError(f"a student cannot start from a {name} body; supported are {', '.join(SUPPORTED)}")
    return name


def layers_of(encoder: Any) -> nn.ModuleList:
    """The transformer layers, first to last."""
    stack = encoder.transformer if require_supported(encoder) == "distilbert" else encoder.encoder
    layers: nn.ModuleList = stack.layer
    return layers


def embeddings_of(encoder: Any) -> Any:
    """The embedding block: word and position tables and a norm."""
    require_supported(encoder)
    return encoder.embeddings


def shape_keys(encoder: Any) -> dict[str, str]:
    """The configuration's own names of depth, width, heads and intermediate width."""
    if require_supported(encoder) == "distilbert":
        return {"depth": "n_layers", "width": "dim", "heads": "n_heads", "intermediate": "hidden_dim"}
    return {
        "depth": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "intermediate": "intermediate_size",
    }
