"""Calibration against parameters that are known, closed forms and other optimisers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from distill.evaluation.calibration import (
    BIAS_BOUNDS,
    SCALE_BOUNDS,
    bernoulli_loss,
    categorical_loss,
    fit_platt,
    fit_platt_per_label,
    fit_scale,
    fit_temperature,
)
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.deciding.task import Task

MULTI = MultiLabel(("a", "b", "c"))
SINGLE = SingleLabel(("a", "b", "c"))
LOSSES = {MULTI: bernoulli_loss, SINGLE: categorical_loss}


def drawn(task: Task, scale: Any, bias: Any, rows: int = 40_000) -> tuple[Any, Any]:
    """Logits whose true probabilities are those of ``scale * logit + bias``, and gold drawn from them."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (rows, 3)).astype(np.float32)
    true = logits * scale + bias
    if task is MULTI:
        gold = rng.random(true.shape) < 1 / (1 + np.exp(-true))
    else:
        gumbel = true - np.log(-np.log(rng.random(true.shape)))
        gold = gumbel.argmax(axis=1)[:, None] == np.arange(3)
    return logits, gold.astype(np.float32)


def loss(logits: Any, gold: Any, task: Task, scale: float, bias: float = 0.0) -> float:
    """Log loss, written out."""
    z = logits.astype(np.float64) * scale + bias
    if task is MULTI:
        return float((np.log1p(np.exp(z)) - gold * z).mean())
    return float((np.log(np.exp(z).sum(axis=1)) - (gold * z).sum(axis=1)).mean())


def test_a_known_scale_and_bias_are_recovered() -> None:
    assert fit_platt(*drawn(MULTI, 0.5, -1.0)) == pytest.approx((0.5, -1.0), abs=0.03)
    assert fit_scale(*drawn(MULTI, 0.5, 0.0), bernoulli_loss) == pytest.approx(0.5, abs=0.03)
    assert fit_scale(*drawn(SINGLE, 2.0, 0.0), categorical_loss) == pytest.approx(2.0, abs=0.08)


def test_the_scales_and_biases_of_labels_are_recovered() -> None:
    scales, biases = [0.5, 1.0, 1.5], [-1.0, 0.0, 0.5]
    found = fit_platt_per_label(*drawn(MULTI, np.array(scales), np.array(biases)), shrink=0.0)
    assert found[0] == pytest.approx(scales, abs=0.06)
    assert found[1] == pytest.approx(biases, abs=0.06)


@pytest.mark.parametrize("task", [MULTI, SINGLE])
def test_no_other_scale_is_better(task: Task) -> None:
    logits, gold = drawn(task, 0.7, 0.0, rows=2000)
    scale = fit_scale(logits, gold, LOSSES[task])
    best = loss(logits, gold, task, scale)
    assert best <= min(loss(logits, gold, task, scale * by) for by in (0.98, 1.02))


@pytest.mark.parametrize("task", [MULTI, SINGLE])
def test_a_temperature_divides_where_a_scale_multiplies(task: Task) -> None:
    logits, gold = drawn(task, 0.7, 0.0, rows=2000)
    temperature = evaluator_of(task).fit_temperature(logits, gold)
    assert temperature == fit_temperature(logits, gold, LOSSES[task]) == 1 / fit_scale(logits, gold, LOSSES[task])
    assert temperature == pytest.approx(1 / 0.7, rel=0.1)


def test_platt_scaling_is_logistic_regression_without_a_penalty() -> None:
    logits, gold = drawn(MULTI, 0.6, -0.5, rows=3000)
    scales, biases = fit_platt_per_label(logits, gold, shrink=0.0)
    for label in range(3):
        oracle = LogisticRegression(C=1e9, tol=1e-8).fit(logits[:, [label]], gold[:, label])
        assert scales[label] == pytest.approx(oracle.coef_[0, 0], abs=1e-3)
        assert biases[label] == pytest.approx(oracle.intercept_[0], abs=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1000))
def test_shrinking_goes_from_own_parameters_to_the_common_ones(seed: int, shrink: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (60, 3)).astype(np.float32)
    gold = (rng.random((60, 3)) < np.array([0.0, 0.1, 0.9])).astype(np.float32)
    common = np.array(fit_platt(logits, gold))
    infinite = np.stack(fit_platt_per_label(logits, gold, shrink=1e15), axis=1)
    np.testing.assert_allclose(infinite, np.tile(common, (3, 1)), atol=1e-9)
    own = np.stack(fit_platt_per_label(logits, gold, shrink=0.0), axis=1)
    some = np.stack(fit_platt_per_label(logits, gold, shrink=shrink), axis=1)
    rarer = np.minimum(gold.sum(axis=0), 60 - gold.sum(axis=0))
    weight = np.divide(rarer, rarer + shrink, out=np.zeros(3), where=rarer > 0)
    # fits of the same rows, repeated: with several threads their sums are rounded in another order
    np.testing.assert_allclose(some - common, weight[:, None] * (own - common), atol=1e-7)
    np.testing.assert_array_equal(some[0], common)  # nobody has this label


def test_separable_logits_stay_within_the_bounds() -> None:
    gold = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    logits = (gold * 20 - 10).astype(np.float32)
    assert SCALE_BOUNDS[0] <= fit_platt(logits, gold)[0] <= SCALE_BOUNDS[1]
    scales, biases = fit_platt_per_label(logits, gold, shrink=0.0)
    assert (scales <= SCALE_BOUNDS[1]).all()
    assert (np.abs(biases) <= BIAS_BOUNDS[1]).all()
