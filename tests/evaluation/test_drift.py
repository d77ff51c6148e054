"""Drift: exact p-values beside scipy and all permutations, shares beside the likelihood, false alarms."""

from itertools import combinations

import numpy as np
import pytest
from scipy import integrate, stats

from distill.evaluation.drift import (
    bet,
    compare_histograms,
    compare_shares,
    holm,
    log_evidence,
    new_shares,
    share_intervals,
)


@pytest.mark.parametrize(
    ("hits", "texts", "before", "reference"),
    [(3, 20, 40, 90), (0, 15, 3, 30), (15, 15, 3, 30), (7, 200, 90, 5000)],
)
def test_two_shares_are_compared_by_fishers_test(hits: int, texts: int, before: int, reference: int) -> None:
    found = compare_shares(hits, texts, before, reference)
    table = [[hits, texts - hits], [before, reference - before]]
    assert found.p_value == pytest.approx(stats.fisher_exact(table)[1], rel=1e-9)
    assert found.effect == pytest.approx(hits / texts - before / reference)
    assert not found.is_certain


def test_what_cannot_differ_is_certain() -> None:
    assert compare_shares(0, 10, 0, 90).is_certain
    assert compare_shares(10, 10, 90, 90).is_certain
    alike = compare_histograms(np.array([0, 5, 0]), np.array([0, 9, 0]), np.random.default_rng(0))
    assert (alike.p_value, alike.effect, alike.is_certain) == (1.0, 0.0, True)


def test_the_p_value_of_a_histogram_is_that_of_all_permutations() -> None:
    """Of 13 texts 5 can be chosen in 1287 ways."""
    window, reference = np.array([3, 1, 0, 1]), np.array([1, 2, 3, 2])
    values = np.repeat(np.arange(4), window + reference)

    def distance(chosen: np.ndarray) -> float:
        rest = np.delete(np.arange(len(values)), chosen)
        total, gap = len(values), 0.0
        for level in range(3):
            inside, outside = (values[chosen] <= level).mean(), (values[rest] <= level).mean()
            below = (values <= level).mean()
            gap += (values == level).mean() * (inside - outside) ** 2 / (below * (1 - below))
        return gap * total

    of_window = [*range(3), 4, 12]  # three of the lowest, one of the next, one of the highest
    assert np.bincount(values[of_window], minlength=4).tolist() == window.tolist()
    here = distance(np.array(of_window))
    all_ways = [distance(np.array(chosen)) for chosen in combinations(range(len(values)), 5)]
    expected = np.mean([way >= here - 1e-9 for way in all_ways])
    found = compare_histograms(window, reference, np.random.default_rng(0), draws=40_000)
    assert found.p_value == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 40_000))
    drawn = np.repeat(np.arange(4), window), np.repeat(np.arange(4), reference)
    wins = stats.mannwhitneyu(*drawn).statistic / (len(drawn[0]) * len(drawn[1]))
    assert found.effect == pytest.approx(wins - 0.5)


def test_a_stable_stream_alarms_as_rarely_as_asked() -> None:
    """Rounds of halves of the same rows, at sizes at which a fixed PSI of 0.1 alarms in most."""
    rng = np.random.default_rng(1)
    shares = np.geomspace(1, 200, 12)
    shares /= shares.sum()
    for texts in (50, 200):
        alarms = 0
        for _ in range(300):
            reference, window = rng.multinomial(1000, shares), rng.multinomial(texts, shares)
            alarms += compare_histograms(window, reference, rng, draws=199).p_value <= 0.05
        assert alarms / 300 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_a_rare_value_that_becomes_frequent_is_found() -> None:
    rng = np.random.default_rng(2)
    shares = np.array([0.9, 0.07, 0.02, 0.01])
    found = [
        compare_histograms(
            rng.multinomial(500, shares * 0.9 + np.array([0, 0, 0, 0.1])),
            rng.multinomial(5000, shares),
            rng,
            draws=999,
        )
        for _ in range(20)
    ]
    assert max(one.p_value for one in found) == 0.001
    assert min(one.effect for one in found) > 0


