"""Priors of raw scores against closed forms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.labelling.prior import Prior, fit_prior

LABELS = ("low", "middle", "high")
DRAW = np.random.default_rng(0)


def log_softmax(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return (values - np.logaddexp.reduce(values, axis=1, keepdims=True)).astype(np.float32)


def test_the_batchs_mean_makes_labels_equally_likely_on_average() -> None:
    scores = log_softmax(DRAW.normal(size=(50, 3)) + np.array([3.0, 0.0, -3.0]))
    task = SingleLabel(LABELS)
    prior = fit_prior("batch", scores, task, gold=np.zeros((50, 3), np.float32))
    logits = prior.logits(scores, task)
    assert logits.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
    assert logits - scores == pytest.approx(np.broadcast_to(prior.bias, scores.shape), abs=1e-5)


def test_texts_without_content_are_another_prior() -> None:
    scores, free = log_softmax(DRAW.normal(size=(9, 3))), log_softmax(DRAW.normal(size=(3, 3)))
    prior = fit_prior("content_free", scores, SingleLabel(LABELS), gold=np.zeros((9, 3)), content_free=free)
    assert prior.bias == pytest.approx(-free.mean(axis=0), abs=1e-6)


def test_none_changes_nothing() -> None:
    scores = log_softmax(DRAW.normal(size=(9, 3)))
    prior = fit_prior("none", scores, SingleLabel(LABELS), gold=np.zeros((9, 3)))
    assert prior.logits(scores, SingleLabel(LABELS)) == pytest.approx(scores)


@pytest.mark.parametrize("several", [False, True])
def test_an_affine_fit_finds_a_prior_that_was_put_in(several: bool) -> None:
    rows = 4000
    truth = DRAW.normal(size=(rows, 3)) * 3
    if several:
        gold = (DRAW.random((rows, 3)) < 1 / (1 + np.exp(-truth))).astype(np.float32)
        task: MultiLabel | SingleLabel = MultiLabel(LABELS)
    else:
        gold = np.eye(3, dtype=np.float32)[(truth + DRAW.gumbel(size=truth.shape)).argmax(axis=1)]
        task = SingleLabel(LABELS)
    scores = (truth - [2.0, 0.0, -2.0]) / 2  # as a model would give them
    prior = fit_prior("affine", scores.astype(np.float32), task, gold=gold)
    assert prior.scale == pytest.approx((2, 2, 2), rel=0.1)
    bias = np.array(prior.bias) if several else np.array(prior.bias) - prior.bias[1]
    assert bias == pytest.approx([2, 0, -2], abs=0.3)


def test_levels_become_the_logits_of_a_level_above() -> None:
    shares = np.array([[0.2, 0.5, 0.3]])
    above = np.array([[0.8, 0.3]])
    assert evaluator_of(Ordinal(LABELS)).head_logits(np.log(shares)) == pytest.approx(np.log(above / (1 - above)))


def test_a_prior_is_stored(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from distill.labelling.prior import read_prior

    prior = Prior("batch", (1.0, 1.0), (0.5, -0.5))
    prior.write(tmp_path)
    assert read_prior(tmp_path) == prior
