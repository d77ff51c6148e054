"""Certified floors and cutoffs hold as often as they say; what is fitted on the very rows does not."""

import math

import numpy as np
import pytest

from distill.evaluation.certificates import (
    Judged,
    certified_cutoff,
    certified_threshold,
    certify,
    split_confidence,
)
from distill.evaluation.thresholds import keep_recall

DRAWS = 2000
# one standard error of a share of draws
CONFIDENCE = 0.9
MARGIN = math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / DRAWS)


def broken_shares(floor: float, positives: int) -> tuple[float, float]:
    """The share of draws whose true recall is below the floor, certified and plain: scores are uniform."""
    rng = np.random.default_rng(5)
    certified = plain = 0
    for _ in range(DRAWS):
        scores = rng.uniform(size=positives)
        certified += 1 - certified_threshold(scores, floor, CONFIDENCE) < floor
        plain += 1 - keep_recall(scores, np.ones(positives), floor, 1.0) < floor
    return certified / DRAWS, plain / DRAWS


@pytest.mark.parametrize(("floor", "positives"), [(0.95, 60), (0.95, 200), (0.9, 500), (0.8, 30)])
def test_a_certified_floor_is_broken_as_rarely_as_it_says_and_a_plain_one_in_half(
    floor: float, positives: int
) -> None:
    certified, plain = broken_shares(floor, positives)
    assert certified <= 1 - CONFIDENCE + MARGIN
    assert plain > 0.4


def test_several_floors_hold_together() -> None:
    rng, each = np.random.default_rng(6), split_confidence(CONFIDENCE, 4)
    broken = 0
    for _ in range(500):
        scores = rng.uniform(size=(150, 4))
        broken += any(1 - certified_threshold(column, 0.9, each) < 0.9 for column in scores.T)
    assert broken / 500 <= 1 - CONFIDENCE + 2 * MARGIN
    assert each == pytest.approx(0.975)


def test_a_certificate_says_on_what_it_stands() -> None:
    scores = np.arange(1, 101) / 101
    threshold = certified_threshold(scores, 0.9, 0.9)
    found = certify("recall", "grief", 0.9, 0.9, scores=scores, threshold=threshold)
    assert (found.rows, found.missed, found.confidence) == (100, 5, 0.9)
    assert found.bound is not None
    assert 0.9 <= found.bound < 0.91
    lower = certify("recall", "grief", 0.9, 0.9, scores=scores, threshold=threshold / 2)
    # a lower threshold misses less, but what is promised was fixed before any score was seen
    assert (lower.missed, lower.bound) == (2, found.bound)


def test_equal_scores_are_on_one_side_and_too_few_certify_nothing() -> None:
    assert certified_threshold(np.array([0.4] * 20 + [0.2] * 80), 0.9, 0.9) == pytest.approx(0.1)
    few = certify("recall", "grief", 0.9, 0.9, scores=np.full(5, 0.5), threshold=0.25)
    assert few.bound is not None
    assert few.bound < 0.9
    assert certified_threshold(np.zeros(0), 0.9, 0.9) > 0
    assert certify("recall", "grief", 0.9, 0.9, scores=np.zeros(0), threshold=0.5).bound == 0


def judged(rng: np.random.Generator, rows: int) -> Judged:
    """Answers that are right with the probability that their confidence says."""
    confidence = rng.uniform(size=rows) ** 0.25
    return Judged(confidence, rng.uniform(size=rows) < confidence)


def test_answers_are_right_as_often_as_certified() -> None:
    rng, wanted, broken, coverages = np.random.default_rng(8), 0.9, 0, []
    for _ in range(400):
        below, shown = certified_cutoff(judged(rng, 600), judged(rng, 600), wanted, CONFIDENCE)
        if shown.bound >= wanted:
            # the mean of such a confidence above the cutoff
            broken += 0.8 * (1 - below**5) / (1 - below**4) < wanted
            coverages.append(1 - below**4)
    assert len(coverages) > 360
    assert broken / 400 <= 1 - CONFIDENCE + 2 * MARGIN
    assert np.mean(coverages) > 0.3  # 0.43 is the most that any rule can answer


def test_what_is_never_right_is_not_certified() -> None:
    rng = np.random.default_rng(9)
    guesses = Judged(rng.uniform(size=300), rng.uniform(size=300) < 0.5)
    _, shown = certified_cutoff(guesses, guesses, 0.95, CONFIDENCE)
    assert shown.bound < 0.95
