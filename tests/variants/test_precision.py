"""`export.precision = "auto"`: what is chosen of measured forms, and a run that measures, chooses, freezes."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from distill.artifacts.plan import Plan, PlanBudget, PlanCpu
from distill.artifacts.precision import PrecisionRecord, TimedVariant, read_precision
from distill.export.precision import Precision, exported, qat_precisions
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.planning.result import planned_recipe
from distill.recipe.budget import BudgetRecipe
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.stage import read_record
from distill.variants.precision import instructions, preferred, reason
from distill.variants.select import shipping_variant
from tests.support.command import run_cli
from tests.support.finished import execute, write_gate

NO_BUDGET = BudgetRecipe()


def form(name: str, p50_ms: float, size_mb: float, *, passed: bool = True) -> TimedVariant:
    return TimedVariant(name, passed, p50_ms, 2 * p50_ms, size_mb)


FP32, STATIC, DYNAMIC, WEIGHTS = (
    form("fp32", 0.58, 9.9),
    form("int8-static", 0.41, 3.6),
    form("int8-dynamic", 0.47, 3.5),
    form("int8-weights", 0.62, 3.5),
)


def names(forms: list[TimedVariant], budget: BudgetRecipe = NO_BUDGET) -> list[str]:
    return [one.name for one in preferred(forms, budget)]


def test_the_fastest_comes_first_and_none_that_is_slower_than_fp32_at_all() -> None:
    assert names([FP32, WEIGHTS, DYNAMIC, STATIC]) == ["int8-static", "int8-dynamic", "fp32"]


def test_of_two_that_are_nearly_as_fast_the_smaller_comes_first() -> None:
    nearly = form("int8-dynamic", 0.43, 3.5)
    assert names([STATIC, nearly, FP32])[0] == "int8-dynamic"
    assert names([STATIC, form("int8-dynamic", 0.44, 3.5), FP32])[0] == "int8-static"
    # fp32's own neighbour too, and no further
    assert names([FP32, form("int8-weights", 0.60, 3.5)]) == ["int8-weights", "fp32"]
    assert names([FP32, WEIGHTS]) == ["fp32"]


def test_what_did_not_pass_is_not_chosen() -> None:
    assert names([form("int8-static", 0.41, 3.6, passed=False), DYNAMIC, FP32]) == ["int8-dynamic", "fp32"]
    # where fp32 itself may not ship, something slower is better than nothing
    assert names([form("fp32", 0.58, 9.9, passed=False), WEIGHTS]) == ["int8-weights"]


def test_those_that_fit_a_budget_come_first() -> None:
    tiny = [form("fp32", 0.08, 6.0), form("int8-static", 0.08, 1.8), form("int8-dynamic", 0.07, 2.4)]
    assert names(tiny)[0] == "int8-dynamic"
    assert names(tiny, BudgetRecipe(size_mb=2)) == ["int8-static", "int8-dynamic", "fp32"]
    assert names(tiny, BudgetRecipe(size_mb=1)) == names(tiny)
    assert names([FP32, STATIC, DYNAMIC], BudgetRecipe(p95_ms=0.9, size_mb=3.55))[0] == "int8-static"
    # where nothing else fits one that is slower than fp32 does: a bundle of fp32 would be refused
    assert names([FP32, WEIGHTS], BudgetRecipe(size_mb=4)) == ["int8-weights", "fp32"]
    assert names([FP32, WEIGHTS, DYNAMIC], BudgetRecipe(size_mb=4)) == ["int8-dynamic", "fp32"]
    # the p95 of more threads was not measured
    assert names([FP32, STATIC, DYNAMIC], BudgetRecipe(p95_ms=0.9, size_mb=3.55, threads=2))[0] == "int8-dynamic"


def test_the_reason_is_one_line_with_the_numbers_and_the_instructions() -> None:
    cpu = {"model": "AMD EPYC", "flags": ["avx2", "avx512_vnni"]}
    measured = PrecisionRecord(cpu, 9, 1, (FP32, STATIC), {})
    assert reason(STATIC, measured) == (
        "int8-static: 0.41 ms against 0.58 in fp32, 3.6 MB, on AMD EPYC with avx512_vnni"
    )
    assert reason(FP32, measured) == (
        "fp32: 0.58 ms, and no other form that passed is as fast, 9.9 MB, on AMD EPYC with avx512_vnni"
    )
    # of small students two digits would all be the same
    small = PrecisionRecord(cpu, 9, 1, (form("fp32", 0.1684, 0.9), form("int8-weights", 0.1708, 0.3)), {})
    assert reason(small.forms[1], small).startswith("int8-weights: 0.171 ms against 0.168 in fp32, 0.3 MB")
    assert instructions({"flags": ["avx2"]}) == "without int8 dot products"


def test_a_plan_within_a_budget_leaves_nothing_open() -> None:
    chosen = {"export.precision": ["int8-dynamic", "fp32"], "budget.choose": False}
    plan = Plan(
        budget=PlanBudget(), cpu=PlanCpu("", ()), texts=0, vocabulary=0, fits=(), misses=(), unmeasured=0,
        busy=False, chosen=chosen,
    )  # fmt: skip
    recipe = planned_recipe(load_recipe("smoke", ["export.precision=auto", "budget.size_mb=4"]), plan)
    assert [variant.name for variant in recipe.export.shippable] == ["int8-dynamic", "fp32"]


def test_a_recipe_that_says_auto_makes_every_form_and_trains_nothing_for_it() -> None:
    recipe = load_recipe("smoke", ["export.precision=auto"])
    variants = recipe.export.shippable
    assert [variant.name for variant in variants] == list(Precision)
    assert sorted(variant.name for variant in exported(variants)) == sorted(Precision)
    assert qat_precisions(variants) == []
    for wrong in ("fast", "['auto']", "[]"):
        with pytest.raises(InputError, match=r"export\.precision"):
            load_recipe("smoke", [f"export.precision={wrong}"])


def test_where_no_form_passes_the_sentence_is_the_gates(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    for name in Precision:
        write_gate(layout.variant(name), failures="floor missed")
    with pytest.raises(CheckFailedError) as caught:
        shipping_variant(layout, load_recipe("smoke", ["export.precision=auto"]).export)
    assert "No variant of int8-static, int8-dynamic, int8-weights, fp32 may ship" in str(caught.value)
    # every form was tried: there is no other to allow
    assert str(caught.value).endswith("fp32: floor missed). Deliberately widen a bound.")


COMMAND = ("--set", "export.precision=auto", "--set", "objective.compare=false")


@pytest.fixture(scope="module")
def auto(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run, gone on with a recipe that leaves the precision open."""
    folder = tmp_path_factory.mktemp("auto")
    shutil.copytree(runs, folder / "smoke")
    done = run_cli("run", str(runs / "recipe.toml"), "--runs", str(folder), *COMMAND)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("precision: "))
    assert lines[at + 1].startswith("  ")
    (folder / "why").write_text(lines[at + 1].strip())
    assert lines[at + 2].startswith("bundle: ")
    return folder / "smoke"


