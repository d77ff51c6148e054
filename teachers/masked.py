"""Word substitution by a masked language model (BERT-style, arXiv 1810.04805)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import most_tokens
from distill.teachers.device import best_device
from distill.teachers.protocols import Tokenizer
from distill.teachers.tokenizers import load_tokenizer
from distill.teachers.weights import load_with_head

# a word is drawn by probability among the model's first choices; those further down fit nowhere
CHOICES = 15


class MaskedModel:
    """Source of words that fit their places, all of them whole words that are one token of the tokenizer.

    Args:
        model: a masked language model, ids ``(B, T)`` to logits ``(B, T, V)``.
        tokenizer: a fast one, with a mask token.
        words: spelling of each token that may be drawn, by its id; at least one.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, words: Mapping[int, str]) -> None:
        self._model, self._tokenizer, self._spelling = model.eval().to(best_device()), tokenizer, words
        self._most_tokens = most_tokens(model.config)
        self._ids = torch.tensor(sorted(words), device=best_device())  # (W,)

    @torch.inference_mode()
    def substitute(
        self, words: list[str], places: Sequence[int], rng: np.random.Generator, *, max_tokens: int
    ) -> list[str]:
        """Return the words with those at `places` drawn again.

        Special tokens and words beyond `max_tokens` stay. The model runs on one text at a time, so that memory
        does not grow with the number of texts and no text depends on another.
        """
        special = set(self._tokenizer.all_special_tokens)
        chosen = [place for place in sorted(places) if words[place] not in special]
        ids, slots = self._hide(words, chosen, max_tokens)
        changed = list(words)
        if not slots:
            return changed
        logits = self._model(input_ids=ids.to(best_device())).logits[0, list(slots.values())]  # (slots, V)
        best = logits[:, self._ids].topk(min(CHOICES, len(self._ids)))
        for place, values, choices in zip(slots, best.values, best.indices, strict=True):
            weights = torch.softmax(values.double(), dim=0).cpu().numpy()
            drawn = int(self._ids[choices[rng.choice(len(weights), p=weights / weights.sum())]])
            changed[place] = self._spelling[drawn]
        return changed

    def _hide(self, words: list[str], places: list[int], max_tokens: int) -> tuple[Tensor, dict[int, int]]:
        """Return ids ``(1, T)`` of the words with some masked, and the token position of each masked place."""
        mask = str(self._tokenizer.mask_token)
        hidden = [mask if place in set(places) else word for place, word in enumerate(words)]
        limit = max_tokens if self._most_tokens is None else min(max_tokens, self._most_tokens)
        encoded = self._tokenizer(" ".join(hidden), truncation=True, max_length=limit, return_tensors="pt")
        # found by character position, since the text may hold mask tokens of its own
        starts = np.cumsum([0, *(len(word) + 1 for word in hidden)])
        tokens = {place: encoded.char_to_token(int(starts[place])) for place in places}
        return encoded["input_ids"], {place: token for place, token in tokens.items() if token is not None}


def load_masked(folder: Path) -> MaskedModel:
    """Load the masked language model in a folder.

    Raises:
        InputError: there is none, its tokenizer has no mask token, or tokenizer and model do not match.
    """
    tokenizer = load_tokenizer(folder)
    model, has_head = load_with_head(AutoModelForMaskedLM, folder, "masked_model")
    if tokenizer.mask_token is None or not has_head:
        raise InputError(
            f"`masked_model` {str(folder)!r}: The model has no mask token or no trained head that fills it in. "
            "Give a masked language model, such as the one an encoder was pretrained as."
        )
    words = whole_words(tokenizer)
    if not words or len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"`masked_model` {str(folder)!r}: Its tokenizer has {len(tokenizer)} tokens, {len(words)} of them "
            f"whole words, but the model has {model.config.vocab_size}. Give a model with its own tokenizer."
        )
    return MaskedModel(model, tokenizer, words)


def whole_words(tokenizer: Tokenizer) -> dict[int, str]:
    """Return the tokens of a vocabulary that are whole words of letters, by id; special tokens are left out."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    # WordPiece marks tokens that continue a word, the others mark tokens that begin one. A few tokens of any
    # vocabulary have such a mark by chance, so only a mark on more than a twentieth of them counts.
    marks = tuple(
        mark for mark in ("Ġ", "▁") if 20 * sum(_has_mark(token, mark) for token in tokens) > len(tokens)
    )
    special = set(tokenizer.all_special_ids)
    words = {}
    for index, token in enumerate(tokens):
        begins = token is not None and (token.startswith(marks) if marks else not token.startswith("##"))
        if begins and index not in special:
            # decoded, since a byte-level token may hold half a letter
            words[index] = tokenizer.decode([index]).strip()
    return {index: word for index, word in words.items() if word.isalpha()}


def _has_mark(token: str | None, mark: str) -> bool:
    return token is not None and token.startswith(mark) and token != mark
