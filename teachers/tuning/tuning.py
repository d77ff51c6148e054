"""The interface of a way to fine-tune few weights of a body."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from distill.teachers.protocols import Tokenizer


class Tuning(Protocol):
    """A method that trains few weights of a body; the head is trained as always and is none of its business.

    `option` names its one size among the arguments of `of`, None where it has none, and `usual` is that size's
    default. `learning_rate` is AdamW's default for its weights. `is_mergeable` says whether its weights become
    part of those of the body, so that a plain encoder is left.
    """

    method: ClassVar[str]
    option: ClassVar[str | None]
    usual: ClassVar[int | None]
    learning_rate: ClassVar[float]
    is_mergeable: ClassVar[bool]

    @classmethod
    def of(cls, options: Mapping[str, int | None]) -> Self:
        """Return the method with its size, or its usual one."""
        ...

    @property
    def options(self) -> Mapping[str, int]:
        """Return its size by the name of `option`."""
        ...

    def check(self, body: Any, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Refuse a body that the method cannot train.

        Args:
            body: a transformers encoder.
            tokenizer: its tokenizer.
            max_tokens: length at which rows are cut.

        Raises:
            InputError: the method has nothing to train in it, or a size does not fit it.
        """
        ...

    def prepare(self, model: Any, tokenizer: Tokenizer) -> Tokenizer:
        """Add the method's weights to the body of a classifier, in place, and let only these and the head learn.

        Fresh weights are drawn at random, so seed torch first.

        Args:
            model: a classifier with a body `encoder` and a `head`.
            tokenizer: its tokenizer.

        Returns:
            The tokenizer that the tuned model reads rows with.
        """
        ...

    def merge(self, model: Any) -> None:
        """Make the trained weights part of those of the body, in place; nothing where they cannot be merged."""
        ...
