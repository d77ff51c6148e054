"""Narrower feed-forward blocks: the neurons that write most stay, and what they write is fitted again."""

import pytest
import torch

from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.students.layers import LayersFamily
from distill.students.networks.layers import layers_student
from distill.students.shape import dimensions_of
from distill.teachers.bodies import layers_of, parts_of
from distill.teachers.encoder import Pooling
from distill.training.preflight import check_models
from tests.support.tiny_models import tiny_classifier

BODIES = ("bert", "roberta", "distilbert")
IDS = torch.tensor([[5, 9, 12, 30, 7], [5, 8, 7, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
DRAW = torch.Generator().manual_seed(3)
TEXTS = [(torch.randint(5, 40, (8, 12), generator=DRAW), torch.ones(8, 12, dtype=torch.long)) for _ in range(6)]


def student(teacher, neurons, texts=TEXTS):
    made = layers_student(teacher, [0, 2], pooling=Pooling.MEAN, dropout=0.0, neurons=neurons, texts=texts)
    return made.eval()


def without(teacher, dead):
    """Silence all neurons but some; returns those that are left."""
    neurons = dimensions_of(teacher.config).intermediate
    left = [number for number in range(neurons) if number not in dead]
    with torch.no_grad():
        for layer in layers_of(teacher.encoder):
            parts_of(teacher.encoder, layer).ffn_output.weight[:, dead] = 0
    return left


@pytest.mark.parametrize("body", BODIES)
def test_neurons_that_write_nothing_are_not_missed(body):
    teacher = tiny_classifier(body)
    left = without(teacher, list(range(0, dimensions_of(teacher.config).intermediate, 2)))
    narrow, wide = student(teacher, len(left)), student(teacher, None)
    torch.testing.assert_close(narrow(IDS, MASK), wide(IDS, MASK), rtol=0, atol=1e-5)
    for source, target in zip((0, 2), layers_of(narrow.encoder), strict=True):
        kept = parts_of(narrow.encoder, target).ffn_up.weight
        whole = parts_of(teacher.encoder, layers_of(teacher.encoder)[source]).ffn_up.weight
        torch.testing.assert_close(kept, whole[left])


def test_the_fit_is_nearer_than_leaving_neurons_out():
    teacher = tiny_classifier()
    neurons = dimensions_of(teacher.config).intermediate // 2
    with torch.no_grad():  # neurons that say the same, so that those that stay can stand in
        for layer in layers_of(teacher.encoder):
            parts = parts_of(teacher.encoder, layer)
            parts.ffn_up.weight[neurons:] = parts.ffn_up.weight[:neurons]
            parts.ffn_up.bias[neurons:] = parts.ffn_up.bias[:neurons]
            parts.ffn_output.weight.mul_(5)
    wide, fitted = student(teacher, None), student(teacher, neurons)
    left_out = student(teacher, neurons)
    with torch.no_grad():
        for layer, source in zip(layers_of(left_out.encoder), (0, 2), strict=True):
            parts = parts_of(left_out.encoder, layer)
            whole = parts_of(teacher.encoder, layers_of(teacher.encoder)[source])
            places = [int((whole.ffn_up.bias == bias).nonzero()[0]) for bias in parts.ffn_up.bias]
            parts.ffn_output.weight.copy_(whole.ffn_output.weight[:, places])
            parts.ffn_output.bias.copy_(whole.ffn_output.bias)
    errors = [float((model(IDS, MASK) - wide(IDS, MASK)).abs().max()) for model in (fitted, left_out)]
    assert errors[0] < errors[1] / 5


def test_without_texts_the_shape_is_the_same():
    teacher = tiny_classifier()
    drawn = student(teacher, 8, texts=())
    assert dimensions_of(drawn.config).intermediate == 8
    assert torch.isfinite(drawn(IDS, MASK)).all()


def test_more_neurons_than_the_teacher_has_are_refused():
    teacher = tiny_classifier()
    most = dimensions_of(teacher.config).intermediate
    with pytest.raises(InputError, match=f"`feed_forward` is {most + 1}, but the teacher's blocks have {most}"):
        student(teacher, most + 1)
    recipe = load_recipe(
        "smoke", ["student.kind=layers", "student.layers=[0]", f"student.feed_forward={most + 1}"]
    )
    with pytest.raises(InputError, match="`feed_forward` is"):
        check_models(recipe, teacher.config)


def test_a_plan_keeps_them():
    values = {"layers": [0, 2], "depth": 2, "feed_forward": 16}
    family = LayersFamily.of(values)
    assert family.values == {"kind": "layers", "layers": [0, 2], "feed_forward": 16}
    teacher = dimensions_of(tiny_classifier().config)
    assert family.dimensions(teacher).intermediate == 16
    assert {each.feed_forward for each in family.candidates(teacher, named=True)} == {16}
    assert {each.feed_forward for each in family.candidates(teacher, named=False)} == {None}
