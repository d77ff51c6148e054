"""Averages of teachers against closed forms; members and temperatures from recipes and logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.errors import InputError
from distill.labelling.ensemble import average_logits
from distill.recipe.ensemble import members_of
from distill.recipe.load import parse_recipe
from tests.support.drawn_cases import MULTI, SINGLE, scores_of, task_for

KINDS = st.sampled_from([SINGLE, MULTI])


def evaluator(kind):
    return evaluator_of(task_for(kind, 4))


def logits(seed: int, members: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 3, (7, 4)).astype(np.float32) for _ in range(members)]


@given(st.integers(0, 999), st.integers(2, 4), KINDS)
def test_averaged_probabilities_are_the_mean_of_the_members_scores(seed, members, kind):
    values = logits(seed, members)
    mean = np.mean([scores_of(one.astype(np.float64), kind) for one in values], axis=0)
    found = scores_of(average_logits(values, [1.0] * members, evaluator(kind), "probabilities"), kind)
    assert np.allclose(found, mean, atol=1e-5)


@given(st.integers(0, 999), st.integers(2, 4), KINDS)
def test_averaged_logits_are_the_mean_of_the_tempered_ones(seed, members, kind):
    values, temperatures = logits(seed, members), [1.0 + index for index in range(members)]
    slow = sum(one.astype(np.float64) / (1 + index) for index, one in enumerate(values)) / members
    assert np.allclose(average_logits(values, temperatures, evaluator(kind), "logits"), slow, atol=1e-5)


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
@pytest.mark.parametrize("how", ["logits", "probabilities"])
def test_one_teacher_stays_as_it_is_to_the_bit(kind, how):
    (values,) = logits(3, 1)
    assert average_logits([values], [1.0], evaluator(kind), how) is values
    assert np.allclose(average_logits([values], [2.0], evaluator(kind), how), values / 2)


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_with_is_found(kind, true):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, (20000, 3)).astype(np.float32)
    scores = scores_of(values / true, kind)
    if kind is SINGLE:
        gold = np.eye(3, dtype=np.float32)[(scores.cumsum(axis=1) > rng.random((len(scores), 1))).argmax(axis=1)]
    else:
        gold = (rng.random(scores.shape) < scores).astype(np.float32)
    assert evaluator(kind).fit_temperature(values, gold) == pytest.approx(true, rel=0.05)


def recipe(**teacher):
    return parse_recipe({"name": "x", "corpus": {"task": "multi_label"}, "teacher": teacher}, "x")


def test_members_are_seeds_or_checkpoints_in_their_order():
    assert [one.seed for one in members_of(recipe())] == [13]
    tuned = members_of(recipe(seeds=[1, 2]))
    assert [(one.index, one.seed, one.is_finetuned) for one in tuned] == [(0, 1, False), (1, 2, False)]
    taken = members_of(recipe(checkpoint=["a", "b"], sha256=["0" * 64, "1" * 64]))
    expected = [("a", "0" * 64, True), ("b", "1" * 64, True)]
    assert [(one.source, one.pin, one.is_finetuned) for one in taken] == expected
    assert members_of(recipe(checkpoint="a"))[0].source == "a"


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        ({"checkpoint": ["a", "b"], "seeds": [1]}, "Remove one of the two"),
        ({"seeds": [1, 1]}, "must differ"),
        ({"checkpoint": ["a", "a"]}, "members of an ensemble must differ"),
        ({"checkpoint": ["a", "b"], "sha256": ["0" * 64]}, "one per checkpoint"),
        ({"checkpoint": []}, "checkpoint"),
    ],
)
def test_ensembles_that_cannot_be_are_refused(teacher, says):
    with pytest.raises(InputError, match=says):
        recipe(**teacher)
