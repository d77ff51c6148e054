"""Exact probabilities of a binomial count, and the bounds that follow from them. All pure, without scipy.

Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial" (1934).
"""

import math

import numpy as np

# halvings of an interval of length 1 after which its ends are one double
HALVINGS = 60


def at_most(count: int, trials: int, probability: float) -> float:
    """Return the probability of `count` or fewer successes in `trials` trials."""
    if count < 0:
        return 0.0
    if count >= trials or probability <= 0:
        return 1.0
    if probability >= 1:
        return 0.0
    successes = np.arange(count + 1, dtype=np.float64)
    # from the logarithm of one term to the next: C(n, k + 1) / C(n, k) = (n - k) / (k + 1)
    steps = np.log((trials - successes[:-1]) / successes[1:]) + math.log(probability) - math.log1p(-probability)
    terms = trials * math.log1p(-probability) + np.concatenate([[0.0], np.cumsum(steps)])
    most = float(terms.max())
    return min(1.0, math.exp(most) * float(np.exp(terms - most).sum()))


def at_least(count: int, trials: int, probability: float) -> float:
    """Return the probability of `count` or more successes in `trials` trials."""
    return at_most(trials - count, trials, 1 - probability)


def lower_bound(count: int, trials: int, confidence: float) -> float:
    """Return what a probability is at least, with this confidence, where `count` of the trials succeeded."""
    if count <= 0 or trials <= 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if at_least(count, trials, middle) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def interval(count: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the two-sided interval of a probability."""
    each = 1 - (1 - confidence) / 2
    return lower_bound(count, trials, each), 1 - lower_bound(trials - count, trials, each)


def misses_allowed(trials: int, floor: float, confidence: float) -> int | None:
    """Return how many of the trials may fail while a floor is still shown; None where even none is too few."""
    if at_most(0, trials, 1 - floor) > 1 - confidence:
        return None
    low, high = 0, trials
    while high - low > 1:  # `low` is allowed, `high` is not
        middle = (low + high) // 2
        if at_most(middle, trials, 1 - floor) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def trials_needed(floor: float, confidence: float) -> int:
    """Return the fewest trials that show a floor where none of them fails."""
    return math.ceil(math.log(1 - confidence) / math.log(floor) - 1e-9)


def floor_attainable(trials: int, confidence: float) -> float:
    """Return the highest floor that `trials` trials show where none of them fails."""
    return (1 - confidence) ** (1 / trials) if trials > 0 else 0.0
