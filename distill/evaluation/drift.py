"""Tests of whether counts of new texts can be of the same texts as a reference's, exact at any number of them.

A fixed bound on a distance such as PSI alarms in most small windows of a stable stream. Here each p-value comes
from the counts themselves: what as many texts, drawn without replacement from both together, would show. All pure,
without scipy. It takes texts as independent; those of one person are not, and raise the rate of false alarms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

Doubles = NDArray[np.float64]

# drawn counts per test: the smallest p-value is 1 / (DRAWS + 1), unless a smaller one is asked for
DRAWS = 9999

# draws that are as far as what was found, below which more are made where a smaller p-value is asked for
FEW_AS_FAR = 10

# no test draws more
MOST_DRAWS = 1_000_000

# numpy draws from fewer texts than this
MOST_TEXTS = 900_000_000

EM_STEPS = 300

# a share of a label's distribution that was never seen is not impossible
_UNSEEN = 0.5


@dataclass(frozen=True)
class Tested:
    """One comparison with the reference.

    Attributes:
        p_value: the probability of a difference as large, if nothing has changed.
        effect: the probability that a new text has a higher value than one of the reference, ties as half, minus
            0.5; for a share the difference of shares.
        is_certain: whether all texts of both are alike, so that there is nothing to compare.
    """

    p_value: float
    effect: float
    is_certain: bool = False


def compare_shares(hits: int, texts: int, reference_hits: int, reference_texts: int) -> Tested:
    """Return Fisher's exact two-sided test of two shares (Fisher 1935)."""
    effect = hits / texts - reference_hits / reference_texts
    total_hits, total = hits + reference_hits, texts + reference_texts
    if total_hits in (0, total):
        return Tested(1.0, effect, is_certain=True)
    low, high = max(0, total_hits - reference_texts), min(texts, total_hits)
    support = np.arange(low, high + 1)
    logs = (
        _log_choose(np.array([texts]), support)
        + _log_choose(np.array([reference_texts]), total_hits - support)
        - _log_choose(np.array([total]), np.array([total_hits]))
    )
    here = logs[hits - low]
    # a relative error in the last digits must not leave out what is as probable
    return Tested(min(1.0, float(np.exp(logs[logs <= here + 1e-7]).sum())), effect)


def smallest_needed(comparisons: int, alpha: float) -> float:
    """Return the p-value that must be possible, so that one comparison of many can be told alone (Holm)."""
    return alpha / (2 * comparisons)


def draws_for(smallest: float) -> int:
    """Return the number of draws that make a p-value possible, or the most that any test makes."""
    return min(MOST_DRAWS, math.ceil(1 / smallest))


def compare_histograms(
    window: Counts, reference: Counts, rng: np.random.Generator, draws: int = DRAWS, *, smallest: float = 1.0
) -> Tested:
    """Return a permutation test of two histograms over the same ordered bins, by Anderson & Darling's distance.

    Anderson-Darling (Pettitt 1976) weighs both tails, where a label that becomes frequent shows. The counts of as
    many texts are drawn from both histograms together, so that the p-value is exact whatever their sizes are.

    Args:
        window: texts per bin.
        reference: the reference's.
        rng: for the draws.
        draws: their number.
        smallest: p-value that must be possible. Where few draws are as far, more are made until it is: whether
            they are depends on the first ones, but a p-value of at most x then needs one of at most x from those.
    """
    kept = window + reference > 0
    window, reference = window[kept], reference[kept]
    texts, others = int(window.sum()), int(reference.sum())
    effect = _superiority(window, reference)
    if len(window) < 2:
        return Tested(1.0, effect, is_certain=True)
    pooled = window + reference
    made = as_far = 0
    while made < draws:
        drawn = rng.multivariate_hypergeometric(pooled, texts, size=min(DRAWS, draws - made), method="marginals")
        found = _distances(np.concatenate([window[None], drawn]), pooled, texts, others)
        as_far += int((found[1:] >= found[0] * (1 - 1e-9)).sum())
        made += len(drawn)
        if made == draws and as_far < FEW_AS_FAR:
            draws = max(draws, draws_for(smallest))
    return Tested((1 + as_far) / (made + 1), effect)


def _distances(windows: Counts, pooled: Counts, texts: int, others: int) -> Doubles:
    """Return Anderson & Darling's distance of each window ``(B, M)`` from the rest of the pooled ``(M,)``."""
    total = texts + others
    below = np.cumsum(pooled)[:-1]
    inside = np.cumsum(windows, axis=1)[:, :-1]
    gaps = (inside * total - texts * below).astype(np.float64) ** 2
    weights = pooled[:-1] / (below * (total - below)).astype(np.float64)
    return np.asarray((gaps * weights).sum(axis=1) / (float(texts) * others * total))


