"""Prompt tuning (Lester et al., arXiv 2104.08691) as rows of the vocabulary, which can be merged and exported.

Some pieces that no text has are put into the tokenizer's template before every row, and only their rows of the
embedding table learn (peft's trainable tokens).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

from distill.export.runtime.errors import InputError
from distill.teachers.protocols import Tokenizer
from distill.teachers.tuning.template import with_prompt

# a prompt may take at most this share of the tokens that are read of a row
MOST_OF_ROW = 0.5


@final
@dataclass(frozen=True)
class Prompt:
    """New pieces, `tokens` of them, behind the first special token of every row."""

    method: ClassVar[str] = "prompt"
    option: ClassVar[str | None] = "tokens"
    usual: ClassVar[int | None] = 20
    learning_rate: ClassVar[float] = 3e-2
    is_mergeable: ClassVar[bool] = True

    tokens: int

    @classmethod
    def of(cls, options: Mapping[str, int | None]) -> Self:
        """See `Tuning.of`."""
        return cls(options.get("tokens") or 20)

    @property
    def options(self) -> Mapping[str, int]:
        """See `Tuning.options`."""
        return {"tokens": self.tokens}

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces; a tokenizer that splits at punctuation reads none of them in a text."""
        return tuple(f"[prompt {number}]" for number in range(self.tokens))

    def check(self, body: Any, tokenizer: Tokenizer, max_tokens: int) -> None:
        """See `Tuning.check`."""
        if self.tokens > MOST_OF_ROW * max_tokens:
            raise InputError(
                f"`tokens` is {self.tokens}, and `max_tokens` is {max_tokens}: too few positions are left for the "
                f"text of a row. Use at most {int(MOST_OF_ROW * max_tokens)} tokens, or raise `max_tokens`."
            )
        self.tokenizer_for(tokenizer)

    def tokenizer_for(self, tokenizer: Tokenizer) -> Tokenizer:
        """Return a tokenizer that puts the prompt into every row.

        Raises:
            InputError: there is no room for its pieces, or it has no template that is known.
        """
        from distill.teachers.markers import add_pieces, rebuilt

        state = json.loads(tokenizer.backend_tokenizer.to_str())
        first = max(tokenizer.backend_tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        add_pieces(state, self.pieces, first, "tokens")
        ids = {piece: first + place for place, piece in enumerate(self.pieces)}
        state["post_processor"] = with_prompt(state["post_processor"], ids)
        prompted: Tokenizer = rebuilt(tokenizer, state)
        return prompted

    def prepare(self, model: Any, tokenizer: Tokenizer) -> Tokenizer:
        """See `Tuning.prepare`; the rows start from those of pieces that are drawn from the vocabulary."""
        import torch
        from peft import TrainableTokensConfig, get_peft_model

        from distill.teachers.tuning.weights import fix

        prompted, body = self.tokenizer_for(tokenizer), model.encoder
        vocabulary = prompted.backend_tokenizer.get_vocab(with_added_tokens=True)
        ids = [vocabulary[piece] for piece in self.pieces]
        if ids[-1] >= body.get_input_embeddings().num_embeddings:
            body.resize_token_embeddings(ids[-1] + 1, mean_resizing=False)
        table = body.get_input_embeddings()
        with torch.no_grad():
            table.weight[ids] = table.weight[torch.randint(ids[0], (self.tokens,))]
        fix(body)
        place = next(name for name, module in body.named_modules() if module is table)
        config = TrainableTokensConfig(token_indices=ids, target_modules=[place])
        model.encoder = get_peft_model(body, config)
        return prompted

    def merge(self, model: Any) -> None:
        """See `Tuning.merge`."""
        model.encoder = model.encoder.merge_and_unload()
