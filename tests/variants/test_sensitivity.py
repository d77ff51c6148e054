"""Which products are left in fp32: measured one by one, and as few as a gate allows."""

import math
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import find_matmuls
from distill.export.graph.session import GraphRunner
from distill.export.int8.quantize import quantize_dynamic
from distill.export.int8.sensitivity import Sensitivity, fewest, measure_sensitivity
from distill.report.page import render_page
from tests.support.export_models import WIDTH, random_rows, tiny_classifier, tiny_graph
from tests.support.finished import execute, export_again, reopen
from tests.support.tiny_report import report_data, tiny_report, variant_data


@pytest.mark.parametrize("count", range(1, 20))
def test_bisection_finds_the_least_that_passes_and_asks_seldom(count: int) -> None:
    for least in range(1, count + 2):
        asked: list[int] = []

        def passes(number: int, least: int = least, asked: list[int] = asked) -> bool:
            asked.append(number)
            return number >= least

        assert fewest(count, passes) == (least if least <= count else None)
        assert len(asked) == len(set(asked)) <= 2 + math.log2(count)


def test_with_nothing_to_leave_out_nobody_is_asked() -> None:
    assert fewest(0, lambda number: pytest.fail("asked")) is None


def test_a_gain_is_noise_squared_for_its_cost() -> None:
    small, large = Sensitivity("a", 0.2, 100), Sensitivity("b", 0.3, 400)
    assert small.gain > large.gain
    assert Sensitivity("c", math.inf, 400).to_dict() == {"product": "c", "noise": None, "multiply_adds": 400}


@pytest.fixture(scope="module")
def sensitive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph one of whose weights has a wide row, beside which seven bits are few for the others."""
    model = tiny_classifier("bert")
    with torch.no_grad():
        model.encoder.encoder.layer[1].attention.self.value.weight[:, 0] *= 60
    return tiny_graph(tmp_path_factory.mktemp("sensitive"), model)


def measured(fused: Path, folder: Path) -> list[Sensitivity]:
    def write(graph: Path, keep: Collection[str]) -> None:
        quantize_dynamic(fused, graph, keep_fp32=keep)

    return measure_sensitivity(fused, write, random_rows(40, seed=1), folder)


def test_the_most_sensitive_product_comes_first(sensitive: Path, tmp_path: Path) -> None:
    found = measured(sensitive, tmp_path)
    assert found[0].matmul == "layer.1.value"
    products = {product.name: product for product in find_matmuls(GraphBuilder.load(sensitive))}
    assert {one.matmul: one.multiply_adds for one in found} == {
        name: product.multiply_adds for name, product in products.items()
    }
    assert products["layer.0.query"].multiply_adds == WIDTH**2
    assert products["layer.1.ffn_up"].multiply_adds == 2 * WIDTH**2
    assert [one.gain for one in found] == sorted((one.gain for one in found), reverse=True)
    assert found == measured(sensitive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_noises_of_products_add_up_as_squares(sensitive: Path, tmp_path: Path) -> None:
    """Which is why a gain is a square."""
    found = {one.matmul: one.noise for one in measured(sensitive, tmp_path)}
    rows, names = random_rows(40, seed=1), list(found)
    logits = []
    for keep in (names, []):
        quantize_dynamic(sensitive, tmp_path / "x.onnx", keep_fp32=keep)
        logits.append(GraphRunner(tmp_path / "x.onnx").run_rows(rows))
    together = float(np.mean(np.square(logits[1] - logits[0])))
    assert sum(noise**2 for noise in found.values()) == pytest.approx(together, rel=0.5)


def noise_of(attempt: dict[str, Any]) -> float:
    return next(float(one["value"]) for one in attempt["checks"] if one["name"].startswith("logit noise"))


def weights_in_fp32(model: bytes) -> int:
    """The number of matmuls whose weight is stored in fp32."""
    graph = onnx.load_from_string(model).graph
    stored = {
        one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) == 2
    }
    return sum(node.op_type == "MatMul" and node.input[1] in stored for node in graph.node)


# beside a student that has learned next to nothing the noise of its embedding table is all that can be measured
LONGER = ("student.epochs=8", "student.body_learning_rate=1e-2")


@pytest.fixture(scope="module")
def learned(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(runs, tmp_path_factory.mktemp("learned") / "smoke")
    execute(folder, *LONGER, until="export")
    return folder


@pytest.mark.parametrize("name", ["int8-dynamic", "int8-static", "int8-weights"])
def test_a_gate_that_refuses_all_in_int8_gets_as_few_products_in_fp32_as_it_needs(
    learned: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(learned, tmp_path / "smoke")
    run = reopen(tmp_path / "smoke")
    folder = run.layout.variant(name)

    easy = export_again(run, name)
    assert (easy["passed"], easy["kept_fp32"], easy["sensitivity"], len(easy["tried"])) == (True, [], [], 1)

    never = export_again(run, name, max_int8_noise=0.0)
    assert not never["passed"]
    assert len(never["tried"]) == 2
    order = [one["product"] for one in never["sensitivity"]]
    assert len(set(order)) == 6
    assert never["kept_fp32"] == order[:5]  # one stays, for without any it would be int8-weights

    bound = (noise_of(never["tried"][0]) + noise_of(never["tried"][1])) / 2
    found = export_again(run, name, max_int8_noise=bound)
    model = (folder / "model.onnx").read_bytes()
    assert found["passed"]
    kept = found["kept_fp32"]
    assert 1 <= len(kept) <= 5
    assert kept == order[: len(kept)]
    tried = {len(attempt["kept_fp32"]): noise_of(attempt) for attempt in found["tried"]}
    assert tried[len(kept)] <= bound < tried[len(kept) - 1]
    assert len(tried) == len(found["tried"]) <= 3 + math.log2(5)
    kinds = [node.op_type for node in onnx.load_from_string(model).graph.node]
    integer = 0 if name == "int8-weights" else 6 - len(kept)
    assert kinds.count("MatMulIntegerToFloat") == integer == found["operators"].get("MatMulIntegerToFloat", 0)
    assert weights_in_fp32(model) == (len(kept) if name == "int8-weights" else 0)
    assert export_again(run, name, max_int8_noise=bound) == found
    assert (folder / "model.onnx").read_bytes() == model
    assert not list(folder.glob("*raw*"))

    models = report_data()["models"]
    variant = {**variant_data(name), "gate": {**found, "attempts": len(found["tried"])}}
    page = render_page(tiny_report(models=[models[0], {**models[3], **variant, "name": name}]), ["quantization"])
    assert f"{name}: {len(kept)} of 6 matmuls in fp32 after {len(tried)} runs of the gate" in page
    assert page.count("<td>fp32</td>") == len(kept)
    passed = {**variant, "gate": {**easy, "attempts": 1}}
    page = render_page(tiny_report(models=[models[0], {**models[3], **passed, "name": name}]), ["quantization"])
    assert "matmuls in fp32" not in page