def _superiority(window: Counts, reference: Counts) -> float:
    """Return the probability that a new text is in a higher bin than one of the reference, minus 0.5."""
    below = np.cumsum(reference) - reference
    wins = float((window * (below + reference / 2)).sum())
    return wins / (float(window.sum()) * float(reference.sum())) - 0.5


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979), in the order given: under any dependence."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, p_values[at] * (len(p_values) - rank)))
        adjusted[at] = highest
    return adjusted


def new_shares(window: Counts, by_class: Counts) -> Doubles:
    """Return the shares of classes of which a window's counts are most probable: ``(M,), (K, M) -> (K,)``.

    Expectation maximisation (Saerens, Latinne & Decaestecker 2002) from validation's own shares, under the
    assumption that each class looks as it did, and only their shares have changed.
    """
    return np.asarray(_em(window[None].astype(np.float64), by_class[None].astype(np.float64))[0])


def share_intervals(
    window: Counts, by_class: Counts, rng: np.random.Generator, *, draws: int = 400, confidence: float = 0.95
) -> Doubles:
    """Return intervals of `new_shares` ``(K, 2)``: a bootstrap over the window's texts and each class's."""
    windows = rng.multinomial(int(window.sum()), window / window.sum(), size=draws)  # (B, M)
    tables = np.stack(
        [
            rng.multinomial(int(row.sum()), row / row.sum(), size=draws)
            if row.sum()
            else np.zeros((draws, len(row)), dtype=np.int64)
            for row in by_class
        ],
        axis=1,
    )  # (B, K, M)
    shares = _em(windows.astype(np.float64), tables.astype(np.float64))
    tail = (1 - confidence) / 2
    return np.asarray(np.quantile(shares, [tail, 1 - tail], axis=0).T)


def _em(windows: Doubles, tables: Doubles) -> Doubles:
    """Return shares ``(B, K)`` for windows ``(B, M)`` and counts per class ``(B, K, M)``."""
    sizes = tables.sum(axis=2)  # (B, K)
    shares = np.maximum(sizes, _UNSEEN)
    shares /= shares.sum(axis=1, keepdims=True)
    seen = tables + _UNSEEN / tables.shape[2]
    likely = seen / seen.sum(axis=2, keepdims=True)  # (B, K, M)
    observed = windows / windows.sum(axis=1, keepdims=True)  # (B, M)
    for _ in range(EM_STEPS):
        joint = shares[:, :, None] * likely
        updated = (joint / joint.sum(axis=1, keepdims=True) * observed[:, None]).sum(axis=2)
        done = float(np.abs(updated - shares).max()) < 1e-9
        shares = updated
        if done:
            break
    return np.asarray(shares)


def bet(p_value: float) -> float:
    """Return the payoff of a bet against uniform p-values, whose mean is at most 1 under them.

    The mixture over powers of Vovk & Wang (2021, "E-values"), whatever the power of the change.
    """
    p = min(max(p_value, 1e-300), 1.0)
    log = math.log(p)
    if log > -1e-4:
        return 0.5
    return (1 - p + p * log) / (p * log * log)


def log_evidence(p_values: Sequence[float], looks: int) -> list[float]:
    """Return the logarithm of the evidence against a stable stream after each look.

    A mixture over the look at which the change begins, each as likely: a martingale for independent p-values, so
    that by Ville's inequality it reaches 1 / a with a probability of at most a over all of the looks.

    Args:
        p_values: one per look.
        looks: number of looks that the promise is for.
    """
    running = -math.inf  # of the sum over starts so far of the product since
    found = []
    for done, p_value in enumerate(p_values, 1):
        running = math.log(bet(p_value)) + _log_add(running, 0.0)
        waiting = max(looks - done, 0)
        found.append(_log_add(running, math.log(waiting) if waiting else -math.inf) - math.log(looks))
    return found


def _log_add(left: float, right: float) -> float:
    high, low = max(left, right), min(left, right)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _log_choose(of: Counts, chosen: Counts) -> Doubles:
    """Return logarithms of binomial coefficients."""
    return np.asarray(_log_factorial(of) - _log_factorial(chosen) - _log_factorial(of - chosen))


def _log_factorial(numbers: Counts) -> Doubles:
    return np.array([math.lgamma(number + 1) for number in numbers.tolist()])
