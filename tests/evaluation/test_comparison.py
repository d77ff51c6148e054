"""Gains, agreement and copied errors against loops over rows and cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.evaluation.comparison import agreement
from distill.evaluation.comparison import paired_bootstrap as bootstrap_of
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1
from tests.support.drawn_cases import MULTI, SINGLE, task_for


def paired_bootstrap(ours, theirs, gold, **options):
    evaluator = evaluator_of(task_for(MULTI, gold.shape[1]))
    return bootstrap_of(evaluator, ours, theirs, gold, **options)


@st.composite
def triples(draw):
    """Two models' decisions and gold, multi-label."""
    shape = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ours, theirs = rng.random(shape) < 0.4, rng.random(shape) < 0.4
    return ours, theirs, (rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))).astype(np.float32)


@settings(max_examples=25)
@given(triples(), st.integers(0, 1000))
def test_bootstrap_matches_a_loop_over_resampled_rows(case, seed):
    ours, theirs, gold = case
    samples = 30
    found = paired_bootstrap([ours], [theirs], gold, samples=samples, seed=seed)
    counts = np.random.default_rng(seed).multinomial(len(gold), np.full(len(gold), 1 / len(gold)), size=samples)
    slow = []
    for row_counts in counts:
        rows = np.repeat(np.arange(len(gold)), row_counts)
        slow.append(macro_f1(ours[rows], gold[rows]) - macro_f1(theirs[rows], gold[rows]))
    assert found.difference == pytest.approx(macro_f1(ours, gold) - macro_f1(theirs, gold))
    assert [found.low, found.high] == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=1e-6)
    assert 0 < found.p_value <= 1
    assert found == paired_bootstrap([ours], [theirs], gold, samples=samples, seed=seed)


def noisy(gold: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    return (gold > 0) ^ (rng.random(gold.shape) < rate)


def test_bootstrap_tells_a_clear_difference_from_none():
    rng = np.random.default_rng(0)
    gold = (rng.random((400, 3)) < 0.3).astype(np.float32)
    good, bad = noisy(gold, 0.05, rng), noisy(gold, 0.3, rng)
    clear = paired_bootstrap([good], [bad], gold)
    assert clear.low > 0
    assert clear.p_value <= 0.002
    same = paired_bootstrap([good], [good], gold)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_bootstrap_of_several_seeds_is_of_their_mean():
    rng = np.random.default_rng(1)
    gold = (rng.random((300, 3)) < 0.3).astype(np.float32)
    ours, theirs = [noisy(gold, 0.1, rng) for _ in range(3)], [noisy(gold, 0.2, rng) for _ in range(3)]
    found = paired_bootstrap(ours, theirs, gold)
    gains = [macro_f1(one, gold) - macro_f1(other, gold) for one, other in zip(ours, theirs, strict=True)]
    assert found.difference == pytest.approx(np.mean(gains))
    assert found.low < found.difference < found.high
    alone = paired_bootstrap(ours[:1], theirs[:1], gold)
    assert found.high - found.low < alone.high - alone.low, "the mean of three varies less with the rows"


@given(triples())
def test_agreement_and_copied_errors_match_loops(case):
    ours, theirs, gold = case
    rows, labels = gold.shape
    cells = [(row, label) for row in range(rows) for label in range(labels)]
    alike = [ours[cell] == theirs[cell] for cell in cells]
    found = agreement(ours, theirs)
    assert found.cells == pytest.approx(np.mean(alike))
    assert found.rows == pytest.approx(np.mean([list(ours[row]) == list(theirs[row]) for row in range(rows)]))
    wrong = [cell for cell in cells if theirs[cell] != (gold[cell] > 0)]
    copied = evaluator_of(task_for(MULTI, labels)).copied_errors(ours, theirs, gold)
    if wrong:
        assert copied == pytest.approx(np.mean([ours[cell] == theirs[cell] for cell in wrong]))
    else:
        assert copied is None


def test_a_single_label_error_is_copied_only_by_the_same_wrong_label():
    gold = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    theirs = np.eye(3, dtype=bool)[[1, 1, 0, 2]]
    ours = np.eye(3, dtype=bool)[[1, 2, 2, 1]]
    evaluator = evaluator_of(task_for(SINGLE, 3))
    assert evaluator.copied_errors(ours, theirs, gold) == pytest.approx(1 / 3)
    assert evaluator.copied_errors(ours, gold > 0, gold) is None
