"""`eval` says by an exact test whether a bundle's floor is broken on given rows, and then ends with status 1."""

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest

from distill.export.runtime import load
from tests.support.command import run_cli
from tests.support.hostile_objects import FLOOR, WHOLE, tagged
from tests.support.tiny_bundle import make_tiny_bundle

# decided as sadness by the tiny bundle, and not
FOUND, MISSED = "you feel very sad today", "today"


def rows_of(folder: Path, found: int, missed: int) -> Path:
    path = folder / "rows.csv"
    path.write_text("text,labels\n" + f"{FOUND},sadness\n" * found + f"{MISSED},sadness\n" * missed)
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    floors = [FLOOR, {**FLOOR, "label": "joy", "threshold": 0.5, "confidence": None, "bound": None}]
    return tagged(make_tiny_bundle(tmp_path / "bundle"), floors=floors, sets=WHOLE["sets"])


@pytest.mark.parametrize(("found", "missed", "broken"), [(18, 2, False), (15, 5, True), (2, 1, False)])
def test_a_floor_is_broken_where_chance_would_not_miss_as_much(
    found: int, missed: int, broken: bool, bundle: Path, tmp_path: Path
) -> None:
    done = run_cli("eval", str(bundle), str(rows_of(tmp_path, found, missed)), "--json")
    sadness, joy = json.loads(done.stdout)["floors"]
    assert (sadness["rows"], sadness["missed"], sadness["broken"]) == (found + missed, missed, broken)
    expected = binomtest(found, found + missed, 0.9, alternative="less").pvalue
    assert sadness["p_value"] == pytest.approx(expected)
    assert (joy["rows"], joy["broken"]) == (0, False)
    assert done.returncode == int(broken)
    assert ("The floor of 'sadness' is broken on these rows" in done.stderr) is broken


def test_the_line_of_a_floor_says_whether_it_is_certified(bundle: Path, tmp_path: Path) -> None:
    done = run_cli("eval", str(bundle), str(rows_of(tmp_path, 15, 5)))
    line = "floor: recall of 0.9 for 'sadness' (certified at 0.9): BROKEN, 0.750 (0.509 to 0.913) on 20 rows"
    assert line in done.stdout
    assert "floor: recall of 0.9 for 'joy' (not certified): no row to test it on" in done.stdout
    assert "coverage" in done.stdout


def test_several_floors_are_tested_together_and_one_without_rows_takes_nothing_from_them(
    bundle: Path, tmp_path: Path
) -> None:
    path = rows_of(tmp_path, 15, 5)
    with path.open("a") as file:
        file.write(f"{MISSED},joy\n" * 3)
    sadness, joy = json.loads(run_cli("eval", str(bundle), str(path), "--json").stdout)["floors"]
    assert sadness["p_value"] == pytest.approx(binomtest(15, 20, 0.9, alternative="less").pvalue)
    assert joy["rows"] == 3
    assert sorted([sadness["adjusted"], joy["adjusted"]])[0] == 2 * min(sadness["p_value"], joy["p_value"])


def test_rows_of_one_group_are_one_trial(bundle: Path, tmp_path: Path) -> None:
    path, rows = tmp_path / "rows.csv", [f"{FOUND},sadness,a{at}\n" for at in range(18)]
    path.write_text(
        "text,labels,talk\n" + "".join(rows) + f"{MISSED},sadness,b\n" * 9 + f"{MISSED},sadness,\n" * 2
    )
    alone = json.loads(run_cli("eval", str(bundle), str(path), "--json").stdout)["floors"][0]
    grouped = run_cli("eval", str(bundle), str(path), "--json", "--group", "talk")
    together = json.loads(grouped.stdout)["floors"][0]
    assert (alone["rows"], alone["missed"], alone["broken"]) == (29, 11, True)
    assert (together["rows"], together["missed"], together["broken"]) == (21, 3, False)
    assert grouped.returncode == 0
    missing = run_cli("eval", str(bundle), str(path), "--group", "person")
    assert (missing.returncode, "which --group asks for" in missing.stderr) == (2, True)


def test_answers_are_tested_as_floors_are(bundle: Path, tmp_path: Path) -> None:
    """Of texts that are answered, and not left to a person for what they are."""
    answers = {**WHOLE["answers"], "at_least": 0.9}
    abstain = {"confidence": "exact_match", "below": 0.01}
    tagged(bundle, floors=None, sets=None, unreadable=WHOLE["unreadable"], answers=answers, abstain=abstain)
    found = load(bundle)(FOUND)
    right, wrong = ",".join(found.labels), "calm" if found.labels != ("calm",) else "joy"
    lines = [f'{FOUND},"{right}"'] * 6 + [f"{FOUND},{wrong}"] * 4 + ["zzz,joy"] * 5
    (tmp_path / "rows.csv").write_text("text,labels\n" + "\n".join(lines) + "\n")
    done = run_cli("eval", str(bundle), str(tmp_path / "rows.csv"), "--json")
    (tested,) = json.loads(done.stdout)["floors"]
    assert (tested["label"], tested["metric"], tested["rows"], tested["missed"]) == (
        None,
        "right when answered",
        10,
        4,
    )
    assert tested["p_value"] == pytest.approx(binomtest(6, 10, 0.9, alternative="less").pvalue)
    assert (done.returncode, "The floor of the answers is broken" in done.stderr) == (1, True)
    shown = run_cli("eval", str(bundle), str(tmp_path / "rows.csv")).stdout
    assert "floor: right when answered of 0.9 (certified at 0.9): BROKEN, 0.600" in shown


def test_sets_are_those_that_predict_gives(bundle: Path, tmp_path: Path) -> None:
    """Nothing is excluded of a text that cannot be read."""
    tagged(bundle, sets={**WHOLE["sets"], "thresholds": [0.999] * 3}, unreadable=WHOLE["unreadable"])
    (tmp_path / "rows.csv").write_text(f"text,labels\n{FOUND},sadness\nzzz,joy\nzzz qqq,calm\n")
    done = run_cli("eval", str(bundle), str(tmp_path / "rows.csv"), "--json")
    found = json.loads(done.stdout)
    assert found["handed_over"]["unreadable"] == 2
    assert found["sets"]["label_coverage"] == [1.0, 1.0, 1.0]
