"""The objective that a student minimises on ``(B, C)`` logits: a mix of its task's soft and hard losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from distill.export.runtime.errors import InputError
from distill.objectives.task_loss import TaskLoss

# student, teacher, targets, labelled -> one loss per row or per label, whose mean counts
LogitTerm = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """A mix of a soft and a hard term: ``soft_weight · soft + (1 - soft_weight) · hard``.

    Rows without gold labels (the transfer set) have only the soft term. `extra_terms` are further
    terms, each with its weight; they apply to all rows.

    Raises:
        InputError: the temperature is not above 0, or the soft weight is outside [0, 1].
    """

    losses: TaskLoss
    temperature: float = 2.0
    soft_weight: float = 0.7
    extra_terms: tuple[tuple[float, LogitTerm], ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"objective.temperature is {self.temperature}; it must be above 0.")
        if not 0 <= self.soft_weight <= 1:
            raise InputError(f"objective.soft_weight is {self.soft_weight}; it must be in [0, 1].")

    def __call__(self, student: Tensor, teacher: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
        """Return the mean loss over rows, a scalar.

        Args:
            student: the student's logits ``(B, C)``.
            teacher: the teacher's logits ``(B, C)``.
            targets: in the form of the task's losses, class ids ``(B,)`` or 0/1 ``(B, C)``; ignored for
                unlabelled rows.
            labelled: bool ``(B,)``, False for rows of the transfer set.
        """
        self._refuse_wrong_task(targets)
        soft = self.divergence(student, teacher)  # (B,)
        hard = self.losses.hard(student, targets.clamp(min=0))  # (B,)
        mixed = self.soft_weight * soft + (1 - self.soft_weight) * hard
        loss = torch.where(labelled, mixed, self.soft_weight * soft).mean()
        for weight, term in self.extra_terms:
            loss = loss + weight * term(student, teacher, targets, labelled).mean()
        return loss

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the soft term alone, per row: ``(B, C), (B, C) -> (B,)``."""
        return self.losses.soft(student, teacher, self.temperature)

    def _refuse_wrong_task(self, targets: Tensor) -> None:
        expected = self.losses.target_axes
        if targets.ndim != expected:
            raise InputError(
                f"{self.losses.kind} targets have {expected} dimension(s), got {targets.ndim}. "
                "Build the objective for the corpus's task."
            )
