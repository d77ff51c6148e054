"""The whole line as a user runs it: the smoke recipe in a subprocess, then every verb on its bundle."""

import json
import shlex
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distill.export.gate import Check
from distill.export.runtime.errors import CheckFailedError
from distill.files.lock import exclusive
from distill.pipeline.runner import run
from distill.recipe.load import load_recipe
from distill.runs.context import Job
from distill.runs.progress import Reporter
from distill.runs.stage import UNFINISHED
from distill.variants import export as exporting
from distill.variants.select import choose_variant
from tests.support.command import ROOT, command_of, distill

TEXTS = "i feel lonely tonight\n\nthank you so much!\n"


def test_the_run_folder_is_as_the_contract_says(runs: Path) -> None:
    for name in ("recipe.toml", "report.json", "report.html", "bundle/manifest.json", "student/metrics.jsonl"):
        assert (runs / name).is_file(), name
    for stage in (
        "corpus",
        "teacher",
        "labels/train",
        "labels/transfer",
        "student",
        "twin",
        "export/fp32",
        "bench",
    ):
        assert (runs / stage / "stage.json").is_file(), stage
    assert tomllib.loads((runs / "recipe.toml").read_text())["student"]["width"] == 64


def test_the_report_has_its_keys_and_its_page_loads_nothing(runs: Path) -> None:
    report = json.loads((runs / "report.json").read_text())
    keys = {"format_version", "recipe", "task", "labels", "seed", "environment", "seconds", "models"}
    assert keys <= set(report)
    assert [model["kind"] for model in report["models"]][:3] == ["teacher", "twin", "student"]
    for model in report["models"]:
        assert {
            "name",
            "kind",
            "parameters",
            "bytes",
            "test",
            "validation",
            "retention",
            "gate",
            "latency",
        } <= set(model)
        assert model["test"]["macro_f1_at_half"] is not None
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    assert all(check["passed"] for check in shipped["gate"]["checks"])
    assert shipped["latency"]["cold_start_ms"] > 0
    sizes = {model["name"]: model["bytes"] for model in report["models"]}
    assert sizes["fp32"]["weights"] == (runs / "export/fp32/model.onnx").stat().st_size
    files = [path.stat().st_size for path in (runs / "bundle").rglob("*") if path.is_file()]
    assert sizes["int8-weights"]["total"] == sum(files)
    for model in report["models"]:
        weighed = sum((model["components"] or {}).values())
        assert weighed == (model["bytes"]["total"] if model["kind"] == "variant" else 0), model["name"]
    words = report["words"]["rates"]
    assert set(words) == {"corpus", "slang", "emoji", "crisis"}
    assert all(0 <= one["unknown_to_teacher"] <= one["unknown"] <= 1 <= one["pieces"] for one in words.values())
    assert report["budget"] is None
    page = (runs / "report.html").read_text()
    assert page.count("<svg") == 6
    assert "<h2>Vocabulary</h2>" in page
    assert "<h2>Budget</h2>" not in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert f"before tuning: {report['teacher_before_tuning']['macro_f1']:.3f}" in page


def test_nothing_is_done_twice(runs: Path) -> None:
    again = distill("run", "smoke", "--runs", str(runs.parent))
    assert again.returncode == 0
    lines = [line for line in again.stderr.splitlines() if ":" in line]
    assert lines
    assert all(line.endswith("already done") for line in lines), again.stderr


