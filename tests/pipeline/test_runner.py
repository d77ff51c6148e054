"""The whole line as a user runs it: what a run of the smoke recipe leaves, and what a second one does again."""

import json
import shutil
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from markupsafe import escape

from distill.export.gate import Check
from distill.export.runtime.errors import CheckFailedError
from distill.recipe.load import load_recipe
from distill.report.card import BEGIN, END
from distill.runs.layout import RunLayout
from distill.variants.select import shipping_variant
from tests.support.command import run_cli
from tests.support.finished import execute, write_gate

pytestmark = pytest.mark.slow


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


def test_a_run_ends_with_the_warnings_of_check_and_the_report_has_them(runs: Path) -> None:
    checked = run_cli("check", str(runs / "recipe.toml"), "--json")
    said = json.loads(checked.stdout)["warnings"]
    assert said
    lines = [f"warning: {warning}" for warning in said]
    assert [line for line in checked.stderr.splitlines() if line.startswith("warning: ")] == lines
    assert [line for line in (runs.parent / "said").read_text().splitlines() if line in lines] == lines
    assert json.loads((runs / "report.json").read_text())["warnings"] == said
    assert all(escape(warning) in (runs / "report.html").read_text() for warning in said)


def test_the_report_has_its_keys_and_its_page_loads_nothing(runs: Path) -> None:
    report = json.loads((runs / "report.json").read_text())
    keys = {"format_version", "recipe", "task", "labels", "seed", "environment", "seconds", "models"}
    assert keys <= set(report)
    assert report["handed_over"]["texts"] == report["tested"]["rows"]
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
    card = (runs / "bundle/README.md").read_text(encoding="utf-8")
    written = card[card.index(BEGIN) : card.index(END) + len(END) + 2]  # after the report was
    assert f"{shipped['latency']['cold_start_ms'] / 1000:.2f} s." in written
    assert sizes["int8-weights"]["total"] == sum(files) - len(written.encode())
    for model in report["models"]:
        weighed = sum((model["components"] or {}).values())
        assert weighed == (model["bytes"]["total"] if model["kind"] == "variant" else 0), model["name"]
    words = report["words"]["rates"]
    assert set(words) == {"corpus", "slang", "emoji", "crisis"}
    assert all(0 <= one["unknown_to_teacher"] <= one["unknown"] <= 1 <= one["pieces"] for one in words.values())
    assert report["budget"] is None
    page = (runs / "report.html").read_text()
    assert page.count("<svg") == 6
    assert ">Vocabulary</h2>" in page
    assert ">Budget</h2>" not in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert f"before fine-tuning: {report['teacher_before_tuning']['macro_f1']:.3f}" in page


def test_nothing_is_done_twice(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    again = run_cli("run", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert again.returncode == 0
    lines = [line for line in again.stderr.splitlines() if ":" in line]
    assert lines
    assert all(line.endswith("already done") for line in lines), again.stderr


def test_the_resolved_recipe_gives_the_same_bundle_byte_for_byte(runs: Path, tmp_path: Path) -> None:
    done = run_cli("export", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = [path.relative_to(runs) for path in (runs / "bundle").rglob("*") if path.is_file()]
    assert len(files) >= 6
    files.remove(Path("bundle/README.md"))  # what the run measured is in it
    for file in files:
        assert (runs / file).read_bytes() == (tmp_path / "smoke" / file).read_bytes(), file


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


def test_a_failed_gate_says_which_check_and_by_how_much(tmp_path: Path) -> None:
    export = load_recipe("smoke", ["export.precision=['int8-dynamic','int8-weights']"]).export
    layout = RunLayout(tmp_path)
    write_gate(layout.variant("int8-dynamic"), failures="rows with a flip 0.06 above 0.05")
    write_gate(layout.variant("int8-weights"))
    assert shipping_variant(layout, export).name == "int8-weights"
    write_gate(layout.variant("int8-weights"), failures="macro-F1 drop 0.01 above 0.005")
    with pytest.raises(CheckFailedError, match=r"rows with a flip 0\.06 above 0\.05.*macro-F1 drop") as caught:
        shipping_variant(layout, export)
    assert caught.value.exit_status == 1


def test_a_gate_that_fails_exits_1_and_leaves_no_bundle_of_an_earlier_recipe(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    flips = (Check("rows with a flip", 0.06, 0.05),)
    monkeypatch.setattr("distill.evaluation.kinds.multi_label.MultiLabelEvaluator.compare", lambda *_: flips)
    with pytest.raises(CheckFailedError, match=r"int8-dynamic: rows with a flip 0\.06 above 0\.05") as caught:
        execute(tmp_path / "smoke", "export.precision=['int8-dynamic']")
    assert caught.value.exit_status == 1
    for name in ("bundle", "report.json", "report.html"):
        assert not (tmp_path / "smoke" / name).exists(), name
    back = run_cli("export", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "smoke/bundle/manifest.json").read_bytes() == (runs / "bundle/manifest.json").read_bytes()


def test_a_model_card_that_people_edited_stays_as_it_is(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    card = tmp_path / "smoke/bundle/README.md"
    card.write_text("Ours.\n")
    done = run_cli("run", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert "bundle: already done" in done.stderr
    assert card.read_text() == "Ours.\n"
