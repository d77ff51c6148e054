"""The parts of a transformer body by its architecture: BERT, RoBERTa and DistilBERT name them differently.

This module imports no torch, so that a shape can be checked without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distill.export.graph.roles import Role
from distill.export.runtime.errors import InputError
from distill.teachers.layer_places import PLACES, is_causal

if TYPE_CHECKING:
    from torch import Tensor, nn

SUPPORTED = ("bert", "roberta", "distilbert")

BERT_STACK, DISTILBERT_STACK = "encoder.layer", "transformer.layer"

# the place of each product with a weight in a layer
PRODUCTS = {
    Role.QUERY: "attention.self.query",
    Role.KEY: "attention.self.key",
    Role.VALUE: "attention.self.value",
    Role.ATTENTION_OUTPUT: "attention.output.dense",
    Role.FFN_UP: "intermediate.dense",
    Role.FFN_OUTPUT: "output.dense",
}

DISTILBERT_PRODUCTS = {
    Role.QUERY: "attention.q_lin",
    Role.KEY: "attention.k_lin",
    Role.VALUE: "attention.v_lin",
    Role.ATTENTION_OUTPUT: "attention.out_lin",
    Role.FFN_UP: "ffn.lin1",
    Role.FFN_OUTPUT: "ffn.lin2",
}


def require_supported(config: Any) -> str:
    """Return the model type of a body's configuration.

    Raises:
        InputError: the architecture is not supported; the message names it.
    """
    name = str(config.model_type)
    if name not in SUPPORTED:
        raise InputError(
            f"A student cannot start from a {name} body. Name another encoder for it as `base`, of the kind "
            f"{', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}."
        )
    return name


def layers_of(encoder: Any) -> nn.ModuleList:
    """Return the transformer layers of a supported body, first to last."""
    layers: nn.ModuleList = encoder.get_submodule(_stack(encoder.config))
    return layers


def _stack(config: Any) -> str:
    """Return the dotted name of the list of layers in a supported body."""
    return DISTILBERT_STACK if require_supported(config) == "distilbert" else BERT_STACK


def products_of(encoder: Any) -> dict[tuple[int, Role], str]:
    """Return the dotted names, inside a body, of its products with a weight, by layer and role."""
    stack = _stack(encoder.config)
    products = DISTILBERT_PRODUCTS if stack == DISTILBERT_STACK else PRODUCTS
    return {
        (layer, role): f"{stack}.{layer}.{name}"
        for layer in range(len(layers_of(encoder)))
        for role, name in products.items()
    }


def embeddings_of(encoder: Any) -> Any:
    """Return the embedding block: word and position tables and a norm."""
    require_supported(encoder.config)
    return encoder.embeddings


@dataclass(frozen=True)
class LayerParts:
    """The linear maps and norms of one transformer layer, whatever its architecture calls them."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_output: nn.Linear
    attention_norm: nn.LayerNorm
    ffn_up: nn.Linear
    ffn_output: nn.Linear
    ffn_norm: nn.LayerNorm


def parts_of(encoder: Any, layer: Any) -> LayerParts:
    """Return the parts of one layer of a body."""
    if require_supported(encoder.config) == "distilbert":
        attention, ffn = layer.attention, layer.ffn
        return LayerParts(
            *(attention.q_lin, attention.k_lin, attention.v_lin, attention.out_lin, layer.sa_layer_norm),
            *(ffn.lin1, ffn.lin2, layer.output_layer_norm),
        )
    attention, output = layer.attention.self, layer.attention.output
    return LayerParts(
        *(attention.query, attention.key, attention.value, output.dense, output.LayerNorm),
        *(layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm),
    )


def evenly_spaced(available: int, wanted: int) -> list[int]:
    """Return `wanted` of `available` layers, always with the last: 2 of 6 are 2 and 5.

    Raises:
        InputError: fewer layers are available.
    """
    if wanted > available:
        raise InputError(f"`depth` is {wanted}; the teacher has only {available} layers to start from. Lower it.")
    return [round((place + 1) * available / wanted) - 1 for place in range(wanted)]


def depth_of(config: Any) -> int:
    """Return the number of layers of a body with this configuration."""
    return int(getattr(config, shape_keys(config)["depth"]))


def width_of(config: Any) -> int:
    """Return the hidden size of a body with this configuration."""
    return int(getattr(config, shape_keys(config)["width"]))


def check_layers(config: Any, layers: Sequence[int]) -> None:
    """Refuse layers that a teacher with this configuration does not have.

    Raises:
        InputError: one of them does not exist, or they are not in ascending order.
    """
    depth = depth_of(config)
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 0 or layers[-1] >= depth:
        raise InputError(
            f"`layers` is {list(layers)}; the teacher has layers 0 to {depth - 1}. "
            "Name some of them in ascending order."
        )


