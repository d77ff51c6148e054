"""Gaps of scores: closed forms, p-values beside all signs, and shuffled terms that raise no alarm."""

from itertools import product

import numpy as np
import pytest

from distill.evaluation.bias import (
    absolute_gaps,
    adjusted,
    flips,
    gaps,
    mean_interval,
    rows_flipped,
    sign_p_values,
    templates_needed,
)

# two templates, two terms, two groups, one label
SCORES = np.array([[[[0.6], [0.4]], [[0.1], [0.4]]], [[[0.9], [0.8]], [[0.5], [0.5]]]])


def test_gaps_are_means_over_terms() -> None:
    assert gaps(SCORES, 0, 1)[:, 0] == pytest.approx([(0.2 - 0.3) / 2, 0.05])
    assert absolute_gaps(SCORES, 0, 1)[:, 0] == pytest.approx([0.25, 0.05])
    decided = SCORES >= 0.5
    assert flips(decided, 0, 1) == pytest.approx([0.25])
    assert rows_flipped(decided, 0, 1) == 0.25


def test_p_values_are_those_of_all_signs() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 1, size=(10, 3))
    signs = np.array(list(product((-1, 1), repeat=10)))
    every = np.abs(signs @ differences) >= np.abs(differences.sum(axis=0)) - 1e-9
    assert sign_p_values(differences, rng) == pytest.approx(every.mean(axis=0), abs=0.01)
    assert sign_p_values(np.zeros((10, 2)), rng) == pytest.approx([1, 1])


def test_signs_are_drawn_in_parts_of_the_same_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows would take gigabytes of signs."""
    differences = np.random.default_rng(4).normal(0.2, 1, size=(37, 5))
    whole = sign_p_values(differences, np.random.default_rng(5), 1999)
    monkeypatch.setattr("distill.evaluation.bias._SIGNS_AT_ONCE", 1000)
    assert sign_p_values(differences, np.random.default_rng(5), 1999).tolist() == whole.tolist()


def test_a_cell_of_very_many_can_be_told_from_chance_where_templates_suffice() -> None:
    rng = np.random.default_rng(6)
    differences = rng.normal(0, 0.02, size=(30, 5000))
    differences[:, 17] = 0.05
    plain, asked = (
        adjusted(sign_p_values(differences, np.random.default_rng(7), 3999, smallest=smallest))
        for smallest in (1.0, 0.05 / 10_000)
    )
    assert plain.min() == 1
    assert np.flatnonzero(asked <= 0.05).tolist() == [17]
    assert [templates_needed(cells, 0.05) for cells in (1, 28, 784)] == [6, 11, 15]


def test_shuffled_terms_raise_as_few_alarms_as_asked() -> None:
    """Five hundred times: which term is which is drawn for each template; skewed differences, as scores have."""
    rng = np.random.default_rng(1)
    differences = rng.exponential(1, size=(24, 28)) * rng.choice([-1, 1], size=(24, 28))
    alarms = sum(
        bool((adjusted(sign_p_values(differences * rng.choice([-1, 1], size=(24, 1)), rng, 1999)) <= 0.05).any())
        for _ in range(500)
    )
    assert alarms / 500 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)


def test_a_planted_gap_is_found_among_a_thousand_cells() -> None:
    rng = np.random.default_rng(2)
    differences = rng.normal(0, 0.02, size=(24, 900))
    differences[:, 17] += 0.03
    found = adjusted(sign_p_values(differences, rng))
    assert np.flatnonzero(found <= 0.05).tolist() == [17]


def test_an_interval_is_about_the_mean_of_templates() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.1, 0.05, size=24)
    found = mean_interval(values, rng)
    assert found.value == pytest.approx(values.mean())
    error = values.std() / np.sqrt(24)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=error / 4)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=error / 4)
