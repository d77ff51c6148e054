"""Members that teachers need of a transformers tokenizer and encoder; any class with them will do.

Recipes name methods that take these, so nothing is imported here at run time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer as BackendTokenizer
    from torch import Tensor, nn

    from distill.export.graph.config import ModelConfig


class Tokenizer(Protocol):
    """A fast tokenizer of transformers."""

    is_fast: bool
    pad_token_id: int | None
    unk_token_id: int | None
    mask_token: str | None
    all_special_ids: list[int]
    all_special_tokens: list[str]
    backend_tokenizer: BackendTokenizer

    def __call__(self, text: str | list[str], **options: Any) -> Any:
        """Return the encoding of a text or of several, with `input_ids` among its items."""
        ...

    def __len__(self) -> int:
        """Return the number of tokens, added ones included."""
        ...

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str | None]:
        """Return the token of each id; None for ids without a token."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        ...

    def save_pretrained(self, folder: Path) -> Any:
        """Write the files of the tokenizer."""
        ...


class Encoder(Protocol):
    """A transformer without a head: ids and mask ``(B, T)`` to hidden states ``(B, T, H)``."""

    config: ModelConfig
    embeddings: Any
    pooler: nn.Module | None

    def __call__(self, **inputs: Tensor) -> Any:
        """Return an output with `last_hidden_state` ``(B, T, H)``."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield all weights."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Yield all modules, itself included."""
        ...

    def to(self, device: torch.device) -> Self:
        """Move all weights to a device."""
        ...

    def save_pretrained(
        self, folder: Path, *, safe_serialization: bool, state_dict: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write weights, all or those that are given, and configuration."""
        ...