def test_another_threshold_policy_trains_nothing_again(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    done = distill("train", "smoke", "--runs", str(tmp_path), "--set", "decisions.threshold_shrink=3")
    assert done.returncode == 0, done.stderr
    redone = [line.split(":")[0] for line in done.stderr.splitlines() if not line.endswith("already done")]
    assert redone == ["quality/teacher", "quality/student", "quality/twin"]


def test_floors_and_the_rule_to_abstain_reach_the_bundle(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    wanted = ("abstain_coverage=0.8", "recall_floor.joy=0.8", "recall_floor.anger=0.75")
    options = [part for value in wanted for part in ("--set", f"decisions.{value}")]
    done = distill("report", "smoke", "--runs", str(tmp_path), *options)
    assert done.returncode == 0, done.stderr
    assert "student: already done" in done.stderr
    report = json.loads((tmp_path / "smoke/report.json").read_text())
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    assert [(floor["label"], floor["kept"]) for floor in shipped["floors"]] == [("joy", True), ("anger", True)]
    rows = {row["label"]: row for row in shipped["validation"]["per_label"]}
    assert rows["joy"]["recall"] >= 0.8
    assert rows["anger"]["recall"] >= 0.75
    assert "missing to a recall of 0.8 for 'joy'" in [check["name"] for check in shipped["gate"]["checks"]]
    selective = shipped["validation"]["selective"]
    assert 0.8 <= selective["coverage"] < 0.85
    manifest = json.loads((tmp_path / "smoke/bundle/manifest.json").read_text())
    assert manifest["abstain"] == {"confidence": "exact_match", "below": selective["below"]}
    page = (tmp_path / "smoke/report.html").read_text()
    assert "<h2>Floors</h2>" in page
    card = (tmp_path / "smoke/bundle/README.md").read_text()
    assert f"Below a confidence of {selective['below']:.3f} it abstains" in card


def test_a_precision_that_the_student_cannot_reach_is_one_sentence(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    done = distill("train", "smoke", "--runs", str(tmp_path), "--set", "decisions.precision_floor.joy=0.8")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: decisions.precision_floor: the best precision that the student reaches for")
    assert "'joy'" in last
    assert "below 0.8; lower the floor" in last
    for name in ("bundle", "report.json", "report.html"):  # of a recipe without the floor
        assert not (tmp_path / "smoke" / name).exists(), name


def test_a_floor_that_validation_cannot_show_stops_before_the_teacher(tmp_path: Path) -> None:
    done = distill("run", "smoke", "--runs", str(tmp_path), "--set", "decisions.recall_floor.joy=0.99")
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


def test_a_second_command_in_the_same_run_says_so_and_stops(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    with exclusive(tmp_path / "smoke"):
        done = distill("run", "smoke", "--runs", str(tmp_path))
    assert done.returncode == 2
    assert "another distill command" in done.stderr
    assert [path.name for path in (tmp_path / "smoke").iterdir()] == [".lock"]


def interrupted(arguments: list[str], number: int, ready: Callable[[], bool]) -> tuple[int, str, float]:
    """Exit status, stderr and seconds to the end of a command that gets a signal as soon as `ready`."""
    with subprocess.Popen(command_of(*arguments), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.05)
        sent = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    return process.returncode, said, time.monotonic() - sent


def test_an_interrupted_run_says_how_to_go_on_and_does(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    command = ["export", "smoke", "--runs", str(folder)]
    for stage, number, status in (("teacher", signal.SIGTERM, 143), ("student", signal.SIGINT, 130)):
        partial = folder / f"smoke/{stage}.partial"
        code, said, seconds = interrupted(command, number, (partial / UNFINISHED).exists)
        assert code == status, said
        line = said.splitlines()[-1]
        assert line == f"interrupted in stage {stage}; to go on: {shlex.join(['distill', *command])}"
        assert "Traceback" not in said
        assert seconds < 5
        assert partial.exists()
        assert not (folder / "smoke" / stage).exists()
    again = distill(*command)
    assert again.returncode == 0, again.stderr
    assert "teacher: already done" in again.stderr
    for file in ("onnx/model_quantized.onnx", "manifest.json"):
        assert (folder / "smoke/bundle" / file).read_bytes() == (runs / "bundle" / file).read_bytes()


def test_a_reader_that_wants_no_more_ends_a_command_quietly(runs: Path) -> None:
    command = command_of("predict", str(runs / "bundle"))
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("i feel lonely\n")
        process.stdin.flush()
        assert process.stdout.readline().strip()
        process.stdout.close()
        process.stdin.write("i feel lonely\n" * 10)
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert said == ""


def test_the_resolved_recipe_gives_the_same_bundle_byte_for_byte(runs: Path, tmp_path: Path) -> None:
    done = distill("export", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = [path.relative_to(runs / "bundle") for path in (runs / "bundle").rglob("*") if path.is_file()]
    assert len(files) >= 6
    for file in files:
        assert (runs / "bundle" / file).read_bytes() == (tmp_path / "smoke" / "bundle" / file).read_bytes(), file


def test_no_text_of_the_corpus_is_in_what_a_run_leaves(runs: Path) -> None:
    """Its corpus/ folder aside."""
    texts = []
    for name in ("train", "validation", "test", "transfer"):
        rows = pq.read_table(runs / "corpus" / f"{name}.parquet")["text"].to_pylist()
        texts += [text for text in rows if len(text) > 20]
    assert len(texts) > 300
    for path in runs.rglob("*"):
        if path.is_file() and path.relative_to(runs).parts[0] != "corpus":
            # parquet is compressed, so its columns tell
            if path.suffix == ".parquet":
                assert pq.read_schema(path).names == ["row_id", "logits"], path
            if path.suffix != ".safetensors":  # numbers, and many of them
                data = path.read_text(encoding="utf-8", errors="replace")
                assert not [number for number, text in enumerate(texts) if text in data], path


def test_predict_answers_every_line(runs: Path) -> None:
    done = distill("predict", str(runs / "bundle"), "--json", stdin=TEXTS)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 3
    assert set(answers[0]) == {"labels", "scores", "confidence", "abstained", "truncated"}


def test_verify_eval_diff_and_bench(runs: Path) -> None:
    bundle, test = str(runs / "bundle"), str(ROOT / "corpora/sample/test.tsv")
    assert distill("verify", bundle).returncode == 0
    found = json.loads(distill("eval", bundle, test, "--json").stdout)
    assert found["rows"] == 338
    assert 0 <= found["macro_f1"] <= 1
    same = json.loads(distill("diff", bundle, bundle, test, "--json").stdout)
    assert same["rows_changed"] == 0
    timed = json.loads(distill("bench", bundle, "--rounds", "1", "--json").stdout)
    assert {row["batch"] for row in timed["rows"]} == {1, 32}


def test_a_tampered_bundle_is_refused(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "bundle", tmp_path / "bundle")
    with (tmp_path / "bundle/tokenizer.json").open("a") as stream:
        stream.write(" ")
    done = distill("verify", str(tmp_path / "bundle"))
    assert done.returncode == 2
    assert "tokenizer.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_gate_says_which_check_and_by_how_much(tmp_path: Path) -> None:
    job = Job(
        load_recipe("smoke", ["export.precision=['int8-dynamic','int8-weights']"]), tmp_path, Reporter(quiet=True)
    )
    for name, passed in (("int8-dynamic", False), ("int8-weights", True)):
        job.variant(name).mkdir(parents=True)
        gate = {"passed": passed, "failures": "" if passed else "rows with a flip 0.06 above 0.05"}
        (job.variant(name) / "gate.json").write_text(json.dumps(gate))
    assert choose_variant(job) == "int8-weights"
    (job.variant("int8-weights") / "gate.json").write_text(
        json.dumps({"passed": False, "failures": "macro-F1 drop 0.01 above 0.005"})
    )
    with pytest.raises(CheckFailedError, match=r"rows with a flip 0\.06 above 0\.05.*macro-F1 drop") as caught:
        choose_variant(job)
    assert caught.value.exit_status == 1


def test_a_gate_that_fails_exits_1_and_leaves_no_bundle_of_an_earlier_recipe(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    monkeypatch.setattr(exporting, "check_decisions", lambda *_: (Check("rows with a flip", 0.06, 0.05),))
    recipe = load_recipe("smoke", ["export.precision=['int8-dynamic']"])
    with pytest.raises(CheckFailedError, match=r"int8-dynamic: rows with a flip 0\.06 above 0\.05") as caught:
        run(Job(recipe, tmp_path / "smoke", Reporter(quiet=True)))
    assert caught.value.exit_status == 1
    for name in ("bundle", "report.json", "report.html"):
        assert not (tmp_path / "smoke" / name).exists(), name
    back = distill("export", "smoke", "--runs", str(tmp_path))
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "smoke/bundle/manifest.json").read_bytes() == (runs / "bundle/manifest.json").read_bytes()


def test_a_model_card_that_people_edited_stays_as_it_is(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    card = tmp_path / "smoke/bundle/README.md"
    card.write_text("Ours.\n")
    done = distill("run", "smoke", "--runs", str(tmp_path))
    assert "bundle: already done" in done.stderr
    assert card.read_text() == "Ours.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nonsense"], "packaged ones are"),
        (["check", "smoke", "--set", "decisions.recall_floor.jay=0.5"], "unknown label 'jay'; the labels are"),
        (["check", "smoke", "--set", "decisions.precision_floor.joy=0.999"], "fewer than 1000; lower the floor"),
        (["run", "smoke", "--set", "corpus.source=/nowhere"], "/nowhere"),
        (["run", "smoke", "--set", "corpus.txt=a"], "corpus.text"),
        (["run", "smoke", "--runs", "/dev/null/runs"], "--runs"),
        (["predict", "/nowhere", "hello"], "/nowhere"),
        (["predict", "/nowhere", "--nobody cares"], "put -- before"),
        (["eval", "/nowhere", "/nowhere.csv"], "/nowhere"),
    ],
)
def test_wrong_input_gets_one_sentence_and_status_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = distill(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "nobody cares" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_init_writes_a_recipe_that_check_accepts(tmp_path: Path) -> None:
    rows = "".join(f"{'glad' if row % 2 else 'sad'},text number {row} is here\n" for row in range(60))
    (tmp_path / "mine.csv").write_text("mood,message\n" + rows)
    made = distill("init", "mine.csv", "--out", "mine.toml", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = distill("check", "mine.toml", cwd=tmp_path)
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
        "predict",
        "eval",
        "diff",
        "bench",
        "verify",
        "forget",
    ],
)
def test_every_verb_explains_itself(verb: str) -> None:
    done = distill(verb, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 200


def test_a_run_goes_on_when_nobody_reads_its_progress_any_more(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke/report")
    command = command_of("run", "smoke", "--runs", str(tmp_path))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait(timeout=120) == 0
    assert (tmp_path / "smoke/report/stage.json").is_file()