def test_a_p_value_can_be_as_small_as_is_asked_for() -> None:
    """One of a thousand comparisons moves alone only where its p-value is below 0.00005."""
    window, reference = np.array([0, 0, 200]), np.array([900, 80, 20])
    found = [
        compare_histograms(window, reference, np.random.default_rng(0), 99, smallest=smallest).p_value
        for smallest in (1.0, 1e-4)
    ]
    assert found == [1 / 100, 1 / 10_001]
    still = np.array([90, 8, 2])
    plain = compare_histograms(still, reference, np.random.default_rng(0), 999).p_value
    assert compare_histograms(still, reference, np.random.default_rng(0), 999, smallest=1e-5).p_value == plain


def test_smaller_p_values_raise_no_more_alarms() -> None:
    rng, shares, alarms = np.random.default_rng(1), np.array([0.5, 0.3, 0.15, 0.05]), 0
    for _ in range(400):
        reference, window = rng.multinomial(400, shares), rng.multinomial(100, shares)
        alarms += compare_histograms(window, reference, rng, draws=99, smallest=1e-3).p_value <= 0.05
    assert alarms / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_holm_adjusts_by_rank_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_new_shares_are_the_most_probable_ones() -> None:
    rng = np.random.default_rng(3)
    negatives, positives = np.array([700, 200, 80, 20]), np.array([20, 40, 60, 80])
    window = rng.multinomial(2000, 0.7 * negatives / 1000 + 0.3 * positives / 200)
    found = new_shares(window, np.stack([negatives, positives]))
    seen = np.stack([negatives, positives]) + 0.5 / 4
    likely = seen / seen.sum(axis=1, keepdims=True)
    grid = np.linspace(0, 1, 10_001)
    best = grid[(window * np.log(np.outer(1 - grid, likely[0]) + np.outer(grid, likely[1]))).sum(axis=1).argmax()]
    assert found[1] == pytest.approx(best, abs=2e-4)
    assert found.sum() == pytest.approx(1)
    low, high = share_intervals(window, np.stack([negatives, positives]), rng)[1]
    assert low < 0.3 < high
    assert high - low < 0.25


def test_shares_of_labels_that_exclude_each_other() -> None:
    confusion = np.array([[80, 15, 5], [10, 70, 20], [5, 15, 180]])
    true = np.array([0.1, 0.6, 0.3])
    window = (100_000 * true @ (confusion / confusion.sum(axis=1, keepdims=True))).astype(int)
    assert new_shares(window, confusion) == pytest.approx(true, abs=0.01)


def test_a_bet_pays_at_most_its_stake_on_average() -> None:
    for p in (1e-6, 1e-3, 0.2, 0.9):
        expected, _ = integrate.quad(lambda power, p=p: power * p ** (power - 1), 0, 1)
        assert bet(p) == pytest.approx(expected, rel=1e-6)
    # over p = exp(-u), where it is smooth; what is left out beyond u = 500 is about 1 / 500
    assert (
        1 - 1.1 / 500 < integrate.quad(lambda u: bet(np.exp(-u)) * np.exp(-u), 1e-9, 500, limit=200)[0] <= 1 + 1e-6
    )
    assert bet(1.0) == 0.5


def test_evidence_is_a_mixture_over_the_day_at_which_a_change_begins() -> None:
    p_values, looks = [0.5, 0.9, 0.001, 0.002, 0.3], 7
    for done, found in enumerate(log_evidence(p_values, looks), 1):
        bets = [bet(p) for p in p_values[:done]]
        slow = sum(float(np.prod(bets[start:])) for start in range(done)) + (looks - done)
        assert found == pytest.approx(np.log(slow / looks))


def test_a_year_of_stable_days_rarely_alarms() -> None:
    rng = np.random.default_rng(4)
    years = [max(log_evidence(rng.uniform(size=365).tolist(), 365)) for _ in range(400)]
    assert np.mean(np.array(years) >= np.log(1 / 0.05)) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    changed = [*rng.uniform(size=200).tolist(), *[1e-4] * 6]
    assert log_evidence(changed, 365)[-1] > np.log(60 / 0.05)
