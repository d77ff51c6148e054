"""Prediction sets hold a label as often as they say, and the runtime makes the very sets that were evaluated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.sets import conformal_threshold, evaluate_sets, fit_thresholds_of_sets
from distill.evaluation.trials import Parts
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.deciding.tasks import TASKS, task_of


def drawn(rng: np.random.Generator, rows: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that keep their word, and labels drawn from them."""
    logits = rng.normal(0, 1.5, (rows, labels))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn_labels = (rng.uniform(size=(rows, 1)) > np.cumsum(scores, axis=1)).sum(axis=1).clip(max=labels - 1)
    return scores, np.eye(labels, dtype=np.float32)[drawn_labels]


@pytest.mark.parametrize("per_label", [False, True])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_a_label_as_often_as_they_say(coverage: float, per_label: bool) -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(60):
        scores, gold = drawn(rng, 800, 4)
        decisions = scores == scores.max(axis=1, keepdims=True)
        fits = np.arange(800) < 400
        parts = Parts(~fits, fits, np.arange(800))
        thresholds = fit_thresholds_of_sets(scores, decisions, gold, parts, coverage, per_label=per_label)
        tested = Sets(task_of("single_label", tuple("abcd")).set_kind, coverage, thresholds)
        quality = evaluate_sets(tested.held_mask(scores[400:], decisions[400:]), gold[400:])
        found.append((quality.coverage, *[one for one in quality.label_coverage if one is not None]))
    means = np.mean(found, axis=0)
    assert means[0] == pytest.approx(coverage, abs=0.01)
    if per_label:
        assert means[1:] == pytest.approx(np.full(4, coverage), abs=0.02)


def test_a_few_rows_exclude_nothing_and_share_a_threshold() -> None:
    assert conformal_threshold(np.array([0.9] * 8), 0.9) < 1e-300
    assert conformal_threshold(np.array([0.9] * 8 + [0.4]), 0.9) == pytest.approx(0.4)
    scores = np.linspace(0.01, 0.99, 100)[:, None].repeat(3, axis=1)
    gold = np.eye(3)[[0] * 60 + [1] * 20 + [2] * 20]
    nothing, every = np.zeros_like(scores, dtype=np.bool_), np.ones(100, dtype=np.bool_)
    parts = Parts(~every, every, np.arange(100))
    own, *others = fit_thresholds_of_sets(scores, nothing, gold, parts, 0.9, per_label=True)
    assert own == pytest.approx(scores[5, 0])
    assert others == [pytest.approx(scores[63, 0])] * 2
    # 60 rows cannot say that one in a hundred scores so low: they share what the hundred say
    assert fit_thresholds_of_sets(scores, nothing, gold, parts, 0.99, per_label=True) == (scores[0, 0],) * 3


def test_rows_of_a_group_are_one_trial_whatever_labels_they_have() -> None:
    rng = np.random.default_rng(1)
    gold, groups = np.eye(4)[np.arange(400) % 4], (np.arange(400) // 20).astype(np.int32)
    scores = rng.uniform(size=(400, 4))
    nothing, every = np.zeros_like(scores, dtype=np.bool_), np.ones(400, dtype=np.bool_)
    parts = Parts(~every, every, rng.permutation(400), groups)
    (shared,) = set(fit_thresholds_of_sets(scores, nothing, gold, parts, 0.9, per_label=False))
    trials = parts.trials(every)
    assert len(trials) == 20
    assert shared == conformal_threshold(scores[trials, trials % 4], 0.9)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(TASKS)))
def test_one_text_has_the_set_that_many_have(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    scores, _ = drawn(rng, 20, 5)
    decisions = scores == scores.max(axis=1, keepdims=True)
    names = tuple("abcde")
    task = task_of(kind, names)
    tested = Sets(task.set_kind, 0.9, tuple(rng.uniform(0.01, 0.5, 5)))
    masks = task.possible_mask(tested.held_mask(scores, decisions))
    for row, decided, held in zip(scores, decisions, masks, strict=True):
        chosen = tuple(name for name, yes in zip(names, decided, strict=True) if yes)
        possible = task.possible(tested.held(names, row.tolist(), chosen))
        assert possible == tuple(name for name, yes in zip(names, held, strict=True) if yes)
        assert set(chosen) <= set(possible)
        places = [names.index(name) for name in possible]
        assert kind != "ordinal" or places == list(range(places[0], places[-1] + 1))
