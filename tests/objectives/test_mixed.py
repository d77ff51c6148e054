"""The losses against closed forms, a slow oracle and finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.export.runtime.errors import InputError
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import (
    LOSSES,
    bernoulli_kl,
    binary_cross_entropy,
    cross_entropy,
    softmax_kl,
)

SINGLE, MULTI = LOSSES["single_label"], LOSSES["multi_label"]


def slow_bernoulli_kl(s: float, t: float, temperature: float) -> float:
    p = 1 / (1 + math.exp(-t / temperature))
    q = 1 / (1 + math.exp(-s / temperature))
    return temperature**2 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))


@settings(max_examples=50, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(0.5, 8))
def test_bernoulli_kl_matches_the_slow_oracle(s, t, temperature):
    got = bernoulli_kl(torch.tensor([[s]]), torch.tensor([[t]]), temperature).item()
    assert got == pytest.approx(slow_bernoulli_kl(s, t, temperature), rel=1e-3, abs=2e-4)


def test_two_class_softmax_is_one_bernoulli_label():
    s, t = torch.randn(6, 1), torch.randn(6, 1)
    as_softmax = softmax_kl(torch.cat([s, -s], 1) / 2, torch.cat([t, -t], 1) / 2, 3.0)
    assert torch.allclose(as_softmax, bernoulli_kl(s, t, 3.0), atol=1e-5)


@pytest.mark.parametrize("divergence", [softmax_kl, bernoulli_kl])
def test_soft_gradient_is_zero_where_student_equals_teacher(divergence):
    logits = torch.randn(4, 5)
    student = logits.clone().requires_grad_()
    divergence(student, logits, 2.0).sum().backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-5


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
def test_gradient_matches_finite_differences(kind):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 3), torch.randn(2, 3)
    targets = torch.tensor([0, 2]) if kind is SINGLE else torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    objective = Objective(kind)
    labelled = torch.tensor([True, True])
    x = student.clone().requires_grad_()
    objective(x, teacher, targets, labelled).backward()
    step = 1e-2
    for i in range(2):
        for j in range(3):
            up, down = student.clone(), student.clone()
            up[i, j] += step
            down[i, j] -= step
            slope = (objective(up, teacher, targets, labelled) - objective(down, teacher, targets, labelled)) / (
                2 * step
            )
            assert slope.item() == pytest.approx(x.grad[i, j].item(), abs=2e-3)


@pytest.mark.parametrize("copies", [2, 10])
def test_balance_of_soft_and_hard_does_not_move_with_the_number_of_labels(copies):
    torch.manual_seed(1)
    s, t, y = torch.randn(5, 3), torch.randn(5, 3), torch.randint(0, 2, (5, 3)).float()
    labelled = torch.ones(5, dtype=torch.bool)

    def terms(n):
        args = (s.repeat(1, n), t.repeat(1, n), y.repeat(1, n), labelled)
        soft, hard = Objective(MULTI, soft_weight=1.0)(*args), Objective(MULTI, soft_weight=0.0)(*args)
        return (soft / hard).item()

    assert terms(copies) == pytest.approx(terms(1), rel=1e-4)


def test_transfer_rows_have_only_the_soft_term():
    s, t = torch.randn(1, 4), torch.randn(1, 4)
    loss = Objective(MULTI, soft_weight=0.7)(s, t, torch.full((1, 4), -1.0), torch.tensor([False]))
    assert loss.item() == pytest.approx(0.7 * bernoulli_kl(s, t, 2.0).item(), rel=1e-5)


@pytest.mark.parametrize("term", ["softmax_kl", "bernoulli_kl", "cross_entropy", "binary_cross_entropy"])
def test_all_terms_are_float32_under_autocast_and_equal_float64(term):
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 4) * 3, torch.randn(6, 4) * 3
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])

    def compute(dtype):
        s, t = student.to(dtype), teacher.to(dtype)
        match term:
            case "softmax_kl":
                p, q = (t / 2).softmax(-1), (s / 2).softmax(-1)
                return softmax_kl(student, teacher, 2.0), 4 * (p * (p / q).log()).sum(-1)
            case "bernoulli_kl":
                p, q = (t / 2).sigmoid(), (s / 2).sigmoid()
                cells = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
                return bernoulli_kl(student, teacher, 2.0), 4 * cells.sum(-1)
            case "cross_entropy":
                gold = torch.tensor([0, 1, 2, 3, 1, 0])
                by_hand = -s.softmax(-1).log()[torch.arange(6), gold] * weights.to(dtype)[gold]
                return cross_entropy(student, gold, weights), by_hand
        gold = (teacher > 0).float()
        cells = -(weights.to(dtype) * gold * s.sigmoid().log() + (1 - gold) * (-s).sigmoid().log())
        return binary_cross_entropy(student, gold, weights), cells.sum(-1)

    with torch.autocast("cpu", torch.bfloat16):
        found, _ = compute(torch.float32)
    _, expected = compute(torch.float64)
    assert found.dtype is torch.float32
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_each_kind_weighs_rare_labels_in_its_own_way():
    weights, student = torch.tensor([4.0, 1.0]), torch.randn(3, 2)
    gold = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert torch.equal(MULTI.hard(student, gold, weights), binary_cross_entropy(student, gold, weights.sqrt()))
    ids = torch.tensor([0, 1, 0])
    assert torch.equal(SINGLE.hard(student, ids, weights), cross_entropy(student, ids, weights))


def test_wrong_targets_and_bad_values_are_refused():
    with pytest.raises(InputError, match="temperature"):
        Objective(MULTI, temperature=0)
    with pytest.raises(InputError, match="soft_weight"):
        Objective(MULTI, soft_weight=1.5)
    with pytest.raises(InputError, match="dimension"):
        Objective(SINGLE)(torch.randn(1, 2), torch.randn(1, 2), torch.zeros(1, 2), torch.tensor([True]))
