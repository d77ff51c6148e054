import json

import numpy as np
import pytest

from distill.export.gate import (
    Bounds,
    Check,
    check_contract,
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


def test_a_bound_is_kept_by_equality_and_never_by_nan():
    assert Check("x", 0.05, 0.05).passed
    assert not Check("x", float("nan"), 0.05).passed
    assert failures([Check("rows with a flip", 0.061, 0.05)]) == "rows with a flip 0.061 above 0.05"


def test_what_chance_allows_passes_and_a_refusal_says_what_was_counted():
    counted = "9 of 100 rows differ, at most 9 allowed at this size"
    assert Check("rows with a flip", 0.09, 0.05, allowed=0.09, reason=counted).passed
    refused = Check("rows with a flip", 0.1, 0.05, allowed=0.09, reason="10 of 100 rows")
    assert failures([refused]) == "rows with a flip 0.1 above 0.05 (10 of 100 rows)"
    assert not Check("x", float("nan"), 0.05, allowed=0.09).passed


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
