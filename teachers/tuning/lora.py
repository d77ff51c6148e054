"""LoRA (Hu et al., arXiv 2106.09685) by peft: a product of two narrow matrices beside every linear map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

from distill.export.runtime.errors import InputError
from distill.teachers.protocols import Tokenizer

# the product is scaled by alpha over rank; a multiple of the rank keeps the rate's meaning when the rank changes
ALPHA_PER_RANK = 2

DROPOUT = 0.05


@final
@dataclass(frozen=True)
class Lora:
    """Matrices ``(rank, I)`` and ``(O, rank)`` beside every linear map ``(O, I)`` of the body."""

    method: ClassVar[str] = "lora"
    option: ClassVar[str | None] = "rank"
    usual: ClassVar[int | None] = 16
    learning_rate: ClassVar[float] = 5e-4
    is_mergeable: ClassVar[bool] = True

    rank: int

    @classmethod
    def of(cls, options: Mapping[str, int | None]) -> Self:
        """See `Tuning.of`."""
        return cls(options.get("rank") or 16)

    @property
    def options(self) -> Mapping[str, int]:
        """See `Tuning.options`."""
        return {"rank": self.rank}

    def check(self, body: Any, tokenizer: Tokenizer, max_tokens: int) -> None:
        """See `Tuning.check`."""
        from distill.teachers.tuning.weights import linears_of, widths_of

        linears = linears_of(body)
        if not linears:
            raise InputError(
                f"`method` is 'lora', and this {body.config.model_type} body has no linear maps. Use 'bitfit'."
            )
        name, narrowest = min(
            ((name, min(widths_of(linear))) for name, linear in linears.items()), key=lambda pair: pair[1]
        )
        if self.rank > narrowest:
            raise InputError(
                f"`rank` is {self.rank}, and the narrowest linear map of this {body.config.model_type} body, "
                f"{name}, has a width of {narrowest}. Use at most that."
            )

    def prepare(self, model: Any, tokenizer: Tokenizer) -> Tokenizer:
        """See `Tuning.prepare`."""
        from peft import LoraConfig, get_peft_model
        from transformers.pytorch_utils import Conv1D

        from distill.teachers.tuning.weights import fix, linears_of

        fix(model.encoder)
        linears = linears_of(model.encoder)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=ALPHA_PER_RANK * self.rank,
            lora_dropout=DROPOUT,
            target_modules=list(linears),
            fan_in_fan_out=any(isinstance(linear, Conv1D) for linear in linears.values()),
        )
        # the body alone is wrapped: half of the errors after merging that users report are about heads
        model.encoder = get_peft_model(model.encoder, config)
        return tokenizer

    def merge(self, model: Any) -> None:
        """See `Tuning.merge`."""
        model.encoder = model.encoder.merge_and_unload()
