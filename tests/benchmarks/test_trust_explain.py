"""The measures of explanations: ties of either side are no difference, and a ranking says what is left out."""

import pytest

from tests.benchmarks.trust_explain import agree, aopc, top_words


def test_the_strongest_words_come_first() -> None:
    assert top_words([0.1, 0.5, -0.2, 0.3, 0.2]) == [1, 3, 4]


@pytest.mark.parametrize(
    ("second", "tied", "same"),
    [
        ([0.5, 0.4, 0.3, 0.1], 0.0, True),
        ([0.4, 0.5, 0.3, 0.1], 0.0, True),  # in any order
        ([0.5, 0.4, 0.1, 0.3], 0.0, False),
        ([0.5, 0.4, 0.1, 0.3], 0.01, False),
        ([0.5, 0.4, 0.3, 0.3005], 0.0, False),
        ([0.5, 0.4, 0.3, 0.3005], 0.001, True),  # to the second, third and fourth word are alike
    ],
)
def test_explanations_agree_but_for_ties(second: list[float], tied: float, same: bool) -> None:
    first = [0.5, 0.4, 0.3, 0.1]
    assert agree(first, second, tied) is same
    assert agree(second, first, tied) is same


def test_a_ranking_that_names_what_counts_drops_the_score_most() -> None:
    weights = [0.4, 0.3, 0.2, 0.1]

    def score(gone: frozenset[int]) -> float:
        return sum(weight for at, weight in enumerate(weights) if at not in gone)

    # one, one, one and two of four words
    assert aopc(score, [0, 1, 2, 3]) == pytest.approx((0.4 + 0.4 + 0.4 + 0.7) / 4)
    assert aopc(score, [3, 2, 1, 0]) == pytest.approx((0.1 + 0.1 + 0.1 + 0.3) / 4)
