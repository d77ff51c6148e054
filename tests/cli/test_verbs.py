"""Every verb on the bundle of one run, and what each says to wrong input."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.command import ROOT, run_cli

TEXTS = "i feel lonely tonight\n\nthank you so much!\n"


def test_predict_answers_every_line(runs: Path) -> None:
    done = run_cli("predict", str(runs / "bundle"), "--json", stdin=TEXTS)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 3
    assert set(answers[0]) == {
        "labels",
        "scores",
        "confidence",
        "abstained",
        "truncated",
        "handed_over",
        "possible",
    }


def test_verify_eval_diff_and_bench(runs: Path) -> None:
    bundle, test = str(runs / "bundle"), str(ROOT / "corpora/sample/test.tsv")
    assert run_cli("verify", bundle).returncode == 0
    found = json.loads(run_cli("eval", bundle, test, "--json").stdout)
    assert found["rows"] == 338
    assert 0 <= found["macro_f1"] <= 1
    same = json.loads(run_cli("diff", bundle, bundle, test, "--json").stdout)
    assert same["rows_changed"] == 0
    timed = json.loads(run_cli("bench", bundle, "--rounds", "1", "--json").stdout)
    assert {row["batch"] for row in timed["rows"]} == {1, 32}


def test_a_tampered_bundle_is_refused(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "bundle", tmp_path / "bundle")
    with (tmp_path / "bundle/tokenizer.json").open("a") as stream:
        stream.write(" ")
    done = run_cli("verify", str(tmp_path / "bundle"))
    assert done.returncode == 2
    assert "tokenizer.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nonsense"], "packaged ones are"),
        (
            ["check", "smoke", "--set", "decisions.recall_floor.jay=0.5"],
            "The label 'jay' is unknown. The labels are",
        ),
        (["check", "smoke", "--set", "decisions.precision_floor.joy=0.999"], "fewer than 1000. Lower the floor"),
        (["run", "smoke", "--set", "corpus.source=/nowhere"], "/nowhere"),
        (["run", "smoke", "--set", "corpus.txt=a"], "corpus.text"),
        (["run", "smoke", "--runs", "/dev/null/runs"], "--runs"),
        (["predict", "/nowhere", "hello"], "/nowhere"),
        (["predict", "/nowhere", "--nobody cares"], "Put -- before"),
        (["eval", "/nowhere", "/nowhere.csv"], "/nowhere"),
    ],
)
def test_wrong_input_gets_one_sentence_and_status_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run_cli(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "nobody cares" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_init_writes_a_recipe_that_check_accepts(tmp_path: Path) -> None:
    rows = "".join(f"{'glad' if row % 2 else 'sad'},text number {row} is here\n" for row in range(60))
    (tmp_path / "mine.csv").write_text("mood,message\n" + rows)
    made = run_cli("init", "mine.csv", "--out", "mine.toml", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = run_cli("check", "mine.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "glad" in checked.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "init",
        "check",
        "run",
        "teach",
        "label",
        "train",
        "export",
        "report",
        "plan",
        "convert",
        "predict",
        "eval",
        "diff",
        "bench",
        "verify",
        "audit",
        "drift",
        "explain",
        "forget",
        "words",
    ],
)
def test_every_verb_explains_itself(verb: str) -> None:
    done = run_cli(verb, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 200
