"""Word substitution by near words of an encoder's own embedding table; no further model is needed.

An encoder whose table was pretrained has seen far more words than a small corpus. Words that are near there, such
as "anxious" and "nervous", or "mother" and "mom", put words into made texts that no row has, and the teacher says
what each of them means in its place (TinyBERT, arXiv 1909.10351, replaces words by neighbours of GloVe vectors).
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import embeddings_of
from distill.teachers.masked import whole_words
from distill.teachers.tokenizers import load_tokenizer
from distill.teachers.weights import load_body

# a word is drawn among as many nearest ones, all alike; those further down are near to nothing
CHOICES = 10

ROWS_AT_ONCE = 512

_WORD = re.compile(r"(\W*)(\w+)(.*)", re.DOTALL)


class NearWords:
    """Source of near words: whole words of letters that are one token, spelled as the tokenizer spells them.

    Args:
        words: spelling of each row of the table.
        table: their vectors ``(W, D)``, at least two.
        texts: the texts whose words will be replaced; of all others nothing is near.
    """

    def __init__(self, words: Sequence[str], table: Tensor, texts: Iterable[str]) -> None:
        row_of = {word: row for row, word in reversed(list(enumerate(words)))}
        said = {parts.group(2) for text in texts for word in text.split() if (parts := _WORD.fullmatch(word))}
        rows = {word: row for word in said if (row := row_of.get(word, row_of.get(word.lower()))) is not None}
        known = sorted(set(rows.values()))
        centred = table.float() - table.float().mean(dim=0)
        unit = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
        near = _nearest(unit, known, min(CHOICES, len(words) - 1)).tolist()
        choices = {row: [words[index] for index in indices] for row, indices in zip(known, near, strict=True)}
        self._near = {word: choices[row] for word, row in rows.items()}

    def substitute(self, words: list[str], places: Sequence[int], rng: np.random.Generator) -> list[str]:
        """Return the words with those at `places` replaced by near ones; punctuation and unknown words stay."""
        changed = list(words)
        for place in sorted(places):
            parts = _WORD.fullmatch(words[place])
            choices = self._near.get(parts.group(2), []) if parts else []
            if parts and choices:
                changed[place] = f"{parts.group(1)}{choices[rng.integers(len(choices))]}{parts.group(3)}"
        return changed


def _nearest(unit: Tensor, rows: Sequence[int], count: int) -> Tensor:
    """Return the rows with the largest cosines to each of some, itself left out: ``(W, D) -> (R, count)``."""
    found = [torch.empty((0, count), dtype=torch.long)]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        own = torch.tensor(rows[start : start + ROWS_AT_ONCE])
        cosines = unit[own] @ unit.T  # (rows, W)
        cosines[torch.arange(len(own)), own] = -2.0
        found.append(cosines.topk(count, dim=1).indices)
    return torch.cat(found)


def load_near_words(folder: Path, texts: Iterable[str]) -> NearWords:
    """Load the near words of some texts from the encoder in a folder.

    Raises:
        InputError: its tokenizer has fewer than two whole words of letters, so nothing can be near.
    """
    tokenizer = load_tokenizer(folder)
    table = embeddings_of(load_body(folder, "near")).word_embeddings.weight.detach()  # (V, D)
    words = {row: word for row, word in whole_words(tokenizer).items() if row < len(table)}
    if len(words) < 2:
        raise InputError(
            "`ways`: Near words need whole words, which the teacher's tokenizer has none of. Remove near from it."
        )
    return NearWords(list(words.values()), table[list(words)], texts)
