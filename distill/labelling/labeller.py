"""The interface of everything that labels rows: an encoder, a language model, a server that runs one."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from distill.evaluation.decision import Logits

Given_contra = TypeVar("Given_contra", contravariant=True)


class Labeller(Protocol[Given_contra]):
    """A teacher as a function of rows: texts, or their token ids.

    What it returns is raw: temperature belongs to the objective, and decisions are fitted on validation.
    """

    @property
    def identity(self) -> str:
        """The sha256 of everything that an answer depends on, as stored logits carry it."""
        ...

    def label(self, rows: Sequence[Given_contra]) -> Logits:
        """Return the raw logits or scores of rows, float32 ``(N, C)``, in the order of the task's labels.

        Raises:
            DistillError: the rows cannot be labelled.
        """
        ...
