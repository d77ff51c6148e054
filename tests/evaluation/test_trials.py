"""Validation's two parts share no group, have each label alike, and count a group once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.trials import parts_of


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([0.3, 0.5, 0.8]))
def test_every_row_tunes_or_certifies_and_no_group_does_both(seed: int, rows: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    gold = (rng.uniform(size=(rows, 3)) < 0.3).astype(np.float32)
    groups = rng.integers(0, max(1, rows // 3), rows).astype(np.int32)
    for numbers in (None, groups):
        parts = parts_of(gold, numbers, share)
        assert (parts.tunes ^ parts.certifies).all()
        again = parts_of(gold, numbers, share)
        assert np.array_equal(parts.certifies, again.certifies)
        if numbers is not None:
            assert not set(numbers[parts.tunes]) & set(numbers[parts.certifies])
            trials = parts.trials(gold[:, 0] > 0)
            assert len(set(numbers[trials])) == len(trials)
            assert set(numbers[trials]) == set(numbers[parts.certifies & (gold[:, 0] > 0)])
            assert (gold[trials, 0] > 0).all()


def test_a_rare_label_is_divided_as_the_share_says() -> None:
    gold = np.zeros((1000, 2), dtype=np.float32)
    gold[:300, 0], gold[[3, 400, 500, 600, 700, 800], 1] = 1, 1
    parts = parts_of(gold, None, 0.5)
    assert gold[parts.certifies].sum(axis=0).tolist() in ([150.0, 3.0], [149.0, 3.0], [151.0, 3.0])
    assert parts.certifies.sum() == 500


def test_without_a_share_all_rows_tune() -> None:
    parts = parts_of(np.ones((5, 1), dtype=np.float32), None, None)
    assert parts.tunes.all()
    assert not len(parts.trials(np.ones(5, dtype=np.bool_)))
