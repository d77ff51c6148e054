"""Exact binomial numbers agree with scipy's, to the last digits that matter."""

import numpy as np
import pytest
from scipy.stats import beta, binom

from distill.evaluation.binomial import (
    at_least,
    at_most,
    floor_attainable,
    interval,
    lower_bound,
    misses_allowed,
    trials_needed,
)

DRAWS = [
    (int(rng.integers(0, trials + 1)), int(trials), float(rng.uniform(0.001, 0.999)))
    for rng in [np.random.default_rng(3)]
    for trials in rng.integers(1, 3000, 200)
]


def test_tails_are_those_of_scipy() -> None:
    for count, trials, probability in DRAWS:
        assert at_most(count, trials, probability) == pytest.approx(
            binom.cdf(count, trials, probability), rel=1e-9, abs=1e-12
        )
        assert at_least(count, trials, probability) == pytest.approx(
            binom.sf(count - 1, trials, probability), rel=1e-9, abs=1e-12
        )


def test_bounds_are_quantiles_of_the_beta_distribution() -> None:
    for count, trials, _ in DRAWS:
        expected = beta.ppf(0.1, count, trials - count + 1) if count else 0.0
        assert lower_bound(count, trials, 0.9) == pytest.approx(expected, abs=1e-9)
        low, high = interval(count, trials, 0.95)
        assert low == pytest.approx(beta.ppf(0.025, count, trials - count + 1) if count else 0.0, abs=1e-9)
        assert high == pytest.approx(
            beta.ppf(0.975, count + 1, trials - count) if count < trials else 1.0, abs=1e-9
        )


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_what_is_certain_has_no_logarithm(probability: float) -> None:
    assert at_most(3, 10, probability) == 1 - probability
    assert at_least(3, 10, probability) == probability
    assert at_most(-1, 10, probability) == 0.0
    assert at_most(10, 10, probability) == 1.0


def test_no_trial_says_nothing() -> None:
    assert interval(0, 0, 0.95) == (0.0, 1.0)
    assert misses_allowed(0, 0.9, 0.9) is None
    assert floor_attainable(0, 0.9) == 0.0


@pytest.mark.parametrize(("floor", "confidence"), [(0.95, 0.95), (0.9, 0.95), (0.99, 0.95), (0.8, 0.9)])
def test_the_fewest_trials_are_as_many_as_the_notes_say(floor: float, confidence: float) -> None:
    needed = trials_needed(floor, confidence)
    assert needed == {(0.95, 0.95): 59, (0.9, 0.95): 29, (0.99, 0.95): 299, (0.8, 0.9): 11}[floor, confidence]
    assert misses_allowed(needed, floor, confidence) == 0
    assert misses_allowed(needed - 1, floor, confidence) is None
    assert floor_attainable(needed - 1, confidence) < floor <= floor_attainable(needed, confidence)


def test_the_allowed_misses_are_the_most_that_show_the_floor() -> None:
    for _, trials, floor in DRAWS:
        allowed = misses_allowed(trials, floor, 0.9)
        bounds = (
            [lower_bound(trials - misses, trials, 0.9) for misses in range(trials + 1)] if trials < 300 else []
        )
        shown = [misses for misses, bound in enumerate(bounds) if bound >= floor]
        if bounds:
            assert allowed == (shown[-1] if shown else None)
        elif allowed is not None:
            assert binom.cdf(allowed, trials, 1 - floor) <= 0.1 < binom.cdf(allowed + 1, trials, 1 - floor)
