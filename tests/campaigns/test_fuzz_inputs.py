"""Some hundred of the cases that `python -m tests.campaigns.fuzz_inputs` tries by the ten thousand."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaigns.fuzz_inputs import run_case


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_broken_recipes_and_corpora_end_in_a_result_or_in_an_error_of_ours(number: int) -> None:
    _, how = run_case(number, seed=0)
    assert how in ("result", "refused")


def test_the_cases_reach_both_ends() -> None:
    """Or the campaign would only show that rubbish is refused."""
    ended = Counter(run_case(number, seed=1) for number in range(150))
    for target in ("fuzz_corpus", "fuzz_starter", "fuzz_recipe", "fuzz_saved_corpus"):
        assert ended[target, "result"]
        assert ended[target, "refused"]
