"""A finished run with another policy of decisions: what is done again, what ships, what the report says."""

import json
import shutil
from pathlib import Path

import pytest

from distill.export.runtime import load
from tests.support.command import run_cli

pytestmark = pytest.mark.slow


def test_another_threshold_policy_trains_nothing_again(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    done = run_cli(
        "train", str(runs / "recipe.toml"), "--runs", str(tmp_path), "--set", "decisions.threshold_shrink=3"
    )
    assert done.returncode == 0, done.stderr
    redone = [line.split(":")[0] for line in done.stderr.splitlines() if not line.endswith("already done")]
    assert redone == ["quality/teacher", "quality/student", "quality/twin"]


def test_floors_and_the_rule_to_abstain_reach_the_bundle(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    certified = "recall_floor.anger={at_least=0.6,confidence=0.8}"
    wanted = ("abstain_coverage=0.8", "recall_floor.joy=0.8", certified, "sets=0.8", "hand_over_words=crisis")
    options = [part for value in wanted for part in ("--set", f"decisions.{value}")]
    done = run_cli("report", str(runs / "recipe.toml"), "--runs", str(tmp_path), *options)
    assert done.returncode == 0, done.stderr
    assert "student: already done" in done.stderr
    report = json.loads((tmp_path / "smoke/report.json").read_text())
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    assert [(floor["label"], floor["kept"]) for floor in shipped["floors"]] == [("joy", True), ("anger", True)]
    rows = {row["label"]: row for row in shipped["validation"]["per_label"]}
    assert rows["joy"]["recall"] >= 0.8
    joy, anger = shipped["floors"]
    assert "certificate" not in joy
    assert anger["certificate"]["bound"] >= 0.6
    assert anger["certificate"]["threshold"] == rows["anger"]["threshold"]
    assert shipped["test"]["sets"]["mean_size"] > 0
    assert "shortfall from a recall of 0.8 for 'joy'" in [check["name"] for check in shipped["gate"]["checks"]]
    selective = shipped["validation"]["selective"]
    assert 0.75 <= selective["coverage"] < 0.85  # half of validation tunes, the other half certifies
    manifest = json.loads((tmp_path / "smoke/bundle/manifest.json").read_text())
    assert manifest["abstain"] == {"confidence": "exact_match", "below": selective["below"]}
    assert manifest["format_version"] == 2
    assert [floor["confidence"] for floor in manifest["floors"]] == [None, 0.8]
    assert manifest["sets"]["coverage"] == 0.8
    assert manifest["hand_over"]["list_name"] == "crisis"
    assert 0 <= manifest["metrics"]["validation_unreadable"] <= 0.005
    classifier = load(tmp_path / "smoke/bundle")
    empty, listed = classifier.predict(["", "i want to die"])
    assert (empty.labels, empty.handed_over) == ((), ("unreadable",))
    assert "crisis word" in listed.handed_over
    assert listed.possible is not None
    page = (tmp_path / "smoke/report.html").read_text()
    assert ">Floors</h2>" in page
    assert "anger: texts that a person reads" in page
    card = (tmp_path / "smoke/bundle/README.md").read_text()
    assert f"Below a confidence of {selective['below']:.3f} it abstains" in card


def test_a_precision_that_the_student_cannot_reach_is_one_sentence(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    floor = "decisions.precision_floor.joy=0.8"
    done = run_cli("train", str(runs / "recipe.toml"), "--runs", str(tmp_path), "--set", floor)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: decisions.precision_floor: The best precision that the student reaches for")
    assert "'joy'" in last
    assert "below 0.8. Lower the floor" in last
    for name in ("bundle", "report.json", "report.html"):  # of a recipe without the floor
        assert not (tmp_path / "smoke" / name).exists(), name


def test_a_floor_that_validation_cannot_show_stops_before_the_teacher(tmp_path: Path) -> None:
    done = run_cli("run", "smoke", "--runs", str(tmp_path), "--set", "decisions.recall_floor.joy=0.99")
    assert done.returncode == 2
    assert "0.99 cannot be shown with fewer than 100" in done.stderr
    assert not (tmp_path / "smoke/teacher").exists()


def test_the_report_says_what_calibration_is_worth(runs: Path) -> None:
    report = json.loads((runs / "report.json").read_text())
    teacher = report["models"][0]
    assert teacher["brier_skill_ratio"] in (1.0, None)
    for model in report["models"]:
        for row in model["test"]["per_label"]:
            assert 0 <= row["brier"] <= 1
            assert sum(count for _, _, count in row["reliability"]) == report["corpus"]["rows"]["test"]
        assert model["test"]["selective"]["curve"][-1] == [1.0, model["test"]["selective"]["risk"]]
        assert (model["bars"] is None) == (model["kind"] != "variant")
        assert (model["ece_above_tenth_difference"] is None) == (model["kind"] in ("teacher", "baseline"))
        for bar in model["bars"] or []:
            assert bar["passed"] == (bar["value"] <= bar["bound"])
