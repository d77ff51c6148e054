import dataclasses
import json

import numpy as np
import pytest

from distill.export.gate import (
    Bounds,
    Check,
    check_contract,
    check_decisions,
    check_shapes,
    failures,
    same_in_batches,
)
from distill.export.graph.from_torch import torch_logits
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.quantize import quantize_with_scales
from distill.export.runtime.errors import CheckFailedError
from tests.support.export_models import LABELS, MAX_TOKENS, feeds, random_rows, tiny_classifier, tiny_graph

STREAM = np.array([piece for row in random_rows(40, seed=6) for piece in row], dtype=np.int64)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module")
def student():
    return tiny_classifier("bert")


@pytest.fixture(scope="module")
def fused(student, tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("gate"), student)


def brute_macro_f1(decided, gold):
    values = []
    for label in range(gold.shape[1]):
        hits = sum(bool(d and g) for d, g in zip(decided[:, label], gold[:, label], strict=True))
        total = int(decided[:, label].sum() + gold[:, label].sum())
        values.append(2 * hits / total if total else 0.0)
    return float(np.mean(values))


def decisions(seed):
    rng = np.random.default_rng(seed)
    gold = (rng.random((400, 4)) < [0.4, 0.3, 0.5, 0.02]).astype(np.float32)
    reference = (gold > 0) ^ (rng.random(gold.shape) < 0.1)
    return reference, gold, rng


@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_counted_as_by_hand(seed):
    reference, gold, rng = decisions(seed)
    variant = reference ^ (rng.random(gold.shape) < 0.03)
    flips = [
        (row, label) for row in range(400) for label in range(4) if variant[row, label] != reference[row, label]
    ]
    drops = []
    for label in range(4):
        members = [row for row in range(400) if gold[row, label]]
        if len(members) >= 50:
            recalls = [
                sum(bool(side[row, label]) for row in members) / len(members) for side in (reference, variant)
            ]
            drops.append(recalls[0] - recalls[1])
    assert len(drops) == 3
    expected = [
        len(flips) / 1600,
        len({row for row, _ in flips}) / 400,
        brute_macro_f1(reference, gold) - brute_macro_f1(variant, gold),
        max(0.0, *drops),
    ]
    checks = check_decisions(variant, reference, gold, brute_macro_f1, Bounds())
    np.testing.assert_allclose([check.value for check in checks], expected, atol=1e-9)


def test_equal_decisions_pass_and_each_bound_can_fail():
    reference, gold, _ = decisions(0)
    assert failures(check_decisions(reference, reference, gold, brute_macro_f1, Bounds())) == ""
    variant = reference.copy()
    variant[:80, 0] = False
    failed = {
        check.name
        for check in check_decisions(variant, reference, gold, brute_macro_f1, Bounds())
        if not check.passed
    }
    assert len(failed) == 4
    loose = dataclasses.replace(
        Bounds(), max_label_flip_rate=1.0, max_row_flip_rate=1.0, max_macro_f1_drop=1.0, max_recall_drop=1.0
    )
    assert failures(check_decisions(variant, reference, gold, brute_macro_f1, loose)) == ""


def test_a_rare_label_is_not_judged_by_its_recall():
    reference, gold, _ = decisions(1)
    variant = reference.copy()
    variant[:, 3] = False
    recall = check_decisions(variant, reference, gold, brute_macro_f1, Bounds())[-1]
    assert recall.value == 0
    assert check_decisions(variant, reference, gold, brute_macro_f1, Bounds(min_recall_rows=1))[-1].value > 0.5


def test_a_bound_is_kept_by_equality_and_never_by_nan():
    assert Check("x", 0.05, 0.05).passed
    assert not Check("x", float("nan"), 0.05).passed
    assert failures([Check("rows with a flip", 0.061, 0.05)]) == "rows with a flip 0.061 above 0.05"


def shapes(run, student, *, int8=False):
    return check_shapes(
        run,
        lambda ids, mask: torch_logits(student, ids, mask),
        STREAM,
        max_tokens=MAX_TOKENS,
        int8=int8,
        bounds=Bounds(),
    )


def test_fp32_passes_over_shapes(student, fused):
    found = shapes(GraphRunner(fused), student)
    assert failures(found.checks) == ""
    assert found.batch_invariant


def test_int8_is_measured_for_noise(student, fused, tmp_path):
    scales = fit_input_scales(fused, feeds(random_rows(40), list(INPUTS)))
    quantize_with_scales(fused, tmp_path / "x.onnx", scales=scales)
    found = shapes(GraphRunner(tmp_path / "x.onnx"), student, int8=True)
    assert failures(found.checks) == ""
    assert found.batch_invariant
    assert failures(shapes(GraphRunner(tmp_path / "x.onnx"), student).checks) != ""


def test_a_graph_that_ignores_the_mask_fails_and_one_that_mixes_rows_is_seen(student, fused):
    runner = GraphRunner(fused)
    assert failures(shapes(lambda ids, mask: runner(ids, mask) + 0.01, student).checks) != ""
    mixed = shapes(lambda ids, mask: runner(ids, mask) * (1 + 1e-6 * (len(ids) > 1)), student)
    assert not mixed.batch_invariant
    ignoring = shapes(lambda ids, mask: runner(ids, np.ones_like(mask)), student)
    assert not ignoring.batch_invariant
    broken = shapes(lambda ids, mask: runner(ids, mask) * np.float32("nan"), student).checks
    assert "nan above" in failures(broken)
    data = [check.to_dict() for check in broken]
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert [(check["value"], check["passed"]) for check in data] == [(None, False)]


def test_rows_of_real_text_are_compared_to_the_bit(fused):
    runner, rows = GraphRunner(fused), random_rows(70, seed=9)
    alone = runner.run_rows(rows)
    assert same_in_batches(runner, rows, alone, seed=1)
    for row in (0, 69):  # also one in the last batch, which is not full
        moved = alone.copy()
        moved[row, 0] = np.nextafter(moved[row, 0], np.float32(np.inf))
        assert not same_in_batches(runner, rows, moved, seed=1)


def test_the_contract_of_a_graph(fused):
    session = GraphRunner(fused).session
    check_contract(session, INPUTS, len(LABELS))
    with pytest.raises(CheckFailedError, match="inputs"):
        check_contract(session, INPUTS[:2], len(LABELS))
    with pytest.raises(CheckFailedError, match="5 columns"):
        check_contract(session, INPUTS, 5)
