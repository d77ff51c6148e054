"""The gate's checks of decisions: counted as by hand, tested as scipy tests, as strict for few rows as many."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from distill.evaluation.disagreement import drop_check, flip_checks, largest_by_chance, recall_check, share_check
from distill.evaluation.evaluators import evaluator_of
from distill.export.gate import Bounds, failures
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.deciding.kinds.single_label import SingleLabel

LABELS = ("joy", "fear", "anger", "disgust")
MULTI = evaluator_of(MultiLabel(LABELS))


def decisions(seed: int, rows: int = 400) -> tuple[Any, Any, Any]:
    """Reference decisions and gold ``(N, 4)``, the last label a rare one, and a source of chance."""
    rng = np.random.default_rng(seed)
    gold = (rng.random((rows, 4)) < [0.4, 0.3, 0.5, 0.02]).astype(np.float32)
    return (gold > 0) ^ (rng.random(gold.shape) < 0.1), gold, rng


def single(rows: int, changed: int, labels: int = 3) -> tuple[Any, Any, Any]:
    """Reference, variant and gold of one label per row, whose first rows the variant decides wrongly."""
    ids = np.arange(rows) % labels
    moved = ids.copy()
    moved[:changed] = (moved[:changed] + 1) % labels
    return np.eye(labels)[ids] > 0, np.eye(labels)[moved] > 0, np.eye(labels, dtype=np.float32)[ids]


@pytest.mark.parametrize("seed", range(3))
def test_decisions_are_counted_as_by_hand(seed: int) -> None:
    reference, gold, rng = decisions(seed)
    variant = reference ^ (rng.random(gold.shape) < 0.03)
    flips = [(row, at) for row in range(400) for at in range(4) if variant[row, at] != reference[row, at]]
    drops = []
    for at in range(4):
        members = [row for row in range(400) if gold[row, at]]
        if len(members) >= 50:
            recalls = [sum(bool(side[row, at]) for row in members) / len(members) for side in (reference, variant)]
            drops.append(recalls[0] - recalls[1])
    assert len(drops) == 3
    checks = MULTI.compare(variant, reference, gold, Bounds())
    assert [check.value for check in checks[:3]] == pytest.approx(
        [
            len(flips) / 1600,
            len({row for row, _ in flips}) / 400,
            MULTI.score(reference, gold) - MULTI.score(variant, gold),
        ]
    )
    assert checks[3].value in [pytest.approx(max(0.0, drop)) for drop in drops]
    assert f"{len(flips)} of 1600 decisions differ" in checks[0].reason
    assert [check.rows for check in checks[:3]] == [400] * 3


def test_equal_decisions_pass_and_each_bound_can_fail() -> None:
    reference, gold, _ = decisions(0)
    for bounds in (Bounds(), Bounds(max_label_flip_rate=0, max_row_flip_rate=0, max_macro_f1_drop=0)):
        assert failures(MULTI.compare(reference, reference, gold, bounds)) == ""
    variant = reference.copy()
    variant[:80, 0] = False
    failed = [check.name for check in MULTI.compare(variant, reference, gold, Bounds()) if not check.passed]
    assert failed == [
        "flips per (row, label)",
        "rows with a flip",
        "macro-F1 drop",
        "recall drop of the worst label",
    ]
    loose = dataclasses.replace(
        Bounds(), max_label_flip_rate=1.0, max_row_flip_rate=1.0, max_macro_f1_drop=1.0, max_recall_drop=1.0
    )
    assert failures(MULTI.compare(variant, reference, gold, loose)) == ""
    assert failures(MULTI.compare(~reference, reference, gold, loose)) == ""


@pytest.mark.parametrize(("rows", "share", "confidence"), [(30, 0.05, 0.95), (320, 0.05, 0.95), (320, 0.002, 0.9)])
def test_rows_are_tested_as_scipy_tests_a_binomial(rows: int, share: float, confidence: float) -> None:
    for found in range(min(rows, 40)):
        check = share_check("x", np.arange(rows) < found, share, confidence)
        scipys = binomtest(found, rows, share, alternative="greater")
        assert check.passed == (scipys.pvalue > 1 - confidence), found
        above = binomtest(found, rows, share, alternative="less").proportion_ci(confidence)
        assert check.upper == pytest.approx(above.high)
    assert check.allowed == binom.isf(1 - confidence, rows, share) / rows


def test_labels_of_one_row_that_flip_together_count_as_one() -> None:
    reference, variant, _ = single(300, 3)
    cells, rows = flip_checks(variant, reference, Bounds(max_label_flip_rate=0.002), least=2)
    # 6 of 900 cells, and 3 of 300 rows where 0.3 % may differ
    assert cells.passed == share_check("rows", np.arange(300) < 3, 0.003, 0.95).passed
    assert cells.reason == "6 of 900 decisions differ, at most 6 allowed at this size"
    assert rows.reason == "3 of 300 rows differ, at most 21 allowed at this size"
    assert cells.upper == pytest.approx((rows.upper or 0) * 2 / 3)
    alone = share_check("x", np.repeat([1, 0], [6, 294]), 0.002, 0.95, cells=3)
    assert alone.value == cells.value
    assert not alone.passed, "six rows of 300 are more evidence than three"


@pytest.mark.parametrize("labels", [3, 28])
@pytest.mark.parametrize("rows", [100, 1000, 20_000])
def test_a_variant_at_the_bound_passes_as_often_at_every_size(rows: int, labels: int) -> None:
    rng, bounds = np.random.default_rng(rows + labels), Bounds()
    passed = []
    for _ in range(150):
        changed = rng.random(rows) < bounds.max_label_flip_rate * labels / 1.25  # 1.25 flips per changed row
        counts = changed * (1 + (rng.random(rows) < 0.25))
        passed.append(share_check("x", counts, bounds.max_label_flip_rate, 0.95, cells=labels).passed)
    assert np.mean(passed) >= 0.9


def test_two_flips_of_three_hundred_rows_do_not_refuse_and_many_do() -> None:
    evaluator = evaluator_of(SingleLabel(LABELS[:3]))
    for changed, said in ((2, ""), (40, "40 of 300 rows differ, at most 21")):
        reference, variant, gold = single(300, changed)
        found = failures(evaluator.compare(variant, reference, gold, Bounds()))
        assert (said in found) if said else (found == "")
    reference, variant, gold = single(30_000, 200)
    assert "flips per (row, label) 0.004444 above 0.002 (400 of 90000" in failures(
        evaluator.compare(variant, reference, gold, Bounds())
    )


def test_a_drop_is_refused_by_the_lower_bound_of_a_bootstrap_over_rows() -> None:
    reference, gold, rng = decisions(5)
    variant = reference ^ (rng.random(gold.shape) < 0.02) ^ ((rng.random(gold.shape) < 0.05) & (gold > 0))
    check = drop_check("x", MULTI, variant, reference, gold, 0.01, 0.95)
    drops = []
    for _ in range(400):
        rows = rng.integers(0, 400, 400)
        drops.append(MULTI.score(reference[rows], gold[rows]) - MULTI.score(variant[rows], gold[rows]))
    lower, upper = np.quantile(drops, [0.05, 0.95])
    assert check.allowed is not None
    assert check.value - (check.allowed - 0.01) == pytest.approx(lower, abs=0.004)
    assert check.upper == pytest.approx(upper, abs=0.004)
    assert drop_check("x", MULTI, variant, reference, gold, float(lower) + 0.01, 0.95).passed
    assert not drop_check("x", MULTI, variant, reference, gold, float(lower) - 0.01, 0.95).passed
    assert drop_check("x", MULTI, reference, variant, gold, 0.0, 0.95).passed, "a gain"
    assert check == drop_check("x", MULTI, variant, reference, gold, 0.01, 0.95)


def test_kappa_is_the_drop_of_ordered_levels() -> None:
    reference, variant, gold = single(200, 60)
    checks = evaluator_of(Ordinal(LABELS[:3])).compare(variant, reference, gold, Bounds())
    assert [check.name for check in checks[2:]] == [
        "quadratic weighted kappa drop",
        "recall drop of the worst label",
    ]
    assert not any(check.passed for check in checks)
    assert all(check.reason for check in checks)


def test_a_recall_drop_is_of_what_is_lost_beyond_what_is_gained() -> None:
    gold = np.zeros((200, 2), dtype=np.float32)
    gold[:100, 0], gold[100:, 1] = 1, 1
    reference = gold > 0
    reference[90:100, 0] = False  # ten that only the variant may find
    bounds, names = Bounds(), ("joy", "fear")

    def lose(lost: int, gained: int = 0) -> Any:
        variant = reference.copy()
        variant[:lost, 0] = False
        variant[90 : 90 + gained, 0] = True
        return recall_check(variant, reference, gold, names, bounds)

    allowed = int(binom.isf(0.025, 100, 0.05))  # two labels share the 5 %
    assert lose(allowed).passed
    refused = lose(allowed + 1)
    assert not refused.passed
    assert refused.reason == f"'joy': {allowed + 1} of 100 rows lost, at most {allowed} allowed at this size"
    assert lose(allowed + 4, gained=4).passed, "the same on balance, with more chance in it"
    rare = recall_check(reference, reference, gold, names, Bounds(min_recall_rows=101))
    assert (rare.passed, rare.reason) == (True, "no label has 101 rows")


def test_the_recall_of_a_rare_label_refuses_nothing_unless_it_is_asked_to() -> None:
    gold = np.zeros((200, 2), dtype=np.float32)
    gold[:100, 0], gold[100:120, 1] = 1, 1
    reference, names = gold > 0, ("joy", "fear")
    variant = reference.copy()
    variant[:, 1] = False
    assert recall_check(variant, reference, gold, names, Bounds()).passed
    refused = recall_check(variant, reference, gold, names, Bounds(min_recall_rows=20))
    assert not refused.passed
    assert refused.reason is not None
    assert refused.reason.startswith("'fear': 20 of 20 rows lost")


def test_the_largest_number_by_chance() -> None:
    assert largest_by_chance(10, lambda number: 1 / number, 0.25) == 3
    assert largest_by_chance(10, lambda number: 0.0, 0.05) == 0
    assert largest_by_chance(10, lambda number: 1.0, 0.05) == 10
