"""A command line as people expect one: headings, the same options everywhere, files, runs, 80 columns."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from distill.cli.app import COMMANDS, STATUSES
from distill.cli.layout import print_table
from distill.export.runtime import load
from tests.support.command import ROOT, run_cli
from tests.support.hostile_objects import ABSTAIN, FLOOR, WHOLE, tagged
from tests.support.tiny_bundle import LABELS, make_tiny_bundle, rewrite_manifest

TEXTS = ["i am happy", "you feel very sad today", "not calm"]
VERBS = [command.name for command in COMMANDS]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "runs/mine/bundle")


def test_the_help_has_headings_verbs_and_statuses() -> None:
    shown = run_cli("-h").stdout
    assert shown == run_cli("--help").stdout
    places = [shown.index(f" {command.heading} ─") for command in COMMANDS]
    assert places == sorted(places)
    for verb in VERBS:
        assert re.search(rf"^│ {verb} ", shown, re.MULTILINE), verb
    for status, meaning in STATUSES.items():
        assert f"{status}: {meaning.split(';')[0].replace('`', '')}" in shown
        assert f"| {status} | {meaning} |" in (ROOT / "docs/shipping.md").read_text(encoding="utf-8")
    assert "--install-completion" in shown
    assert "<bool>" not in shown.lower()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_the_same_options(verb: str) -> None:
    shown = run_cli(verb, "-h").stdout
    for option in ("--quiet", "--verbose", "--json", "-q", "-v", "-h"):
        assert f"{option} " in shown, option
    assert "Example: distill" in shown
    assert "<bool>" not in shown.lower()  # flags take no value


@pytest.mark.parametrize(("wrong", "meant"), [("pridict", "predict"), ("sevre", "serve"), ("reciepes", "recipes")])
def test_a_misspelt_verb_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    done = run_cli(wrong)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'" in done.stderr


def test_a_runs_folder_is_taken_for_its_bundle(bundle: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "runs/mine")
    assert run_cli("verify", run).stdout == run_cli("verify", str(bundle)).stdout
    assert run_cli("predict", run, TEXTS[0]).stdout == run_cli("predict", str(bundle), TEXTS[0]).stdout
    assert json.loads(run_cli("bench", run, "--rounds", "1", "--json", "-q").stdout)["bundles"].keys() == {
        str(bundle)
    }
    assert "has no manifest.json" in run_cli("verify", str(tmp_path)).stderr


def test_show_says_what_a_bundle_is(bundle: Path) -> None:
    shown = run_cli("show", str(bundle)).stdout
    for line in ("name: tiny", "task: multi_label", "precision: fp32", "cuts texts at: 8 tokens"):
        assert line in shown
    assert re.search(r"sadness +│ +0.400", shown)
    found = json.loads(run_cli("show", str(bundle), "--json").stdout)
    assert found["labels"] == list(LABELS)
    assert found["manifest_sha256"] == getattr(load(bundle).origin, "manifest_sha256", None)
    assert "self_test" not in found


def test_show_prints_words_and_no_keys(bundle: Path) -> None:
    split = {"accuracy": None, "ece": 0.01, "macro_f1": 0.5, "graded_recall": 0.25}
    metrics = {"retention": 0.9, "folds": None, "test": split, "validation": {"macro_f1": 0.75}}
    provenance = {"corpus_licence": None, "recipe_sha256": "0f", "versions": {"numpy": "2", "torch": "3"}}
    rewrite_manifest(bundle, metrics={**metrics, "teacher_test_macro_f1": 0.625}, provenance=provenance)
    shown = run_cli("show", str(bundle)).stdout
    for line in (
        "retention, the headline as a share of the teacher's: 0.9000",
        "macro-F1 of the teacher on test: 0.6250",
        "licence of the corpus: not stated",
        "SHA-256 of the recipe: 0f",
        "made with: numpy 2, torch 3",
    ):
        assert f"  {line}\n" in shown
    rows = [
        r"graded recall +│ +0.2500 │ +- ",
        r"macro-F1 +│ +0.5000 │ +0.7500 ",
        r"expected calibration error +│ +0.01",
    ]
    places = [found.start() for row in rows if (found := re.search(row, shown))]
    assert len(places) == len(rows)
    assert places == sorted(places)
    assert "None" not in shown
    assert not re.search(r"[a-z0-9]_(f1|sha256|licence|at|test|recall)", shown)
    assert json.loads(run_cli("show", str(bundle), "--json").stdout)["metrics"]["test"] == split


def test_show_says_what_a_bundle_promises(bundle: Path) -> None:
    plain = {**FLOOR, "label": "joy", "threshold": 0.5, "confidence": None, "bound": None}
    tagged(bundle, **WHOLE | {"floors": [FLOOR, plain]}, abstain=ABSTAIN)
    shown = run_cli("show", str(bundle)).stdout
    for line in (
        "answers: 0.9 of them right, certified at 0.9 (9 of 200 wrong, at least 0.920 right)",
        "sets: hold a text's label in a share of 0.9",
        "does not decide: texts that it cannot read",
        "hands over: cut texts, 2 forms of the list own, 1.00% of validation as out of domain",
        "watch: reference of 10 texts",
        "recall of 0.9, certified at 0.9 (1 of 60 missed, at least 0.911)",
        "recall of 0.9, not certified",
    ):
        assert line in shown


def test_recipes_are_listed_with_their_purpose() -> None:
    found = json.loads(run_cli("recipes", "--json").stdout)
    names = {path.stem for path in (ROOT / "distill/recipe/packaged").glob("*.toml")}
    assert found.keys() == names
    for name, purpose in found.items():
        assert len(purpose) > 20, name
        assert "SET=" not in purpose
    assert all(name in run_cli("recipes").stdout for name in names)


def write_table(folder: Path, form: str) -> Path:
    file = folder / f"rows.{form}"
    frame = pd.DataFrame({"key": ["a", "b", "c"], "message": TEXTS})
    if form == "csv":
        frame.to_csv(file, index=False)
    elif form == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    elif form == "parquet":
        frame.to_parquet(file)
    else:
        file.write_text("\n".join(TEXTS) + "\n")
    return file


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "txt"])
def test_a_file_is_decided_with_numbers_and_ids(form: str, bundle: Path, tmp_path: Path) -> None:
    file = write_table(tmp_path, form)
    more = () if form == "txt" else ("--text", "message", "--id", "key")
    done = run_cli("predict", str(bundle), str(file), *more, "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["scores"] for answer in answers] == [found.scores for found in load(bundle).predict(TEXTS)]
    assert [answer["row"] for answer in answers] == ([2, 3, 4] if form == "csv" else [1, 2, 3])
    if form != "txt":
        assert [answer["id"] for answer in answers] == ["a", "b", "c"]
    plain = run_cli("predict", str(bundle), "--file", str(file), *more).stdout.splitlines()
    assert [line.split("\t")[0] for line in plain] == [str(answer["row"]) for answer in answers]


def test_a_path_among_texts_is_noticed(bundle: Path, tmp_path: Path) -> None:
    file = str(write_table(tmp_path, "txt"))
    several = run_cli("predict", str(bundle), "i am sad", file)
    assert several.returncode == 2
    assert "a file among texts" in several.stderr
    assert len(run_cli("predict", str(bundle), "--", file).stdout.splitlines()) == 1
    assert "about a file" in run_cli("predict", str(bundle), "i am sad", "--id", "key").stderr
    for wrong in ("no-such.CSV", "no/such.jsonl.gz", str(tmp_path)):
        for verb in ("predict", "explain"):
            refused = run_cli(verb, str(bundle), wrong)
            assert (refused.returncode, refused.stdout) == (2, ""), wrong
            assert "put -- before a text" in refused.stderr
        assert run_cli("predict", str(bundle), "--", wrong).returncode == 0
    assert "Give its lines on stdin" in run_cli("explain", str(bundle), file).stderr
    missing = run_cli("predict", str(bundle), str(write_table(tmp_path, "csv")), "--text", "message", "--id", "no")
    assert "no column 'no'" in missing.stderr


@pytest.mark.parametrize("text", ["-h is how i feel", "-hello", "-q", "-verbose"])
def test_a_text_with_a_dash_is_no_option(text: str, bundle: Path) -> None:
    done = run_cli("predict", str(bundle), "i am sad", text)
    if text == "-q":
        assert done.returncode == 0
        return
    assert done.returncode == 2
    assert "Put -- before such texts" in done.stderr
    assert text not in done.stderr
    assert run_cli("predict", str(bundle), "--", "i am sad", text).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--quite", "BUNDLE", "x"], "--quiet"),
        (["BUNDLE", "x", "--jsn"], "--json"),
        (["BUNDLE", "--thread=2", "x"], "--threads"),
    ],
)
def test_an_unknown_option_is_neither_the_bundle_nor_a_text(
    arguments: list[str], meant: str, bundle: Path
) -> None:
    done = run_cli("predict", *(str(bundle) if part == "BUNDLE" else part for part in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Did you mean {meant}?" in done.stderr


def test_rows_without_a_text_are_answered_in_their_place(bundle: Path, tmp_path: Path) -> None:
    """Half of a table's answers, and then a refusal, is what a pipe takes for all of them."""
    file = tmp_path / "gaps.csv"
    file.write_text("id,text\n1,i am sad\n2,\n3,i am happy\n", encoding="utf-8")
    done = run_cli("predict", str(bundle), str(file), "--id", "id")
    assert (done.returncode, [line.split("\t")[:2] for line in done.stdout.splitlines()]) == (
        0,
        [["2", "1"], ["3", "2"], ["4", "3"]],
    )
    empty = run_cli("predict", str(bundle), "").stdout.strip()
    assert done.stdout.splitlines()[1].split("\t")[2] == empty


