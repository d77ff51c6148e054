"""A masked language model that puts other words in the places of some (BERT-style, arXiv 1810.04805)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

from export.runtime.errors import InputError
from teachers.classifier import LOCAL, UNREADABLE, load_tokenizer
from teachers.label import best_device

# of the model's first choices one is drawn by its probability; further down stands what fits nowhere
CHOICES = 15


class MaskedModel:
    """Draws words that fit their places; words that the tokenizer splits, and pieces of words, never come out."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model.eval().to(best_device()), tokenizer
        self._words = torch.tensor(_whole_words(tokenizer), device=best_device())  # (V,)

    @torch.inference_mode()
    def substitute(
        self, words: list[str], places: Sequence[int], rng: np.random.Generator, *, max_tokens: int
    ) -> list[str]:
        """The words with those at `places` drawn anew; places behind `max_tokens` keep theirs."""
        mask = self._tokenizer.mask_token
        hidden = " ".join(mask if place in set(places) else word for place, word in enumerate(words))
        ids = self._tokenizer(hidden, truncation=True, max_length=max_tokens, return_tensors="pt")["input_ids"]
        slots = (ids[0] == self._tokenizer.mask_token_id).nonzero()[:, 0]
        logits = self._model(input_ids=ids.to(best_device())).logits[0, slots]  # (slots, V)
        best = logits.masked_fill(~self._words, -torch.inf).topk(CHOICES)
        found = list(words)
        for place, values, choices in zip(sorted(places), best.values, best.indices, strict=False):
            weights = torch.softmax(values.double(), dim=0).cpu().numpy()
            drawn = int(choices[rng.choice(CHOICES, p=weights / weights.sum())])
            found[place] = self._tokenizer.decode([drawn]).strip()
        return found


def load_masked(folder: Path) -> MaskedModel:
    """The masked language model in a folder.

    Raises:
        InputError: there is none, or its tokenizer has no mask token.
    """
    tokenizer = load_tokenizer(folder)
    try:
        model, info = AutoModelForMaskedLM.from_pretrained(
            str(folder), use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
        )
    except UNREADABLE as error:
        raise InputError(
            f"augmentation.masked_model {str(folder)!r}: cannot be loaded ({type(error).__name__}); give a masked "
            "language model in safetensors"
        ) from error
    if tokenizer.mask_token is None or info["missing_keys"]:
        raise InputError(
            f"augmentation.masked_model {str(folder)!r}: has no mask token or no trained head that fills it in; "
            "give a masked language model, such as the one an encoder was pretrained as"
        )
    return MaskedModel(model, tokenizer)


def _whole_words(tokenizer: Any) -> list[bool]:
    """Which pieces of the vocabulary are whole words of letters: neither special, nor inside longer words."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    # WordPiece marks what goes on inside a word, the others mark what begins one
    begins = tuple(mark for mark in ("Ġ", "▁") if any(piece.startswith(mark) for piece in pieces))
    special = set(tokenizer.all_special_ids)
    return [
        index not in special
        and (piece.startswith(begins) if begins else not piece.startswith("##"))
        and piece.lstrip("Ġ▁").isalpha()
        for index, piece in enumerate(pieces)
    ]