def test_the_choice_is_frozen_with_its_reason_and_ships(auto: Path) -> None:
    text = (auto / "recipe.toml").read_text()
    order = tomllib.loads(text)["export"]["precision"]
    why = (auto.parent / "why").read_text()
    assert text.startswith(f"# export.precision was measured; {why}\n")
    assert why.startswith(f"{order[0]}: ")
    measured = json.loads((auto / "precision/precision.json").read_text())
    assert [one.name for one in preferred(read_precision(auto / "precision").forms, NO_BUDGET)] == order
    assert {one["name"] for one in measured["forms"]} | set(measured["refused"]) == set(Precision)
    assert not (auto / "precision/bundles").exists()
    files = [path.stat().st_size for path in (auto / "bundle").rglob("*") if path.is_file()]
    sizes = {one["name"]: one["size_mb"] for one in measured["forms"]}
    watch = len(json.dumps(json.loads((auto / "bundle/manifest.json").read_text())["watch"], indent=2)) / 1e6
    # what was timed had no reference of a watch yet, which only what ships needs
    assert sizes[order[0]] == pytest.approx(sum(files) / 1e6 - watch, rel=0.01)
    report = json.loads((auto / "report.json").read_text())
    assert report["chosen"] == order[0]
    assert report["precision"] == measured
    page = (auto / "report.html").read_text()
    assert ">Choice of precision</h2>" in page
    assert "<td>chosen</td>" in page
    assert "no\nclaim about other CPUs" in page


def test_a_rerun_measures_nothing_and_chooses_the_same(auto: Path) -> None:
    before = (auto / "recipe.toml").read_text()
    again = run_cli("run", str(auto / "recipe.toml"), "--runs", str(auto.parent), *COMMAND)
    assert again.returncode == 0, again.stderr
    lines = [line for line in again.stderr.splitlines() if not line.startswith(" ")]
    assert "precision: already done" in lines
    assert all(line.endswith("already done") for line in lines), again.stderr
    assert (auto / "recipe.toml").read_text() == before


def test_the_resolved_recipe_keeps_the_choice_its_reason_and_the_bench(auto: Path, tmp_path: Path) -> None:
    shutil.copytree(auto, tmp_path / "smoke")
    done = run_cli("report", str(auto / "recipe.toml"), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert not [line for line in lines if not line.endswith("already done") and not line.startswith("report")]
    assert (tmp_path / "smoke/recipe.toml").read_text() == (auto / "recipe.toml").read_text()
    before, after = (json.loads((folder / "report.json").read_text()) for folder in (auto, tmp_path / "smoke"))
    assert before["precision"] == after["precision"]
    assert before["models"] == after["models"]


def test_a_machine_of_more_cores_measures_nothing_anew(auto: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [read_record(auto / name) for name in ("precision", "export/bundle")]
    monkeypatch.setattr("os.cpu_count", lambda: 640)
    execute(auto, *COMMAND[1::2], until="export")
    assert [read_record(auto / name) for name in ("precision", "export/bundle")] == before


def test_the_resolved_recipe_gives_the_same_bundle_and_measures_nothing(auto: Path, tmp_path: Path) -> None:
    shutil.copytree(auto, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke/bundle")
    shutil.rmtree(tmp_path / "smoke/precision")
    done = run_cli("export", str(auto / "recipe.toml"), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "precision: " not in done.stderr
    for path in (auto / "bundle").rglob("*"):
        if path.is_file() and path.name != "README.md":  # a finished run's card says what was measured
            assert (
                path.read_bytes() == (tmp_path / "smoke/bundle" / path.relative_to(auto / "bundle")).read_bytes()
            )
