"""BitFit (Ben Zaken et al., arXiv 2106.10199): the biases of the body learn, and none of its other weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

from distill.export.runtime.errors import InputError
from distill.teachers.protocols import Tokenizer


@final
@dataclass(frozen=True)
class BitFit:
    """The biases of all linear maps and norms of the body; they are part of it, and nothing has to be merged."""

    method: ClassVar[str] = "bitfit"
    option: ClassVar[str | None] = None
    usual: ClassVar[int | None] = None
    learning_rate: ClassVar[float] = 1e-3
    is_mergeable: ClassVar[bool] = True

    @classmethod
    def of(cls, options: Mapping[str, int | None]) -> Self:
        """See `Tuning.of`."""
        return cls()

    @property
    def options(self) -> Mapping[str, int]:
        """See `Tuning.options`."""
        return {}

    def check(self, body: Any, tokenizer: Tokenizer, max_tokens: int) -> None:
        """See `Tuning.check`."""
        if not biases_of(body):
            raise InputError(
                f"`method` is 'bitfit', and this {body.config.model_type} body has no biases to train. Use 'lora'."
            )

    def prepare(self, model: Any, tokenizer: Tokenizer) -> Tokenizer:
        """See `Tuning.prepare`."""
        from distill.teachers.tuning.weights import fix

        fix(model.encoder)
        for parameter in biases_of(model.encoder).values():
            parameter.requires_grad = True
        return tokenizer

    def merge(self, model: Any) -> None:
        """See `Tuning.merge`."""


def biases_of(body: Any) -> dict[str, Any]:
    """Return the biases that a body's hidden states depend on, by their dotted names in it."""
    from distill.teachers.tuning.weights import is_unused

    return {
        name: parameter
        for name, parameter in body.named_parameters()
        if name.split(".")[-1] == "bias" and not is_unused(name)
    }
