"""Calibration and decisions against closed forms."""

from typing import Any

import numpy as np
import pytest

from corpora.task import Task, TaskKind
from distill.calibrate import SCALE_BOUNDS, Decision, fit_calibration, fit_decision, judge

MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b", "c"))
SINGLE = Task(TaskKind.SINGLE_LABEL, ("a", "b", "c"))


def drawn(task: Task, scale: float, bias: float, rows: int = 40_000) -> tuple[Any, Any]:
    """Logits whose true probabilities are those of ``scale * logit + bias``, and gold drawn from them."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (rows, 3)).astype(np.float32)
    true = logits * scale + bias
    if task.multi_label:
        gold = rng.random(true.shape) < 1 / (1 + np.exp(-true))
    else:
        gumbel = true - np.log(-np.log(rng.random(true.shape)))
        gold = gumbel.argmax(axis=1)[:, None] == np.arange(3)
    return logits, gold.astype(np.float32)


def test_a_known_scale_and_bias_are_recovered() -> None:
    logits, gold = drawn(MULTI, 0.5, -1.0)
    assert fit_calibration(logits, gold, MULTI.kind) == pytest.approx((0.5, -1.0), abs=0.03)
    logits, gold = drawn(SINGLE, 2.0, 0.0)
    scale, bias = fit_calibration(logits, gold, SINGLE.kind)
    assert scale == pytest.approx(2.0, abs=0.08)
    assert bias == 0.0


@pytest.mark.parametrize("task", [MULTI, SINGLE])
def test_no_other_scale_is_better(task: Task) -> None:
    logits, gold = drawn(task, 0.7, 0.0, rows=2000)
    scale, bias = fit_calibration(logits, gold, task.kind)

    def loss(value: float) -> float:
        decision = Decision((value,) * 3, (bias,) * 3, None)
        scores = np.clip(decision.scores(logits, task.kind).astype(np.float64), 1e-12, 1 - 1e-12)
        cells = gold * np.log(scores)
        if task.multi_label:
            cells = cells + (1 - gold) * np.log(1 - scores)
        return -float(cells.sum())

    assert loss(scale) <= min(loss(scale * 1.02), loss(scale * 0.98))


def test_separable_logits_stay_within_the_bounds() -> None:
    gold = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    scale, _ = fit_calibration((gold * 20 - 10).astype(np.float32), gold, TaskKind.MULTI_LABEL)
    assert SCALE_BOUNDS[0] <= scale <= SCALE_BOUNDS[1]


def test_decisions_follow_calibrated_scores_and_survive_their_record() -> None:
    logits, gold = drawn(MULTI, 0.5, -1.0, rows=500)
    decision = fit_decision(logits, gold, MULTI, shrink=20.0)
    assert Decision.from_dict(decision.to_dict()) == decision
    calibrated = logits * np.float32(decision.scale[0]) + np.float32(decision.bias[0])
    by_hand = 1 / (1 + np.exp(-calibrated.astype(np.float64))) >= np.array(decision.thresholds)
    assert (decision.decide(logits, MULTI.kind) == by_hand).mean() > 0.999
    plain = decision.without_calibration()
    assert (plain.decide(calibrated, MULTI.kind) == decision.decide(logits, MULTI.kind)).all()


def test_a_single_label_is_the_highest_whatever_the_calibration() -> None:
    logits, gold = drawn(SINGLE, 2.0, 0.0, rows=500)
    decision = fit_decision(logits, gold, SINGLE, shrink=20.0)
    assert decision.thresholds is None
    assert (decision.decide(logits, SINGLE.kind).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert judge(logits, gold, SINGLE, decision).accuracy == pytest.approx(
        float((logits.argmax(axis=1) == gold.argmax(axis=1)).mean())
    )
