"""Bottleneck adapters (Houlsby et al., arXiv 1902.00751): two small maps behind each sublayer of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

from distill.export.runtime.errors import InputError
from distill.teachers.layer_places import sublayer_outputs
from distill.teachers.protocols import Tokenizer


@final
@dataclass(frozen=True)
class Adapter:
    """Down to `bottleneck` numbers, GELU, and up again, added to the output of attention and of the feed-forward.

    A map that is not linear cannot be merged: the teacher keeps its adapters, and a student starts from the base.
    """

    method: ClassVar[str] = "adapter"
    option: ClassVar[str | None] = "bottleneck"
    usual: ClassVar[int | None] = 48
    learning_rate: ClassVar[float] = 5e-4
    is_mergeable: ClassVar[bool] = False

    bottleneck: int

    @classmethod
    def of(cls, options: Mapping[str, int | None]) -> Self:
        """See `Tuning.of`."""
        return cls(options.get("bottleneck") or 48)

    @property
    def options(self) -> Mapping[str, int]:
        """See `Tuning.options`."""
        return {"bottleneck": self.bottleneck}

    def check(self, body: Any, tokenizer: Tokenizer, max_tokens: int) -> None:
        """See `Tuning.check`."""
        from distill.teachers.tuning.weights import widths_of

        outputs = sublayer_outputs(body)
        if not outputs:
            raise InputError(
                f"`method` is 'adapter', and the sublayers of a {body.config.model_type} body are not known. "
                "Use 'lora'."
            )
        width = min(widths_of(linear)[1] for linear in outputs.values())
        if self.bottleneck >= width:
            raise InputError(
                f"`bottleneck` is {self.bottleneck}, and the layers of this {body.config.model_type} body are "
                f"{width} wide. Use fewer."
            )

    def prepare(self, model: Any, tokenizer: Tokenizer) -> Tokenizer:
        """See `Tuning.prepare`."""
        from distill.teachers.tuning.bottleneck import add_bottleneck
        from distill.teachers.tuning.weights import fix

        fix(model.encoder)
        for linear in sublayer_outputs(model.encoder).values():
            add_bottleneck(linear, self.bottleneck)
        return tokenizer

    def merge(self, model: Any) -> None:
        """See `Tuning.merge`."""
