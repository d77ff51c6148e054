"""The plan's verb, and a run with a budget: as a user calls them, on the smoke recipe."""

import json
import tomllib
from pathlib import Path

import pytest

from distill.cli.runs import plan
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.pipeline.report import check_budget
from distill.recipe.load import load_recipe
from distill.runs.stage import read_record
from tests.support.command import run_cli
from tests.support.finished import execute


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> tuple[Path, dict[str, object]]:
    """A plan on the smoke recipe, with the recipe that it wrote."""
    place = tmp_path_factory.mktemp("plan")
    out, limits = place / "small.toml", ("--size-mb", "0.9", "--p95-ms", "1000", "--rss-mb", "5000")
    done = run_cli("plan", "smoke", *limits, "--out", str(out), "--json", "--set", small_teacher)
    assert done.returncode == 0, done.stderr
    assert f"recipe: {out}" in done.stderr
    return out, json.loads(done.stdout)


def test_the_verb_prints_what_fits_and_writes_the_recipe_of_the_best(
    planned: tuple[Path, dict[str, object]],
) -> None:
    out, found = planned
    fits = found["fits"]
    assert isinstance(fits, list)
    assert fits
    for one in fits:
        assert one["size_mb"] <= 0.9
        assert 0 < one["p50_ms"] <= one["p95_ms"]
        assert 30 < one["rss_mb"] < 5000
    kept = [one["predicted_retention"] for one in fits]
    assert kept == sorted(kept, reverse=True)
    recipe = load_recipe(str(out))
    assert not recipe.budget.choose
    assert (recipe.budget.size_mb, recipe.budget.p95_ms) == (0.9, 1000)
    assert recipe.student.kind in fits[0]["student"]
    assert recipe.export.precision[0] == fits[0]["precision"]


def test_an_existing_file_is_not_written_over(tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    out.write_text("mine")
    with pytest.raises(InputError, match="The file already exists. Choose another name with --out"):
        plan("smoke", size_mb=9, out=out, quiet=True)
    assert out.read_text() == "mine"


def test_a_folder_that_is_not_there_is_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill.planning.plan.plan_recipe", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(
        InputError, match=r"The folder .*/missing does not exist. Create it, or choose another with --out"
    ):
        plan("smoke", size_mb=9, out=tmp_path / "missing/x.toml", quiet=True)


def test_the_help_says_what_the_status_means_what_a_megabyte_is_and_what_a_run_does() -> None:
    said = " ".join(run_cli("plan", "--help").stdout.replace("│", " ").split())
    assert "If nothing fits, the exit status is 1" in said
    assert said.count("MB (10^6 bytes)") == 2
    assert "With a [budget] in the recipe, distill run makes the same plan first" in said


def test_without_a_bound_there_is_nothing_to_plan(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no budget. Give --p95-ms, --size-mb or --rss-mb"):
        plan("smoke", out=tmp_path / "x.toml", quiet=True)


def test_a_budget_that_nothing_meets_is_one_sentence_and_status_1(tmp_path: Path, small_teacher: str) -> None:
    out = tmp_path / "x.toml"
    bounds = ("--p95-ms", "0.001", "--size-mb", "1.5")
    done = run_cli("plan", "smoke", *bounds, "--out", str(out), "--set", small_teacher)
    assert done.returncode == 1, done.stderr
    assert "over the budget, nearest first" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: plan: No student fits")  # on a slow machine also: how many were not measured
    assert ". The nearest is " in last
    assert "over budget.p95_ms = 0.001" in last
    assert last.endswith("Widen that bound.")
    assert not out.exists()


@pytest.mark.parametrize(
    ("missed", "busy", "smaller"),
    [("p95_ms", True, False), ("size_mb", False, True), ("rss_mb", False, False)],
)
def test_what_would_help_depends_on_the_bound_that_is_missed(missed: str, busy: bool, smaller: bool) -> None:
    measured = {"p95_ms": 1.0, "size_mb": 1.0, "rss_mb": 1.0, missed: 3.0}
    recipe = load_recipe("smoke", [f"budget.{key}=2" for key in measured])
    with pytest.raises(CheckFailedError, match="widen that bound or choose a smaller student") as caught:
        check_budget(measured, recipe.budget, Path("smoke/bench"))
    assert ("if the machine was busy, remove smoke/bench" in str(caught.value)) == busy
    assert ("export.table_bits and student.min_piece_groups" in str(caught.value)) == smaller


def test_a_run_with_a_budget_plans_first_freezes_the_choice_and_checks_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_teacher: str
) -> None:
    limits = ["--set", small_teacher, "--set", "budget.size_mb=0.5", "--set", "objective.compare=false"]
    gate = [part for one in ("label_flip_rate", "row_flip_rate") for part in ("--set", f"export.max_{one}=1")]
    gate += ["--set", "export.max_macro_f1_drop=1"]
    command = ["run", "smoke", "--runs", str(tmp_path), *limits, *gate]
    done = run_cli(*command)
    assert done.returncode == 0, done.stderr
    stages = [line.split(":")[0] for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert stages[:3] == ["corpus", "plan", "teacher"]
    folder = tmp_path / "smoke"
    resolved = tomllib.loads((folder / "recipe.toml").read_text())
    left = json.loads((folder / "plan/plan.json").read_text())
    assert resolved["budget"] == {"size_mb": 0.5, "threads": 1, "choose": False}
    for key, value in left["chosen"].items():
        table, name = key.split(".")
        assert resolved[table][name] == value, key
    size = sum(path.stat().st_size for path in (folder / "bundle").rglob("*") if path.is_file()) / 1e6
    assert size <= 0.5
    assert size == pytest.approx(left["fits"][0]["size_mb"], rel=0.03)
    found = json.loads((folder / "report.json").read_text())["budget"]
    assert found["asked"] == {"size_mb": 0.5, "threads": 1}
    assert found["plan"] == left
    assert found["predicted"] in left["fits"]
    measured = found["measured"]["size_mb"]  # before the card says what was measured
    assert measured == pytest.approx(size, rel=0.005)
    assert found["over_asked"] == {"size_mb": measured / 0.5 - 1}
    assert found["over_predicted"].keys() == {"p95_ms", "size_mb"}
    page = (folder / "report.html").read_text()
    assert f"<td>{found['predicted']['student']} (ships)</td>" in page
    with monkeypatch.context() as changed:
        changed.setattr("os.cpu_count", lambda: 640)
        changed.setattr("distill.pipeline.choices.available_threads", lambda: 640)
        before = read_record(folder / "plan")
        execute(folder, *limits[1::2], *gate[1::2], until="label")
        assert read_record(folder / "plan") == before
    again = run_cli(*command)
    assert again.returncode == 0, again.stderr
    lines = [line for line in again.stderr.splitlines() if not line.startswith(" ")]
    assert all(line.endswith("already done") for line in lines), again.stderr
    missed = run_cli("run", str(folder / "recipe.toml"), "--runs", str(tmp_path), "--set", "budget.size_mb=0.1")
    assert missed.returncode == 1
    assert "error: budget: the bundle's size is 0." in missed.stderr
    assert "over budget.size_mb = 0.1; widen that bound" in missed.stderr
    assert "export.table_bits and student.min_piece_groups" in missed.stderr
    assert "busy" not in missed.stderr
    *lines, _ = [line for line in missed.stderr.splitlines() if not line.startswith(" ")]
    assert all(line.endswith("already done") for line in lines), missed.stderr
    assert not any(line.startswith("plan") for line in lines)
    assert not (folder / "bundle").exists()
    assert not (folder / "report.json").exists()