def test_verbose_says_versions_and_costs_on_stderr(bundle: Path) -> None:
    done = run_cli("verify", str(bundle), "--json", "-v")
    said = json.loads(done.stdout)
    assert said["largest_logit_difference"] < 1e-4
    assert said["batches_are_exact"] is True
    assert "onnxruntime" in done.stderr
    assert re.search(r"\d\.\d s", done.stderr)
    assert run_cli("verify", str(bundle), "--json").stderr == ""


def test_verbose_says_no_memory_where_the_system_does_not(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which has no module `resource`."""
    monkeypatch.setitem(sys.modules, "resource", None)
    assert re.search(r"\d\.\d s$", run_cli("verify", str(bundle), "-v").stderr.strip())


HEAD = ["model", "runtime", "macro-F1", "retention", "MB", "p50 ms", "p95 ms", "times faster"]
ROW = ["int8-weights (ships)", "onnxruntime", "0.562", "0.858", "6.8", "0.99", "1.54", "10.8"]


@pytest.mark.parametrize("width", [20, 40, 80, 100, 140])
def test_no_word_is_broken_at_any_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("distill.cli.layout.WIDTH_OF_A_PIPE", width)
    print_table("runs/smoke: test quality", HEAD, [ROW, ROW])
    shown = capsys.readouterr().out
    for cell in (*HEAD[1:], *ROW):
        for word in cell.split():
            assert word in shown, word
    assert width < 40 or max(map(len, shown.splitlines())) <= width
    assert ("━" in shown) == (width >= 100)


def test_no_option_has_a_type_that_the_lowest_typer_cannot_read() -> None:
    """`Literal` came with typer 0.19, and the base install works with less: then not even `--help` would run."""
    for path in (ROOT / "distill/cli").glob("*.py"):
        assert "Literal[" not in path.read_text(encoding="utf-8"), path.name
