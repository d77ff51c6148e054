"""Causal language models, from a folder or one GGUF file, as scorers of what follows a prompt."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from tokenizers import Tokenizer as BackendTokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, EncoderDecoderCache

from distill.export.runtime.errors import InputError
from distill.teachers.device import best_device, device_of
from distill.teachers.gguf import SpecialTokens, is_gguf, special_tokens
from distill.teachers.tokenizers import require_rows
from distill.teachers.weights import LOCAL, UNREADABLE, require_finite

# where a configuration names no length
USUAL_POSITIONS = 2048


@final
@dataclass(frozen=True)
class CausalModel:
    """A causal language model with its tokenizer.

    Attributes:
        model: in evaluation mode.
        tokenizer: knows the control tokens, and is told where they count.
        specials: ids of the tokens that begin, end and pad a text.
        positions: tokens of the longest sequence that it reads.
    """

    model: Any
    tokenizer: BackendTokenizer
    specials: SpecialTokens
    positions: int

    def encode(self, text: str, *, control: bool) -> list[int]:
        """Return a text's ids, without tokens at its ends.

        Args:
            text: a part of a prompt, or a row.
            control: whether control tokens such as ``<|im_start|>`` are read as such; in a row they are not.
        """
        self.tokenizer.encode_special_tokens = not control
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def begin(self, text: str) -> list[int]:
        """Return the ids of a prompt's head, with the token that begins a text where the model expects one.

        A model whose prompt would be empty begins with that token, or with the one that ends a text, anyway.
        """
        ids, bos = self.encode(text, control=True), self.specials.bos
        if bos is not None and self.specials.add_bos and ids[:1] != [bos]:
            return [bos, *ids]
        first = self.specials.eos if bos is None else bos
        return ids or ([] if first is None else [first])


@final
class Batch:
    """Rows behind a shared head, in the model's cache, and what may follow them.

    Attributes:
        last: log-probabilities of the token after each row, ``(B, V)``.
    """

    def __init__(self, language: CausalModel, head: "Head", rows: Sequence[Sequence[int]]) -> None:
        self._model = language.model
        device, longest, size = device_of(self._model), max(map(len, rows)), len(rows)
        # padding is on the left, so that what follows is next to every row
        ids = torch.zeros(size, longest, dtype=torch.long)  # (B, T)
        mask = torch.zeros(size, longest, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, longest - len(row) :] = torch.tensor(row)
            mask[place, longest - len(row) :] = 1
        self._cache = copy.deepcopy(head.cache)
        self._cache.batch_repeat_interleave(size)
        read = torch.ones(size, head.length, dtype=torch.long)
        self._mask = torch.cat([read, mask], dim=1).to(device)  # (B, P + T)
        places = (head.length + mask.cumsum(dim=1) - 1).clamp(min=0).to(device)
        self._next = (head.length + mask.sum(dim=1)).to(device)  # (B,)
        self.last = _forward(self._model, ids.to(device), self._mask, places, self._cache, keep=1)[:, -1]

    def follow(self, ids: Sequence[int]) -> Tensor:
        """Return log-probabilities of the token after each of `ids`, which follow every row: ``(B, n, V)``."""
        size, length = self._mask.shape
        given = torch.tensor(ids, device=self._mask.device).expand(size, -1)  # (B, n)
        mask = torch.cat([self._mask, torch.ones_like(given)], dim=1)
        places = self._next[:, None] + torch.arange(len(ids), device=given.device)
        # a window of attention forgets what leaves it, and cannot be cut back
        slides = _window(self._cache) is not None
        cache = copy.deepcopy(self._cache) if slides else self._cache
        found = _forward(self._model, given, mask, places, cache, keep=len(ids))
        if not slides:
            cache.crop(length)
        return found


@dataclass(frozen=True)
class Head:
    """The part of a prompt that every row shares, read once: the model's states of it, and its tokens' number."""

    cache: Any
    length: int

    @property
    def window(self) -> int | None:
        """The tokens that the narrowest layer looks back; None where all look back to the first."""
        return _window(self.cache)


@torch.inference_mode()
def read_head(language: CausalModel, ids: Sequence[int]) -> Head:
    """Read what every row begins with; at least one token."""
    given = torch.tensor([list(ids)], device=device_of(language.model))
    output = language.model(input_ids=given, attention_mask=torch.ones_like(given), use_cache=True)
    return Head(output.past_key_values, len(ids))


def load_causal(path: Path, argument: str = "model") -> CausalModel:
    """Load a causal language model in float32, from a folder with safetensors or from one GGUF file.

    Args:
        path: the folder or the file.
        argument: the argument that named it, for messages.

    Raises:
        InputError: it cannot be read, a weight of it is missing, or it is not a causal language model.
    """
    file = is_gguf(path)
    place = str(path.parent if file else path)
    further: dict[str, Any] = {**LOCAL, **({"gguf_file": path.name} if file else {})}
    weights: dict[str, Any] = {"dtype": torch.float32, **({} if file else {"use_safetensors": True})}
    specials = special_tokens(path) if file else None
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **further)
        model, found = AutoModelForCausalLM.from_pretrained(place, **further, **weights, output_loading_info=True)
    except (*UNREADABLE, ImportError) as error:
        raise InputError(
            f"`{argument}` {path.name}: No causal language model can be loaded ({type(error).__name__}). Give a "
            "folder with config.json, tokenizer.json and safetensors, or one GGUF file."
        ) from error
    missing = set(found["missing_keys"]) - set(model._tied_weights_keys or ())
    if missing or found["mismatched_keys"]:
        raise InputError(
            f"`{argument}` {path.name}: The file lacks {len(missing) or 'some'} of the weights that a causal "
            "language model has. Give a whole one."
        )
    require_finite(model.named_parameters(), f"`{argument}` {path.name}")
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(f"`{argument}` {path.name}: There is no tokenizer.json. Give a model that has one.")
    require_rows(tokenizer, model.get_input_embeddings().num_embeddings, path)
    model.eval()
    _require_causal(model, f"`{argument}` {path.name}")
    model.to(best_device())
    specials = specials or _specials_of(tokenizer, model.config)
    return CausalModel(model, tokenizer.backend_tokenizer, specials, _positions(model.config))


@torch.inference_mode()
def _require_causal(model: Any, place: str) -> None:
    """Refuse a model whose tokens see what follows them, such as a masked one, or that keeps no states per token.

    Raises:
        InputError: it is one.
    """
    pairs = torch.tensor([[0, 1], [0, 2]])
    output = model(input_ids=pairs, attention_mask=torch.ones_like(pairs), use_cache=True)
    first = output.logits[:, 0]
    kind = model.config.model_type
    if not torch.allclose(first[0], first[1], rtol=0, atol=1e-4 * float(first.abs().max())):
        raise InputError(
            f"{place}: A token of this {kind} model sees what follows it, so it scores no words. Give a causal "
            "language model."
        )
    if not isinstance(getattr(output, "past_key_values", None), DynamicCache | EncoderDecoderCache):
        raise InputError(
            f"{place}: This {kind} model keeps no states per token, which rows share. Give one with attention, "
            "such as a Llama or a Qwen."
        )


def _specials_of(tokenizer: Any, config: Any) -> SpecialTokens:
    """Return the special tokens of a model from a folder; its tokenizer shows whether one comes first."""
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else getattr(config, "pad_token_id", None)
    ids = tokenizer("a")["input_ids"]
    return SpecialTokens(bos, eos, eos if pad is None else pad, bos is not None and ids[:1] == [bos])


def _window(cache: Any) -> int | None:
    layers = [layer for layer in getattr(cache, "layers", ()) if getattr(layer, "is_sliding", False)]
    return min((int(layer.sliding_window) for layer in layers), default=None)


def _positions(config: Any) -> int:
    for name in ("max_position_embeddings", "n_positions"):
        if isinstance(getattr(config, name, None), int):
            return int(getattr(config, name))
    return USUAL_POSITIONS


@torch.inference_mode()
def _forward(model: Any, ids: Tensor, mask: Tensor, places: Tensor, cache: Any, *, keep: int) -> Tensor:
    """Return log-probabilities after the last `keep` tokens, float32 ``(B, keep, V)``, and extend the cache."""
    inputs: Mapping[str, Any] = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": places,
        "past_key_values": cache,
        "use_cache": True,
    }
    if "logits_to_keep" in inspect.signature(model.forward).parameters:  # the others cost a few products more
        inputs = {**inputs, "logits_to_keep": keep}
    logits = model(**inputs).logits[:, -keep:].float()
    return torch.log_softmax(logits, dim=-1)
