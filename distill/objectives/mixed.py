"""The objective that a student minimises on ``(B, C)`` logits: a mix of its task's soft and hard losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from distill.export.runtime.errors import InputError
from distill.objectives.task_loss import TaskLoss

# student, teacher, targets, labelled -> one loss a row or a label, of which the mean counts
LogitTerm = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """A mix of a soft and a hard term: ``soft_weight · soft + (1 - soft_weight) · hard``.

    Rows without gold labels (the transfer set) have only the soft term. `also` are further terms, each with its
    weight; all rows have them.

    Raises:
        InputError: a temperature that is not above 0 or a weight outside [0, 1].

    """

    losses: TaskLoss
    temperature: float = 2.0
    soft_weight: float = 0.7
    also: tuple[tuple[float, LogitTerm], ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"objective.temperature is {self.temperature}; it must be above 0.")
        if not 0 <= self.soft_weight <= 1:
            raise InputError(f"objective.soft_weight is {self.soft_weight}; it must lie in [0, 1].")

    def __call__(self, student: Tensor, teacher: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
        """Mean loss over rows, a scalar.

        Args:
            student: logits ``(B, C)``.
            teacher: logits ``(B, C)``.
            targets: as the task's losses want them, class ids ``(B,)`` or 0/1 ``(B, C)``; ignored where
                unlabelled.
            labelled: bool ``(B,)``, False for rows of the transfer set.

        """
        self._refuse_wrong_task(targets)
        soft = self.divergence(student, teacher)  # (B,)
        hard = self.losses.hard(student, targets.clamp(min=0))  # (B,)
        mixed = self.soft_weight * soft + (1 - self.soft_weight) * hard
        loss = torch.where(labelled, mixed, self.soft_weight * soft).mean()
        for weight, term in self.also:
            loss = loss + weight * term(student, teacher, targets, labelled).mean()
        return loss

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The soft term alone, a row: ``(B, C), (B, C) -> (B,)``."""
        return self.losses.soft(student, teacher, self.temperature)

    def _refuse_wrong_task(self, targets: Tensor) -> None:
        expected = self.losses.target_axes
        if targets.ndim != expected:
            raise InputError(
                f"{self.losses.kind} targets have {expected} dimension(s), got {targets.ndim}; "
                "build the objective for the corpus's task"
            )
