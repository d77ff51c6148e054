"""The further terms on logits against loops in float64, closed forms and the papers' own identities."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.export.runtime.errors import InputError
from distill.objectives.logits import (
    decoupled_kl,
    decoupled_term,
    inter_class_distance,
    intra_class_distance,
    logit_terms,
    pearson,
    standardise,
    standardised_kl,
)
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES, TaskLoss, softmax_kl
from distill.recipe.load import load_recipe
from distill.recipe.student import ObjectiveRecipe

SINGLE, MULTI = LOSSES["single_label"], LOSSES["multi_label"]
ALL = torch.tensor([True] * 6)


def logits_of(seed: int, rows: int = 6, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    student, teacher = (3 * torch.randn(rows, classes, generator=drawn) for _ in range(2))
    return student, teacher, torch.randint(0, classes, (rows,), generator=drawn)


def slow_softmax(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def slow_decoupled(
    student: list[float], teacher: list[float], target: int, temperature: float, alpha: float, beta: float
) -> float:
    p, q = slow_softmax(teacher, temperature), slow_softmax(student, temperature)
    first = p[target] * math.log(p[target] / q[target])
    first += (1 - p[target]) * math.log((1 - p[target]) / (1 - q[target]))
    second = 0.0
    for place in range(len(p)):
        if place != target:
            ours, own = p[place] / (1 - p[target]), q[place] / (1 - q[target])
            second += ours * math.log(ours / own)
    return temperature**2 * (alpha * first + beta * second)


@given(st.integers(0, 10**6), st.floats(1, 6), st.floats(0, 4), st.floats(0, 10))
def test_decoupled_kd_matches_the_slow_oracle(seed: int, temperature: float, alpha: float, beta: float) -> None:
    student, teacher, targets = logits_of(seed)
    found = decoupled_kl(student, teacher, targets, temperature, alpha, beta)
    expected = [
        slow_decoupled(s, t, target, temperature, alpha, beta)
        for s, t, target in zip(student.tolist(), teacher.tolist(), targets.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_decoupled_kd_adds_up_to_plain_kl() -> None:
    """Equation 7 of the paper: KL = TCKD + (1 - p of the target) NCKD, whichever class is the target."""
    student, teacher, targets = logits_of(3)
    others = 1 - (teacher / 2).softmax(-1).gather(1, targets[:, None])[:, 0]
    target_class = decoupled_kl(student, teacher, targets, 2.0, 1.0, 0.0)
    other_classes = decoupled_kl(student, teacher, targets, 2.0, 0.0, 1.0)
    assert torch.allclose(target_class + others * other_classes, softmax_kl(student, teacher, 2.0), atol=1e-5)


def test_a_row_without_gold_takes_the_teachers_choice_as_target() -> None:
    student, teacher, targets = logits_of(5)
    labelled = torch.tensor([True, False] * 3)
    options = {"temperature": 2.0, "alpha": 1.0, "beta": 8.0}
    found = decoupled_term(student, teacher, targets, labelled, **options)
    gold = decoupled_kl(student, teacher, targets, 2.0, 1.0, 8.0)
    choice = decoupled_kl(student, teacher, teacher.argmax(-1), 2.0, 1.0, 8.0)
    assert torch.equal(found, torch.where(labelled, gold, choice))


def test_z_scores_are_numpys() -> None:
    logits, _, _ = logits_of(1)
    values = logits.double().numpy()
    expected = (values - values.mean(-1, keepdims=True)) / values.std(-1, keepdims=True)
    np.testing.assert_allclose(standardise(logits).numpy(), expected, atol=1e-5)
    assert standardise(torch.full((2, 3), 7.0)).abs().max() == 0


@given(st.integers(0, 10**6), st.floats(0.1, 20), st.floats(-30, 30))
def test_standardised_kl_sees_neither_shift_nor_scale(seed: int, scale: float, shift: float) -> None:
    _, teacher, _ = logits_of(seed)
    assert standardised_kl(scale * teacher + shift, teacher, 2.0).abs().max() < 1e-3


def test_standardised_kl_is_the_kl_of_z_scores() -> None:
    student, teacher, _ = logits_of(2)
    p, q = ((row - row.mean()) / row.std(correction=0) / 3 for row in (teacher[0].double(), student[0].double()))
    expected = 9 * (p.softmax(-1) * (p.softmax(-1) / q.softmax(-1)).log()).sum()
    assert standardised_kl(student, teacher, 3.0)[0].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
def test_both_correlations_are_numpys(kind: TaskLoss) -> None:
    student, teacher, _ = logits_of(4)
    if kind is SINGLE:
        own, teachers = (np.array([slow_softmax(r, 2.0) for r in x.tolist()]) for x in (student, teacher))
    else:
        own, teachers = (1 / (1 + np.exp(-x.double().numpy() / 2)) for x in (student, teacher))
    rows = [4 * (1 - np.corrcoef(own[row], teachers[row])[0, 1]) for row in range(6)]
    labels = [4 * (1 - np.corrcoef(own[:, label], teachers[:, label])[0, 1]) for label in range(4)]
    np.testing.assert_allclose(inter_class_distance(student, teacher, 2.0, kind).numpy(), rows, atol=1e-4)
    np.testing.assert_allclose(intra_class_distance(student, teacher, 2.0, kind).numpy(), labels, atol=1e-4)


def test_what_does_not_vary_correlates_with_nothing_and_has_no_wild_gradient() -> None:
    """A batch of one row has no correlation over rows."""
    student = torch.randn(1, 4, requires_grad=True)
    intra_class_distance(student, torch.randn(1, 4), 2.0, MULTI).mean().backward()
    assert student.grad is not None
    assert student.grad.abs().max() == 0
    assert pearson(torch.ones(1, 3), torch.randn(1, 3)).item() == 0


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
@pytest.mark.parametrize("weight", ["inter_class_weight", "intra_class_weight", "standardised_weight"])
def test_a_student_that_says_the_same_of_everything_is_pulled_gently(kind: TaskLoss, weight: str) -> None:
    """Before it has learnt anything; the mean of equal float32 numbers is not always equal to them."""
    student = (torch.full((33, 7), 0.7) + 1e-7 * torch.randn(33, 7)).requires_grad_()
    ((_, term),) = logit_terms(ObjectiveRecipe.model_validate({weight: 1.0}), kind)
    loss = term(student, torch.randn(33, 7), torch.zeros(33), torch.ones(33).bool()).mean()
    loss.backward()
    assert student.grad is not None
    assert loss.isfinite()
    assert student.grad.abs().max() < 1e4


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=9), st.floats(0.5, 5), st.floats(-5, 5))
def test_a_line_correlates_fully(values: list[float], slope: float, shift: float) -> None:
    first = torch.tensor([values])
    if first.std() > 0.1:
        assert pearson(first, slope * first + shift).item() == pytest.approx(1, abs=1e-3)
        assert pearson(first, shift - slope * first).item() == pytest.approx(-1, abs=1e-3)


WEIGHTS = ("decoupled_weight", "standardised_weight", "inter_class_weight", "intra_class_weight")


@pytest.mark.parametrize("weight", WEIGHTS)
def test_each_term_is_float32_under_autocast_and_has_no_pull_at_the_teacher(weight: str) -> None:
    student, teacher, targets = logits_of(8)
    ((_, term),) = logit_terms(ObjectiveRecipe(**{weight: 1.0}), SINGLE)
    with torch.autocast("cpu", torch.bfloat16):
        found = term(student, teacher, targets, ALL)
    assert found.dtype is torch.float32
    assert torch.allclose(found, term(student, teacher, targets, ALL), atol=1e-6)
    same = teacher.clone().requires_grad_()
    term(same, teacher, targets, ALL).mean().backward()
    assert same.grad is not None
    assert same.grad.abs().max() < 1e-4


def test_an_objective_adds_its_terms_by_weight_also_where_nothing_is_labelled() -> None:
    student, teacher, targets = logits_of(9)
    recipe = ObjectiveRecipe(decoupled_weight=0.5, inter_class_weight=2.0)
    terms = logit_terms(recipe, SINGLE)
    assert [weight for weight, _ in terms] == [0.5, 2.0]
    none = ~ALL
    found = Objective(SINGLE, 2.0, 0.7, terms)(student, teacher, targets, none)
    expected = Objective(SINGLE, 2.0, 0.7)(student, teacher, targets, none)
    expected += 0.5 * decoupled_kl(student, teacher, teacher.argmax(-1), 2.0, 1.0, 8.0).mean()
    expected += 2.0 * inter_class_distance(student, teacher, 2.0, SINGLE).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert logit_terms(ObjectiveRecipe(), SINGLE) == ()


@pytest.mark.parametrize("weight", ["decoupled_weight", "standardised_weight"])
def test_terms_for_one_label_a_row_are_refused_where_there_are_several(weight: str) -> None:
    with pytest.raises(InputError, match=f"objective: {weight} is for single_label corpora: .*Set it to 0"):
        load_recipe("smoke", [f"objective.{weight}=1"])
    load_recipe("smoke", ["objective.intra_class_weight=1", "objective.inter_class_weight=1"])


def test_a_term_that_is_off_is_no_input_of_the_student() -> None:
    assert ObjectiveRecipe(temperature=3.0, decoupled_beta=2.0, relation_heads=4).terms() == {}
    found = ObjectiveRecipe(hidden_weight=1.0, relation_heads=4, layer_map=[(0, 1)]).terms()
    assert found == {"hidden_weight": 1.0, "layer_map": [[0, 1]]}
