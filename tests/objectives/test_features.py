"""What is matched token by token against loops in float64, for any padding, width and number of heads."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.objectives.features import log_relations, relation_distance, state_distance, uniform_layers

LENGTHS = (5, 3, 1)


def drawn(seed: int, width: int, lengths: tuple[int, ...] = LENGTHS) -> torch.Tensor:
    return torch.randn(len(lengths), max(lengths), width, generator=torch.Generator().manual_seed(seed))


def mask_of(lengths: tuple[int, ...] = LENGTHS) -> torch.Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def slow_relations(vectors: np.ndarray, heads: int) -> np.ndarray:
    """Of one row without padding: (T, H) -> (R, T, T)."""
    size = vectors.shape[1] // heads
    found = []
    for head in range(heads):
        part = vectors[:, head * size : (head + 1) * size]
        scores = np.array([[float(a @ b) / math.sqrt(size) for b in part] for a in part])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        found.append(powers / powers.sum(axis=1, keepdims=True))
    return np.array(found)


@pytest.mark.parametrize(("width", "teacher_width", "heads"), [(8, 12, 4), (8, 8, 1), (6, 12, 6)])
def test_relation_distance_matches_the_slow_oracle(width: int, teacher_width: int, heads: int) -> None:
    student = [drawn(seed, width) for seed in (1, 2, 3)]
    teacher = [drawn(seed, teacher_width) for seed in (4, 5, 6)]
    found = relation_distance(student, teacher, mask_of(), heads)
    for row, length in enumerate(LENGTHS):
        expected = 0.0
        for own, other in zip(student, teacher, strict=True):
            q = slow_relations(own[row, :length].double().numpy(), heads)
            p = slow_relations(other[row, :length].double().numpy(), heads)
            expected += sum(
                float((p[head, token] * np.log(p[head, token] / q[head, token])).sum())
                for head in range(heads)
                for token in range(length)
            ) / (heads * length)
        assert found[row].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_state_distance_matches_the_slow_oracle() -> None:
    student, teacher = drawn(1, 6), drawn(2, 6)
    found = state_distance(student, teacher, mask_of())
    for row, length in enumerate(LENGTHS):
        cells = [
            (float(student[row, token, place]) - float(teacher[row, token, place])) ** 2
            for token in range(length)
            for place in range(6)
        ]
        assert found[row].item() == pytest.approx(sum(cells) / len(cells), rel=1e-5)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 1000), st.floats(-1e4, 1e4))
def test_padding_never_counts(lengths: list[int], seed: int, junk: float) -> None:
    """Neither its values nor its gradient, nor how much of it there is."""
    shape = tuple(lengths)
    mask = mask_of(shape)
    student, teacher = drawn(seed, 8, shape), drawn(seed + 1, 8, shape)
    dirty = torch.where(mask[..., None] == 1, student, torch.full_like(student, junk)).requires_grad_()
    for distance in (
        lambda own: state_distance(own, teacher, mask),
        lambda own: relation_distance([own] * 3, [teacher] * 3, mask, 2),
    ):
        assert torch.allclose(distance(dirty), distance(student), rtol=1e-4, atol=1e-5)
        (gradient,) = torch.autograd.grad(distance(dirty).sum(), dirty)
        assert gradient.isfinite().all()
        assert gradient[mask == 0].abs().sum() == 0
    alone = [
        relation_distance([student[[row], :n]] * 3, [teacher[[row], :n]] * 3, mask[[row], :n], 2)
        for row, n in enumerate(lengths)
    ]
    together = relation_distance([student] * 3, [teacher] * 3, mask, 2)
    assert torch.allclose(torch.cat(alone), together, rtol=1e-4, atol=1e-5)


def test_relations_do_not_see_a_rotation_within_their_parts() -> None:
    """So no projection is needed: only how tokens relate is compared."""
    student, rotation = drawn(7, 8), torch.linalg.qr(torch.randn(4, 4))[0]
    turned = (student.view(3, 5, 2, 4) @ rotation).reshape(3, 5, 8)
    assert relation_distance([student] * 3, [turned] * 3, mask_of(), 2).abs().max() < 1e-5
    assert log_relations(student, mask_of(), 2).exp().sum(-1).allclose(torch.ones(3, 2, 5))


def test_both_are_float32_under_autocast() -> None:
    student, teacher = drawn(1, 8), drawn(2, 8)
    plain = relation_distance([student] * 3, [teacher] * 3, mask_of(), 4)
    with torch.autocast("cpu", torch.bfloat16):
        relations = relation_distance([student] * 3, [teacher] * 3, mask_of(), 4)
        states = state_distance(student.bfloat16(), teacher.bfloat16(), mask_of())
    assert relations.dtype is states.dtype is torch.float32
    assert torch.allclose(relations, plain, atol=1e-6)


@given(st.integers(1, 24), st.integers(1, 24))
def test_layers_are_spread_evenly_and_the_last_stands_by_the_last(student: int, teacher: int) -> None:
    pairs = uniform_layers(student, teacher)
    assert [own for own, _ in pairs] == list(range(student))
    others = [other for _, other in pairs]
    assert others == sorted(others)
    assert min(others) >= 0
    assert others[-1] == teacher - 1
    if teacher % student == 0:
        assert others == list(range(teacher // student - 1, teacher, teacher // student))
