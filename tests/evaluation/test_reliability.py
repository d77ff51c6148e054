"""Brier scores, skill and calibration errors against scikit-learn, closed forms and slow loops."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from distill.evaluation import bootstrap
from distill.evaluation.bootstrap import row_weights, weighted_sums
from distill.evaluation.reliability import (
    bins_of_cells,
    bins_of_top,
    bootstrap_ece_above_tenth,
    brier_of_cells,
    brier_of_rows,
    brier_skill_per_label,
    ece_above_tenth,
    ece_of_cells,
    ece_of_top,
    mean_brier_skill,
    reliability_per_label,
)
from tests.support.drawn_cases import SINGLE, cases, scores_of


@given(cases())
def test_brier_matches_scikit_learn(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind)
    per_label = [np.mean((gold[:, i] - scores[:, i].astype(np.float64)) ** 2) for i in range(gold.shape[1])]
    one = oracle.brier_score_loss(np.r_[gold[:, 0], 0, 1], np.r_[scores[:, 0], 0, 1]) * (len(gold) + 2)
    assert one / len(gold) == pytest.approx(per_label[0], abs=1e-6)
    expected = sum(per_label) if kind is SINGLE else np.mean(per_label)
    brier = brier_of_rows if kind is SINGLE else brier_of_cells
    assert brier(scores, gold) == pytest.approx(expected, abs=1e-6)


@given(cases(), st.integers(1, 20))
def test_ece_matches_a_slow_loop(case, bins):
    logits, gold, kind = case
    scores = scores_of(logits, kind).astype(np.float64)
    if kind is SINGLE:
        cells = [(row.max(), true[row.argmax()]) for row, true in zip(scores, gold, strict=True)]
    else:
        cells = list(zip(scores.ravel(), gold.ravel(), strict=True))
    expected = 0.0
    for at in range(bins):
        inside = [(s, g) for s, g in cells if at == min(int(s * bins), bins - 1)]
        if inside:
            expected += abs(sum(s for s, _ in inside) - sum(g for _, g in inside)) / len(cells)
    ece, bins_of = (ece_of_top, bins_of_top) if kind is SINGLE else (ece_of_cells, bins_of_cells)
    assert ece(scores, gold, bins) == pytest.approx(expected, abs=1e-9)
    assert sum(count for _, _, count in bins_of(scores, gold, bins)) == len(cells)


def test_ece_of_scores_that_keep_their_word_is_zero():
    scores = np.array([[0.25], [0.25], [0.25], [0.25]])
    gold = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert ece_of_cells(scores, gold) == 0
    assert ece_of_cells(1 - scores, gold) == pytest.approx(0.5)


@given(cases())
def test_brier_skill_matches_scikit_learn(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind).astype(np.float64)
    found = brier_skill_per_label(scores, gold)
    defined = []
    for label in range(gold.shape[1]):
        if 0 < gold[:, label].mean() < 1:
            # 1 - mean squared error over the variance is the coefficient of determination
            defined.append(oracle.r2_score(gold[:, label], scores[:, label]))
            assert found[label] == pytest.approx(defined[-1])
        else:
            assert np.isnan(found[label])
    assert mean_brier_skill(scores, gold) == pytest.approx(np.mean(defined) if defined else 0.0)


def test_the_base_rate_has_no_skill_and_gold_has_all() -> None:
    gold = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert brier_skill_per_label(np.tile(gold.mean(axis=0), (4, 1)), gold).tolist() == [0.0, 0.0]
    assert brier_skill_per_label(gold, gold).tolist() == [1.0, 1.0]


@given(cases())
def test_every_cell_of_a_label_is_in_one_of_its_bins(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind)
    for label, bins in enumerate(reliability_per_label(scores, gold)):
        assert sum(count for _, _, count in bins) == len(gold)
        assert sum(score * count for score, _, count in bins) == pytest.approx(
            float(scores[:, label].sum()), rel=1e-5
        )
        assert sum(rate * count for _, rate, count in bins) == pytest.approx(float(gold[:, label].sum()))


def slow_error(scores, gold, bins=15):
    cells = [(s, g) for s, g in zip(scores.ravel().tolist(), gold.ravel().tolist(), strict=True) if s >= 0.1]
    total = 0.0
    for at in range(bins):
        inside = [(s, g) for s, g in cells if at == min(int(s * bins), bins - 1)]
        total += abs(sum(s - g for s, g in inside))
    return total / max(len(cells), 1)


@given(cases())
def test_the_error_above_a_tenth_matches_a_slow_loop(case):
    logits, gold, kind = case
    scores = scores_of(logits, kind).astype(np.float64)
    assert ece_above_tenth(scores, gold) == pytest.approx(slow_error(scores, gold), abs=1e-9)


@settings(max_examples=25)
@given(cases(), st.integers(0, 1000))
def test_its_bootstrap_matches_a_loop_over_resampled_rows(case, seed):
    logits, gold, kind = case
    ours, theirs = (scores_of(values, kind).astype(np.float64) for values in (logits, logits[::-1]))
    found = bootstrap_ece_above_tenth(ours, theirs, gold, row_weights(len(gold), samples=30, seed=seed))
    counts = np.random.default_rng(seed).multinomial(len(gold), np.full(len(gold), 1 / len(gold)), size=30)
    slow = []
    for row_counts in counts:
        rows = np.repeat(np.arange(len(gold)), row_counts)
        slow.append(slow_error(ours[rows], gold[rows]) - slow_error(theirs[rows], gold[rows]))
    assert found.difference == pytest.approx(slow_error(ours, gold) - slow_error(theirs, gold), abs=1e-9)
    assert [found.low, found.high] == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=1e-6)


def test_the_bootstrap_tells_bent_scores_from_honest_ones() -> None:
    rng = np.random.default_rng(0)
    honest = rng.random((2000, 3))
    gold = (rng.random((2000, 3)) < honest).astype(np.float32)
    weights = row_weights(len(gold))
    found = bootstrap_ece_above_tenth(honest**3, honest, gold, weights)
    assert found.low > 0.1
    same = bootstrap_ece_above_tenth(honest, honest, gold, weights)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_samples_are_drawn_and_summed_without_copies_of_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a long test split costs in memory: the weights themselves, once, in float32."""
    tracemalloc.start()
    weights = row_weights(5000, samples=200, seed=4)
    drawn = tracemalloc.get_traced_memory()[1]
    values = np.random.default_rng(0).random((5000, 3))
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 5000 * 7)
    sums = weighted_sums(weights, values)
    summed = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert drawn < 1.2 * weights.nbytes
    assert summed < 1.5 * weights.nbytes
    at_once = np.random.default_rng(4).multinomial(5000, np.full(5000, 1 / 5000), size=200)
    np.testing.assert_array_equal(weights, at_once)
    np.testing.assert_allclose(sums, at_once @ values, rtol=1e-12)
    assert weighted_sums(weights, values[:, 0]).shape == (200,)
