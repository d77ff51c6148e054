"""Ordered levels: kappa against scikit-learn, the graph's last nodes against numpy, floors, and the tied head."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from sklearn.metrics import cohen_kappa_score

from distill.evaluation.decided import decided_logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import check_floors
from distill.export.gate import Bounds
from distill.export.graph.model import add_calibration
from distill.export.runtime import InputError
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.untrusted.graph_file import check_graph_file
from distill.objectives.task_loss import LOSSES
from distill.recipe.load import load_recipe
from distill.recipe.shipping import DecisionsRecipe
from distill.teachers.encoder import TaskHead

LEVELS = ("calm", "tense", "distressed", "desperate", "acute")


def drawn(levels: int, rows: int = 600) -> tuple[Any, Any]:
    """Cumulative logits ``(N, C - 1)`` and gold ``(N, C)`` of a model that is sometimes wrong."""
    rng = np.random.default_rng(levels)
    cuts = np.linspace(3, -3, levels - 1) if levels > 2 else np.zeros(1)
    slope = rng.normal(0, 3, (rows, 1))
    true = (slope + rng.logistic(0, 1, (rows, 1)) + cuts > 0).sum(axis=1)
    return (slope + cuts).astype(np.float32), np.eye(levels, dtype=np.float32)[true]


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_the_last_nodes_of_the_graph_are_numpys_log_probabilities(levels: int) -> None:
    task, (logits, _) = Ordinal(LEVELS[:levels]), drawn(levels)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", levels - 1]) for name in ("x", "logits")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["logits"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    add_calibration(model, [1.5] * (levels - 1), [0.0] * (levels - 1), task.finish_nodes())
    onnx.checker.check_model(model)
    check_graph_file(model.SerializeToString(), "model.onnx")
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": logits})
    expected = task.finish(logits * np.float32(1.5))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(expected.astype(np.float64)).sum(axis=1), 1, atol=1e-6)
    above = np.exp(expected.astype(np.float64))[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    np.testing.assert_allclose(above, 1 / (1 + np.exp(-1.5 * logits.astype(np.float64))), atol=1e-5)


def test_far_logits_do_not_overflow() -> None:
    far = np.array([[200.0, 199.0], [-300.0, -301.0], [500.0, -500.0], [-1.0, 1.0]], dtype=np.float32)
    assert np.isfinite(Ordinal(LEVELS[:3]).finish(far)).all()


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_kappa_and_graded_metrics_are_those_of_loops(levels: int) -> None:
    evaluator, (logits, gold) = evaluator_of(Ordinal(LEVELS[:levels])), drawn(levels)
    decision = evaluator.fit(logits, gold, DecisionsRecipe())
    decided = decision.decide(logits, evaluator.task)
    assert (decided.argmax(axis=1) == (logits > 0).sum(axis=1)).mean() > 0.99, "the median"
    quality = evaluator.evaluate(decided_logits(logits, gold, decision, evaluator.task), decision.policy).to_dict()
    true, chosen = gold.argmax(axis=1), decided.argmax(axis=1)
    kappa = cohen_kappa_score(true, chosen, weights="quadratic")
    assert quality[evaluator.headline] == pytest.approx(kappa)
    pairs = list(zip(true.tolist(), chosen.tolist(), strict=True))
    right = sum(t == c for t, c in pairs)
    assert quality["mean_absolute_error"] == pytest.approx(np.mean([abs(t - c) for t, c in pairs]))
    assert quality["graded_recall"] == pytest.approx(right / (right + sum(c < t for t, c in pairs)))
    assert quality["graded_precision"] == pytest.approx(right / (right + sum(c > t for t, c in pairs)))
    assert quality["two_levels_too_low"] == pytest.approx(np.mean([t - c >= 2 for t, c in pairs]))
    assert set(evaluator.further) <= quality.keys()


def test_kappa_under_weights_is_that_of_repeated_rows() -> None:
    evaluator, (logits, gold) = evaluator_of(Ordinal(LEVELS)), drawn(5, rows=60)
    decided = evaluator.fit(logits, gold, DecisionsRecipe()).decide(logits, evaluator.task)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=5).astype(np.float32)
    rows = [np.repeat(np.arange(60), counts.astype(int)) for counts in weights]
    expected = [evaluator.score(decided[some], gold[some]) for some in rows]
    assert evaluator.resampled(decided, gold, weights) == pytest.approx(expected)
    assert evaluator.score(gold > 0, gold) == 1.0


@pytest.mark.parametrize("floor", [0.5, 0.9, 0.95])
def test_never_below_holds_on_validation_and_moves_only_its_cut(floor: float) -> None:
    evaluator, (logits, gold) = evaluator_of(Ordinal(LEVELS)), drawn(5)
    policy = DecisionsRecipe(never_below={"desperate": floor})
    check_floors(policy, evaluator, gold)
    decision = evaluator.fit(logits, gold, policy)
    true, chosen = gold.argmax(axis=1), decision.decide(logits, evaluator.task).argmax(axis=1)
    kept = float((chosen[true >= 3] >= 3).mean())
    assert kept >= floor
    assert evaluator.floor_metrics(np.eye(5)[chosen] > 0, gold)["share at or above"][3] == pytest.approx(kept)
    assert decision.thresholds is not None
    assert [decision.thresholds[cut] for cut in (0, 1, 3)] == [0.5] * 3
    assert decision.thresholds[2] <= 0.5


def test_never_below_that_cannot_be_is_a_sentence() -> None:
    evaluator, (_, gold) = evaluator_of(Ordinal(LEVELS)), drawn(5)
    with pytest.raises(
        InputError, match="decisions.never_below: The label 'grave' is unknown. The labels are calm"
    ):
        check_floors(DecisionsRecipe(never_below={"grave": 0.9}), evaluator, gold)
    with pytest.raises(
        InputError, match="'calm' is the lowest level, so that every row is at it or above.*label_names"
    ):
        check_floors(DecisionsRecipe(never_below={"calm": 0.9}), evaluator, gold)
    with pytest.raises(InputError, match="cannot be shown with fewer than 1000"):
        check_floors(DecisionsRecipe(never_below={"acute": 0.999}), evaluator, gold)
    with pytest.raises(
        InputError,
        match="never_below is for ordinal tasks. A multi_label task takes recall_floor or precision_floor",
    ):
        load_recipe("smoke", ["decisions.never_below={joy=0.9}"])
    with pytest.raises(InputError, match="corpus.label_names is missing, but ordinal labels have an order"):
        load_recipe("smoke", ["corpus.task=ordinal"])


def test_the_gate_counts_level_flips_and_flips_of_two() -> None:
    reference, gold = np.eye(5)[[0, 1, 2, 3, 4]] > 0, np.eye(5, dtype=np.float32)
    variant = np.eye(5)[[0, 1, 3, 3, 1]] > 0
    checks = evaluator_of(Ordinal(LEVELS)).compare(variant, reference, gold, Bounds())
    assert [check.name for check in checks][:2] == ["rows with another level", "rows two or more levels away"]
    assert [check.value for check in checks][:2] == [pytest.approx(0.4), pytest.approx(0.2)]


def test_the_head_is_one_slope_and_descending_cuts_whenever_it_is_read() -> None:
    torch.manual_seed(0)
    head = TaskHead(8, Ordinal(LEVELS))
    head.start(0.02)
    optimizer, inputs = torch.optim.AdamW(head.parameters(), lr=0.3), torch.randn(64, 8)
    targets = torch.randint(0, 5, (64,))
    for _ in range(20):
        head.train()
        optimizer.zero_grad()
        LOSSES["ordinal"].hard(head(inputs), targets).mean().backward()
        optimizer.step()
    in_training = head(inputs)
    head.eval()
    assert (head.weight == head.weight[:1]).all()
    assert (head.bias.diff() <= 0).all()
    torch.testing.assert_close(head(inputs), in_training)
    assert (head(inputs).diff(dim=1) <= 0).all()
