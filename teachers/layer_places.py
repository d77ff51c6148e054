"""Places of layers in the bodies of transformers, and of the two linear maps that end a layer's sublayers.

This module imports no torch. A body that is not in the table has no layers that anybody here may count on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerPlaces:
    """The dotted name of a body's list of layers, and patterns of the names of two linear maps in each layer.

    `is_causal` says that the body is a decoder: a token sees itself and what is before it.
    """

    layers: str
    attention_output: str
    ffn_output: str
    is_causal: bool = False


BERT = LayerPlaces("encoder.layer", r"attention\.output\.dense", r"output\.dense")
MPNET = LayerPlaces("encoder.layer", r"attention\.attn\.o", r"output\.dense")
DISTILBERT = LayerPlaces("transformer.layer", r"attention\.out_lin", r"ffn\.lin2")
# its layers share their weights: the list has one element per group of layers
ALBERT = LayerPlaces(
    "encoder.albert_layer_groups", r"albert_layers\.\d+\.attention\.dense", r"albert_layers\.\d+\.ffn_output"
)
MODERNBERT = LayerPlaces("layers", r"attn\.Wo", r"mlp\.Wo")
LLAMA = LayerPlaces("layers", r"self_attn\.o_proj", r"mlp\.down_proj", is_causal=True)
GPT2 = LayerPlaces("h", r"attn\.c_proj", r"mlp\.c_proj", is_causal=True)

# by the `model_type` of a configuration
PLACES: Mapping[str, LayerPlaces] = {
    **dict.fromkeys(
        (
            *("bert", "roberta", "xlm-roberta", "camembert", "electra", "deberta", "deberta-v2", "ernie"),
            *("roformer", "data2vec-text", "megatron-bert", "rembert", "nystromformer"),
        ),
        BERT,
    ),
    "mpnet": MPNET,
    "distilbert": DISTILBERT,
    "albert": ALBERT,
    "modernbert": MODERNBERT,
    **dict.fromkeys(
        (
            *("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2", "smollm3"),
            *("granite", "cohere"),
        ),
        LLAMA,
    ),
    "gpt2": GPT2,
}


def is_causal(config: Any) -> bool:
    """Return whether a body with this configuration is a decoder of the table."""
    return is_causal_type(str(config.model_type))


def is_causal_type(model_type: str) -> bool:
    """Return whether a model type is that of a decoder of the table."""
    places = PLACES.get(model_type)
    return places is not None and places.is_causal


def any_layers_of(body: Any) -> nn.ModuleList | None:
    """Return the layers of a body of transformers, first to last; None if its kind is not in the table."""
    places = PLACES.get(body.config.model_type)
    if places is None:
        return None
    layers: nn.ModuleList = body.get_submodule(places.layers)
    return layers


def sublayer_outputs(body: Any) -> dict[str, nn.Module]:
    """Return the linear maps that end attention and feed-forward in each layer, by their names in the body.

    None are returned if the body's kind is not in the table.
    """
    places = PLACES.get(body.config.model_type)
    if places is None:
        return {}
    name = re.compile(rf"{re.escape(places.layers)}\.\d+\.(?:{places.attention_output}|{places.ffn_output})")
    return {place: module for place, module in body.named_modules() if name.fullmatch(place)}
