"""A masked language model that puts other words in the places of some (BERT-style, arXiv 1810.04805)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import most_tokens
from distill.teachers.checkpoints import LOCAL, UNREADABLE
from distill.teachers.device import best_device
from distill.teachers.tokenizers import load_tokenizer

# of the model's first choices one is drawn by its probability; further down stands what fits nowhere
CHOICES = 15


class MaskedModel:
    """Draws words that fit their places; words that the tokenizer splits, and pieces of words, never come out.

    Args:
        model: a masked language model, ids ``(B, T)`` to logits ``(B, T, V)``.
        tokenizer: a fast one, with a mask token.
        words: spelling of each piece that may come out, by its id; at least one.
    """

    def __init__(self, model: Any, tokenizer: Any, words: Mapping[int, str]) -> None:
        self._model, self._tokenizer, self._spelling = model.eval().to(best_device()), tokenizer, words
        self._most_tokens = most_tokens(model.config)
        self._ids = torch.tensor(sorted(words), device=best_device())  # (W,)

    @torch.inference_mode()
    def substitute(
        self, words: list[str], places: Sequence[int], rng: np.random.Generator, *, max_tokens: int
    ) -> list[str]:
        """The words with those at `places` drawn anew; special tokens and places behind `max_tokens`, stay.

        One text at a time, so that it takes no more memory for many, and depends on no other text.
        """
        special = set(self._tokenizer.all_special_tokens)
        chosen = [place for place in sorted(places) if words[place] not in special]
        ids, slots = self._hide(words, chosen, max_tokens)
        found = list(words)
        if not slots:
            return found
        logits = self._model(input_ids=ids.to(best_device())).logits[0, list(slots.values())]  # (slots, V)
        best = logits[:, self._ids].topk(min(CHOICES, len(self._ids)))
        for place, values, choices in zip(slots, best.values, best.indices, strict=True):
            weights = torch.softmax(values.double(), dim=0).cpu().numpy()
            drawn = int(self._ids[choices[rng.choice(len(weights), p=weights / weights.sum())]])
            found[place] = self._spelling[drawn]
        return found

    def _hide(self, words: list[str], places: list[int], max_tokens: int) -> tuple[Tensor, dict[int, int]]:
        """Ids ``(1, T)`` of the words with some of them masked, and which token stands for which of these."""
        mask = self._tokenizer.mask_token
        hidden = [mask if place in set(places) else word for place, word in enumerate(words)]
        limit = max_tokens if self._most_tokens is None else min(max_tokens, self._most_tokens)
        encoded = self._tokenizer(" ".join(hidden), truncation=True, max_length=limit, return_tensors="pt")
        # by where they stand in the text: it may have mask tokens of its own
        starts = np.cumsum([0, *(len(word) + 1 for word in hidden)])
        tokens = {place: encoded.char_to_token(int(starts[place])) for place in places}
        return encoded["input_ids"], {place: token for place, token in tokens.items() if token is not None}


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
    words = whole_words(tokenizer)
    if not words or len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"augmentation.masked_model {str(folder)!r}: its tokenizer has {len(tokenizer)} pieces, {len(words)} "
            f"of them whole words, and the model {model.config.vocab_size}; give a model with its own tokenizer"
        )
    return MaskedModel(model, tokenizer, words)


def whole_words(tokenizer: Any) -> dict[int, str]:
    """Those pieces of a vocabulary that are whole words of letters, by id: not special or inside others."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    # WordPiece marks what goes on inside a word, the others mark what begins one; a few pieces begin so by chance
    begins = tuple(
        mark for mark in ("Ġ", "▁") if 20 * sum(_has_mark(piece, mark) for piece in pieces) > len(pieces)
    )
    special = set(tokenizer.all_special_ids)
    found = {}
    for index, piece in enumerate(pieces):
        starts = piece is not None and (piece.startswith(begins) if begins else not piece.startswith("##"))
        if starts and index not in special:
            # of bytes a piece may hold half a letter
            found[index] = tokenizer.decode([index]).strip()
    return {index: word for index, word in found.items() if word.isalpha()}


def _has_mark(piece: str | None, mark: str) -> bool:
    return piece is not None and piece.startswith(mark) and piece != mark
