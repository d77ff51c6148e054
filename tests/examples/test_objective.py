"""The example of an objective in CONTRIBUTING: one more term on logits, with a known gradient."""

import pytest
import torch
from torch import Tensor

from distill.objectives.mixed import LogitTerm, Objective
from distill.objectives.task_loss import LOSSES


# An objective term is a pure function on logits: it knows no recipe, no model and no file.
def confidence_penalty(student: Tensor) -> Tensor:
    """Return the negative entropy of a student's probabilities: ``(B, C) -> (B,)``.

    It is 0 for a student that is certain, and -ln C for one that is not (Pereyra et al., arXiv 1701.06548).
    """
    log_p = student.float().log_softmax(dim=-1)
    return (log_p.exp() * log_p).sum(dim=-1)


# What an objective calls gets teacher, targets and which rows are labelled too.
def penalty_term(student: Tensor, _teacher: Tensor, _targets: Tensor, _labelled: Tensor) -> Tensor:
    return confidence_penalty(student)


def test_it_is_zero_for_certainty_and_minus_ln_c_for_none() -> None:
    certain, uniform = torch.tensor([[40.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4)
    assert confidence_penalty(certain).item() == pytest.approx(0, abs=1e-6)
    assert confidence_penalty(uniform).item() == pytest.approx(-torch.log(torch.tensor(4.0)).item())


def test_finite_differences_agree_with_its_gradient() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    exact = logits.log_softmax(-1)
    (exact.exp() * exact).sum().backward()
    mine = torch.autograd.grad(confidence_penalty(logits).sum(), logits)[0]
    assert logits.grad is not None
    assert torch.allclose(mine.double(), logits.grad, atol=1e-6)


def test_the_mixed_objective_takes_it_with_its_weight() -> None:
    term: LogitTerm = penalty_term
    student, teacher = torch.randn(5, 4), torch.randn(5, 4)
    targets, labelled = torch.randint(0, 4, (5,)), torch.tensor([True, True, False, True, False])
    losses = LOSSES["single_label"]
    plain = Objective(losses)(student, teacher, targets, labelled)
    more = Objective(losses, 2.0, 0.7, ((0.1, term),))(student, teacher, targets, labelled)
    assert (more - plain).item() == pytest.approx(0.1 * confidence_penalty(student).mean().item(), abs=1e-6)
