"""Further terms on a teacher's logits beside their softened divergence: pure functions on ``(B, C)`` logits.

Decoupled KD (Zhao et al., arXiv 2203.08679), logit standardisation (Sun et al., arXiv 2403.01427) and the two
correlations of DIST (Huang et al., arXiv 2205.10536). All arithmetic is in float32, whatever autocast chose for
the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.objectives.mixed import LogitTerm
from distill.objectives.task_loss import TaskLoss, softmax_kl
from distill.recipe.student import ObjectiveRecipe

# Below it a row or a label varies by little more than float32 rounds, and dividing by that would amplify both its
# noise and the gradients of everything else.
LEAST_SPREAD = 1e-4


def decoupled_kl(
    student: Tensor, teacher: Tensor, targets: Tensor, temperature: float, alpha: float, beta: float
) -> Tensor:
    """Return T² · (alpha · TCKD + beta · NCKD), per row: ``(B, C), (B, C), (B,) -> (B,)``.

    TCKD is the KL divergence of target against all others, NCKD that among the others. Plain KL is their sum with
    beta = 1 - p(target), which suppresses a confident teacher's knowledge of the other classes.
    """
    is_target = F.one_hot(targets.long(), student.shape[-1]).bool()  # (B, C)
    (target_p, others_p), (target_q, others_q) = (
        _decoupled(logits.float() / temperature, is_target) for logits in (teacher, student)
    )
    target_class = (target_p.exp() * (target_p - target_q)).sum(dim=-1)  # (B,)
    other_classes = (others_p.exp() * (others_p - others_q)).sum(dim=-1)  # (B,)
    return temperature**2 * (alpha * target_class + beta * other_classes)


def _decoupled(logits: Tensor, is_target: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of target and not target ``(B, 2)``, and those among the others ``(B, C - 1)``."""
    rows, classes = logits.shape
    others = logits[~is_target].view(rows, classes - 1)
    both = torch.stack([logits[is_target], others.logsumexp(dim=-1)], dim=-1)  # (B, 2)
    return F.log_softmax(both, dim=-1), F.log_softmax(others, dim=-1)


def decoupled_term(
    student: Tensor,
    teacher: Tensor,
    targets: Tensor,
    labelled: Tensor,
    *,
    temperature: float,
    alpha: float,
    beta: float,
) -> Tensor:
    """Return `decoupled_kl` ``(B,)``; the target of a row without a gold label is the teacher's first choice."""
    chosen = torch.where(labelled, targets.long(), teacher.argmax(dim=-1))
    return decoupled_kl(student, teacher, chosen, temperature, alpha, beta)


def standardise(logits: Tensor) -> Tensor:
    """Return each row's z-scores, in units of its standard deviation: ``(B, C) -> (B, C)``."""
    centred = logits.float() - logits.float().mean(dim=-1, keepdim=True)
    spread = centred.square().mean(dim=-1, keepdim=True)
    return centred / (spread + LEAST_SPREAD**2).sqrt()


def standardised_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return `softmax_kl` of standardised logits, per row: ``(B, C), (B, C) -> (B,)``.

    The student need not match the range of the teacher's logits, only their relations. This is for single-label
    tasks alone: a softmax ignores a row's mean, but per-label sigmoids depend on it. The mean encodes how many
    labels a text has, down to none, and standardising removes it.
    """
    return softmax_kl(standardise(student), standardise(teacher), temperature)


def inter_class_distance(student: Tensor, teacher: Tensor, temperature: float, losses: TaskLoss) -> Tensor:
    """Return T² · (1 - Pearson correlation over the labels of a row): ``(B, C), (B, C) -> (B,)``.

    The correlation is of softened probabilities: a softmax for single-label, a sigmoid per label for multi-label.
    """
    q, p = (losses.probabilities(logits, temperature) for logits in (student, teacher))
    return temperature**2 * (1 - pearson(q, p))


def intra_class_distance(student: Tensor, teacher: Tensor, temperature: float, losses: TaskLoss) -> Tensor:
    """Return T² · (1 - Pearson correlation over the rows of a batch), per label: ``(B, C), (B, C) -> (C,)``."""
    q, p = (losses.probabilities(logits, temperature) for logits in (student, teacher))
    return temperature**2 * (1 - pearson(q.T, p.T))


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation over the last dimension, near 0 if one hardly varies: ``(N, M), (N, M) -> (N,)``."""
    first_unit, second_unit = (
        centred / centred.norm(dim=-1, keepdim=True).clamp(min=LEAST_SPREAD)
        for centred in (values - values.mean(dim=-1, keepdim=True) for values in (first, second))
    )
    correlation: Tensor = (first_unit * second_unit).sum(dim=-1)
    return correlation


@dataclass(frozen=True)
class _OfLogits:
    """A term that reads neither targets nor which rows have them."""

    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, student: Tensor, teacher: Tensor, _targets: Tensor, _labelled: Tensor) -> Tensor:
        """Return the term of the logits."""
        return self.function(student, teacher)


def logit_terms(recipe: ObjectiveRecipe, losses: TaskLoss) -> tuple[tuple[float, LogitTerm], ...]:
    """Return the enabled terms of a recipe beside soft and hard, each with its weight."""
    heat = recipe.temperature
    decoupled = partial(decoupled_term, temperature=heat, alpha=recipe.decoupled_alpha, beta=recipe.decoupled_beta)

    terms: tuple[tuple[float, LogitTerm], ...] = (
        (recipe.decoupled_weight, decoupled),
        (recipe.standardised_weight, _OfLogits(partial(standardised_kl, temperature=heat))),
        (recipe.inter_class_weight, _OfLogits(partial(inter_class_distance, temperature=heat, losses=losses))),
        (recipe.intra_class_weight, _OfLogits(partial(intra_class_distance, temperature=heat, losses=losses))),
    )
    return tuple((weight, term) for weight, term in terms if weight)
