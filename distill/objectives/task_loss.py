"""The losses of each kind of task on ``(B, C)`` logits, one final class per kind.

The soft term is the temperature-squared KL divergence of Hinton et al., "Distilling the Knowledge in a
Neural Network" (arXiv 1503.02531). For multi-label tasks each label is a Bernoulli variable of its own. Both
terms are summed over labels, so that their balance does not change with the number of labels. All arithmetic is in
float32, whatever autocast chose for the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, final

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² · KL(teacher ‖ student) of the softened distributions, per row: ``(B, C), (B, C) -> (B,)``."""
    log_p = F.log_softmax(teacher.float() / temperature, dim=-1)
    log_q = F.log_softmax(student.float() / temperature, dim=-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def bernoulli_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² · Σ over labels of KL(teacher ‖ student) of softened sigmoids, per row: ``(B,)``."""
    t, s = teacher.float() / temperature, student.float() / temperature
    p = torch.sigmoid(t)
    positive = p * (F.logsigmoid(t) - F.logsigmoid(s))
    negative = (1 - p) * (F.logsigmoid(-t) - F.logsigmoid(-s))
    return temperature**2 * (positive + negative).sum(dim=-1)


def cross_entropy(student: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Return cross-entropy with integer targets, per row: ``(B, C), (B,) -> (B,)``."""
    return F.cross_entropy(student.float(), targets.long(), weight=class_weights, reduction="none")


def binary_cross_entropy(student: Tensor, targets: Tensor, positive_weights: Tensor | None = None) -> Tensor:
    """Return binary cross-entropy summed over labels, per row: ``(B, C), (B, C) -> (B,)``."""
    loss = F.binary_cross_entropy_with_logits(
        student.float(), targets.float(), pos_weight=positive_weights, reduction="none"
    )
    return loss.sum(dim=-1)


class TaskLoss(Protocol):
    """The losses of one kind of task.

    `target_dtype` is the type of a batch's targets, which have `target_axes` dimensions.
    """

    kind: ClassVar[str]
    target_dtype: ClassVar[torch.dtype]
    target_axes: ClassVar[int]

    def hard(self, student: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss on gold labels, per row ``(B,)``; `weights` ``(C,)`` are higher for rarer labels."""
        ...

    def soft(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the divergence from a teacher's logits, per row ``(B,)``, times T squared."""
        ...

    def probabilities(self, logits: Tensor, temperature: float) -> Tensor:
        """Return softened probabilities: ``(B, C) -> (B, C)``."""
        ...


@final
@dataclass(frozen=True)
class SingleLabelLoss:
    """Losses of single-label tasks; targets are class ids ``(B,)``."""

    kind: ClassVar[str] = "single_label"
    target_dtype: ClassVar[torch.dtype] = torch.int64
    target_axes: ClassVar[int] = 1

    def hard(self, student: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return cross-entropy, each row multiplied by the weight of its label."""
        return cross_entropy(student, targets, weights)

    def soft(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the KL divergence of softmaxes."""
        return softmax_kl(student, teacher, temperature)

    def probabilities(self, logits: Tensor, temperature: float) -> Tensor:
        """Return a softmax per row."""
        return (logits.float() / temperature).softmax(dim=-1)


@final
@dataclass(frozen=True)
class MultiLabelLoss:
    """Losses of multi-label tasks; targets are 0/1 ``(B, C)``."""

    kind: ClassVar[str] = "multi_label"
    target_dtype: ClassVar[torch.dtype] = torch.float32
    target_axes: ClassVar[int] = 2

    def hard(self, student: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return binary cross-entropy, positives multiplied by the square roots of the weights.

        The weights themselves would outweigh BCE's many negatives.
        """
        return binary_cross_entropy(student, targets, None if weights is None else weights.sqrt())

    def soft(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the KL divergences of each label's Bernoulli variable, summed."""
        return bernoulli_kl(student, teacher, temperature)

    def probabilities(self, logits: Tensor, temperature: float) -> Tensor:
        """Return a sigmoid per label."""
        return (logits.float() / temperature).sigmoid()


@final
@dataclass(frozen=True)
class OrdinalLoss:
    """Targets are levels ``(B,)``; logits are those of the cuts between them, ``(B, C - 1)``.

    As CORAL (Cao, Mirjalili & Raschka 2020, arXiv 1901.07884): each cut is a Bernoulli variable, whether the row
    is above it.
    """

    kind: ClassVar[str] = "ordinal"
    target_dtype: ClassVar[torch.dtype] = torch.int64
    target_axes: ClassVar[int] = 1

    def hard(self, student: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return binary cross-entropy summed over cuts, each row multiplied by the weight of its level."""
        cuts = torch.arange(student.shape[-1], device=student.device)
        loss = binary_cross_entropy(student, targets[:, None] > cuts)
        return loss if weights is None else loss * weights[targets]

    def soft(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the KL divergences of each cut's Bernoulli variable, summed."""
        return bernoulli_kl(student, teacher, temperature)

    def probabilities(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the probability of being above each cut."""
        return (logits.float() / temperature).sigmoid()


LOSSES: Mapping[str, TaskLoss] = {
    "multi_label": MultiLabelLoss(),
    "single_label": SingleLabelLoss(),
    "ordinal": OrdinalLoss(),
}
