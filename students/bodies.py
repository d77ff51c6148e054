"""Where the parts of a supported body are: BERT, RoBERTa and DistilBERT name them differently."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from export.runtime.errors import InputError

SUPPORTED = ("bert", "roberta", "distilbert")


def require_supported(config: Any) -> str:
    """The model type of a body's configuration.

    Raises:
        InputError: another architecture, by its name.
    """
    name = str(config.model_type)
    if name not in SUPPORTED:
        raise InputError(f"a student cannot start from a {name} body; supported are {', '.join(SUPPORTED)}")
    return name


def layers_of(encoder: Any) -> nn.ModuleList:
    """The transformer layers, first to last."""
    stack = encoder.transformer if require_supported(encoder.config) == "distilbert" else encoder.encoder
    layers: nn.ModuleList = stack.layer
    return layers


def embeddings_of(encoder: Any) -> Any:
    """The embedding block: word and position tables and a norm."""
    require_supported(encoder.config)
    return encoder.embeddings


def attention_maps(encoder: Any, layer: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The linear maps of one layer that make queries, keys and values of what the layer reads."""
    attention: Any = layers_of(encoder)[layer].attention
    if require_supported(encoder.config) == "distilbert":
        return attention.q_lin, attention.k_lin, attention.v_lin
    return attention.self.query, attention.self.key, attention.self.value


def check_layers(config: Any, layers: Sequence[int]) -> None:
    """Refuse layers that a teacher of this configuration has not.

    Raises:
        InputError: one of them is not there, or they are not in ascending order.
    """
    depth = int(getattr(config, shape_keys(config)["depth"]))
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 0 or layers[-1] >= depth:
        raise InputError(
            f"student.layers is {list(layers)}; the teacher has layers 0 to {depth - 1}, "
            "name some of them in ascending order"
        )


def check_width(config: Any, width: int, heads: int) -> None:
    """Refuse a width that cannot start from a teacher of this configuration.

    Raises:
        InputError: it is no multiple of the heads, or above the teacher's.
    """
    most = int(getattr(config, shape_keys(config)["width"]))
    if width % heads:
        raise InputError(f"student.width is {width}; it must be a multiple of student.heads, {heads}")
    if width > most:
        raise InputError(f"student.width is {width}; it must be at most the teacher's, {most}")


def shape_keys(config: Any) -> dict[str, str]:
    """The configuration's own names of depth, width, heads and intermediate width."""
    if require_supported(config) == "distilbert":
        return {"depth": "n_layers", "width": "dim", "heads": "n_heads", "intermediate": "hidden_dim"}
    return {
        "depth": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "intermediate": "intermediate_size",
    }
