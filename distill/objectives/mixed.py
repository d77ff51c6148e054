"""What a student minimises: pure functions on ``(B, C)`` logits, and one thin class that mixes them.

The soft term is the temperature-squared KL divergence of Hinton et al., "Distilling the Knowledge in a
Neural Network" (arXiv 1503.02531). For multi-label tasks each label is a Bernoulli variable of its own. Both
terms are summed over labels, so that their balance does not change with the number of labels, then averaged
over rows. All arithmetic is in float32, whatever autocast chose for the network.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.corpora.task import TaskKind
from distill.export.runtime.errors import InputError

# student, teacher, targets, labelled -> one loss a row or a label, of which the mean counts
LogitTerm = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def softmax_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ student) of the softened distributions, a row: ``(B, C), (B, C) -> (B,)``."""
    log_p = F.log_softmax(teacher.float() / temperature, dim=-1)
    log_q = F.log_softmax(student.float() / temperature, dim=-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def bernoulli_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · Σ over labels of KL(teacher ‖ student) of softened sigmoids, a row: ``(B, C), (B, C) -> (B,)``."""
    t, s = teacher.float() / temperature, student.float() / temperature
    p = torch.sigmoid(t)
    positive = p * (F.logsigmoid(t) - F.logsigmoid(s))
    negative = (1 - p) * (F.logsigmoid(-t) - F.logsigmoid(-s))
    return temperature**2 * (positive + negative).sum(dim=-1)


def cross_entropy(student: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy with integer targets, a row: ``(B, C), (B,) -> (B,)``."""
    return F.cross_entropy(student.float(), targets.long(), weight=class_weights, reduction="none")


def binary_cross_entropy(student: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy summed over labels, a row: ``(B, C), (B, C) -> (B,)``; weights: positives."""
    loss = F.binary_cross_entropy_with_logits(
        student.float(), targets.float(), pos_weight=class_weights, reduction="none"
    )
    return loss.sum(dim=-1)


def hard_loss(student: Tensor, targets: Tensor, kind: TaskKind, class_weights: Tensor | None = None) -> Tensor:
    """The task's loss against gold labels, a row: ``(B,)``."""
    per_row = cross_entropy if kind is TaskKind.SINGLE_LABEL else binary_cross_entropy
    return per_row(student, targets, class_weights)


@dataclass(frozen=True)
class Objective:
    """A mix of a soft and a hard term: ``soft_weight · soft + (1 - soft_weight) · hard``.

    Rows without gold labels (the transfer set) have only the soft term. `also` are further terms, each with its
    weight; all rows have them.

    Raises:
        InputError: a temperature that is not above 0 or a weight outside [0, 1].

    """

    kind: TaskKind
    temperature: float = 2.0
    soft_weight: float = 0.7
    also: tuple[tuple[float, LogitTerm], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.kind, TaskKind):
            raise InputError(f"an objective is for a TaskKind, got {type(self.kind).__name__}")
        if not self.temperature > 0:
            raise InputError(f"objective.temperature is {self.temperature}; it must be above 0.")
        if not 0 <= self.soft_weight <= 1:
            raise InputError(f"objective.soft_weight is {self.soft_weight}; it must lie in [0, 1].")

    def __call__(self, student: Tensor, teacher: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
        """Mean loss over rows, a scalar.

        Args:
            student: logits ``(B, C)``.
            teacher: logits ``(B, C)``.
            targets: class ids ``(B,)`` for single-label, 0/1 ``(B, C)`` for multi-label; ignored
                where unlabelled.
            labelled: bool ``(B,)``, False for rows of the transfer set.

        """
        self._refuse_wrong_task(targets)
        soft = self.divergence(student, teacher)  # (B,)
        hard = hard_loss(student, targets.clamp(min=0), self.kind)  # (B,)
        mixed = self.soft_weight * soft + (1 - self.soft_weight) * hard
        loss = torch.where(labelled, mixed, self.soft_weight * soft).mean()
        for weight, term in self.also:
            loss = loss + weight * term(student, teacher, targets, labelled).mean()
        return loss

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The soft term alone, a row: ``(B, C), (B, C) -> (B,)``."""
        divergence = softmax_kl if self.kind is TaskKind.SINGLE_LABEL else bernoulli_kl
        return divergence(student, teacher, self.temperature)

    def _refuse_wrong_task(self, targets: Tensor) -> None:
        expected = 1 if self.kind is TaskKind.SINGLE_LABEL else 2
        if targets.ndim != expected:
            raise InputError(
                f"{self.kind.value} targets have {expected} dimension(s), got {targets.ndim}; "
                "build the objective for the corpus's task"
            )