def check_width(config: Any, width: int, heads: int) -> None:
    """Refuse a width that cannot start from a teacher of this configuration.

    Raises:
        InputError: it is not a multiple of the heads, or above the teacher's.
    """
    most = width_of(config)
    if width % heads:
        raise InputError(f"`width` is {width}; it must be a multiple of `heads`, {heads}. Change one of the two.")
    if width > most:
        raise InputError(f"`width` is {width}; it must be at most the teacher's, {most}. Lower it.")


def shape_keys(config: Any) -> dict[str, str]:
    """Return the configuration's names of depth, width, heads and intermediate width."""
    if require_supported(config) == "distilbert":
        return {"depth": "n_layers", "width": "dim", "heads": "n_heads", "intermediate": "hidden_dim"}
    return {
        "depth": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "intermediate": "intermediate_size",
    }


# transformers fills their attention with the least number of float32, which overflows in bf16
WITHOUT_BF16 = ("deberta",)

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")


def check_pooling(config: Any, pooling: str) -> None:
    """Refuse a pooling that reads a token that does not know the text.

    Raises:
        InputError: it is the first token of a decoder, or the last one of an encoder.
    """
    decodes = _decodes(config)
    if decodes is True and pooling not in ("last", "mean"):
        raise InputError(
            f"`pooling` is {pooling!r}, and a token of this {config.model_type} decoder sees what is before it "
            "alone. Use 'last' or 'mean'."
        )
    if decodes is False and pooling == "last":
        raise InputError(
            f"`pooling` is 'last', which is for decoders, and this {config.model_type} body is an encoder. Use "
            "'mean' or 'first'."
        )


def _decodes(config: Any) -> bool | None:
    """Return whether a body is a decoder, by the table or else by transformers; None if neither knows it."""
    if config.model_type in PLACES:
        return is_causal(config)
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    if config.model_type in MASKED:  # many of them are in both
        return False
    return True if config.model_type in CAUSAL else None


def check_max_tokens(config: Any, max_tokens: int) -> None:
    """Refuse texts that are longer than a body has positions for.

    Raises:
        InputError: `max_tokens` is above what this configuration can read.
    """
    most = most_tokens(config)
    if most is not None and max_tokens > most:
        raise InputError(
            f"`max_tokens` is {max_tokens}, and this {config.model_type} body reads at most {most} tokens. Lower "
            "it."
        )


def most_tokens(config: Any) -> int | None:
    """Return the longest text, in tokens, that a body has positions for; None if positions are not counted."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    return int(positions) - unused_positions(config)


def unused_positions(config: Any) -> int:
    """Return the number of positions that a body with this configuration leaves unused before the first token."""
    # these bodies count positions from the one after the padding id
    return int(config.pad_token_id) + 1 if config.model_type in OFFSET_POSITIONS else 0


def reads_types(config: Any) -> bool:
    """Return whether a body tells the segments of a pair apart by token types; RoBERTa's kind never does."""
    return config.model_type not in OFFSET_POSITIONS and getattr(config, "type_vocab_size", 0) > 1


def has_types(config: Any) -> bool:
    """Return whether a body has token types, of which it may know one alone."""
    return config.model_type not in OFFSET_POSITIONS and getattr(config, "type_vocab_size", 0) > 0


def inputs_for(
    body: Any, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
) -> dict[str, Any]:
    """Return what a transformers body reads of a batch ``(B, T)``: token types only where it knows several.

    A decoder counts positions over the tokens of the mask, so that the side of the padding does not matter. Its
    tokenizer may read nothing in a text; then it sees one token of padding.
    """
    inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
    if is_causal(body.config):
        mask = attention_mask.clone()
        mask[:, 0] = mask[:, 0].where(mask.any(dim=1), 1)
        inputs["attention_mask"] = mask
        inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        inputs["use_cache"] = False  # nothing is generated
    if token_type_ids is not None and reads_types(body.config):
        inputs["token_type_ids"] = token_type_ids
    return inputs


def reads_in_bf16(model: Any) -> bool:
    """Return whether a model's body, if it has one, computes in bf16 too."""
    return getattr(getattr(model, "config", None), "model_type", None) not in WITHOUT_BF16


def check_pairs(config: Any) -> None:
    """Refuse a body whose graph reads token types and that knows only one.

    Raises:
        InputError: it cannot tell the segments of a pair apart.
    """
    if getattr(config, "type_vocab_size", 0) == 1 and config.model_type not in OFFSET_POSITIONS:
        raise InputError(
            f"`joiner` is 'segments', and this {config.model_type} teacher knows one token type and not two. "
            "Use another teacher, or join the columns with a string."
        )
