"""Quantization-aware distillation as a run does it: the student's last phase, its variants, its report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from distill.artifacts.logits import LOGITS_FILE, read_logits_file
from distill.export.int8.input_scales import SCALES_FILE, load_input_scales
from distill.export.precision import Precision, Variant, exported, qat_precisions
from distill.pipeline.train import training_inputs
from distill.recipe.load import load_recipe
from distill.teachers.encoder import EncoderClassifier
from distill.training import qat
from distill.training.qat import FAKE_LOGITS_FILE
from distill.training.session import TrainingSession
from tests.support.command import run_cli
from tests.support.finished import export_again, reopen

PRECISION = "export.precision=['int8-static-qat','int8-dynamic-qat']"
RATES = ("qat.epochs=2", "qat.body_learning_rate=1e-3", "qat.head_learning_rate=1e-3")


def settings() -> list[str]:
    return [part for value in (PRECISION, *RATES) for part in ("--set", value)]


@pytest.fixture(scope="module")
def aware(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run, gone on with students trained as two int8 forms."""
    folder = tmp_path_factory.mktemp("aware")
    shutil.copytree(runs, folder / "smoke")
    done = run_cli("run", str(runs / "recipe.toml"), "--runs", str(folder), *settings())
    assert done.returncode == 0, done.stderr
    assert "int8-static-qat (ships)" in done.stdout
    redone = [line.split(":")[0] for line in done.stderr.splitlines() if line.endswith(" s")]
    assert "student" not in redone
    assert redone[:2] == ["qat/int8-static", "quality/qat/int8-static"]
    return folder / "smoke"


@pytest.mark.parametrize("form", ["int8-static", "int8-dynamic"])
def test_the_exported_graph_gives_the_logits_that_the_phase_ended_with(aware: Path, form: str) -> None:
    gate = json.loads((aware / f"export/{form}-qat/gate.json").read_text())
    assert gate["kept_fp32"] == []
    trained = load_file(aware / "qat" / form / FAKE_LOGITS_FILE)
    graph = read_logits_file(aware / "export" / f"{form}-qat")
    plain = read_logits_file(aware / "qat" / form)
    for split in ("validation", "test"):
        difference = np.abs(trained[split] - graph[split]).max(axis=1)
        assert np.median(difference) < 1e-4
        assert difference.max() < np.abs(plain[split] - graph[split]).max()


def test_the_phase_changed_the_weights_and_kept_the_students_files(aware: Path) -> None:
    for form in ("int8-static", "int8-dynamic"):
        left = {path.name for path in (aware / "qat" / form).iterdir() if path.is_file()}
        student = {path.name for path in (aware / "student").iterdir() if path.is_file()}
        assert left == student | {SCALES_FILE, FAKE_LOGITS_FILE}
        before, after = (
            load_file(folder / "model.safetensors") for folder in (aware / "student", aware / "qat" / form)
        )
        assert set(before) == set(after)
        assert any(not np.array_equal(before[name], after[name]) for name in before)
    assert len(load_input_scales(aware / "qat/int8-static" / SCALES_FILE)) == 6
    assert load_input_scales(aware / "qat/int8-dynamic" / SCALES_FILE) == {}


def test_the_report_compares_it_with_plain_quantization(aware: Path) -> None:
    report = json.loads((aware / "report.json").read_text())
    variants = {model["name"]: model["quantization"] for model in report["models"] if model["kind"] == "variant"}
    assert list(variants) == ["fp32", "int8-static", "int8-static-qat", "int8-dynamic", "int8-dynamic-qat"]
    assert [one["aware"] for one in variants.values()] == [False, False, True, False, True]
    assert variants["fp32"]["test"]["against_student"]["row_flip_rate"] == 0
    for name, found in variants.items():
        noise = [found["test"][whom]["logit_noise"] for whom in ("against_student", "against_own_fp32")]
        assert (noise[0] == noise[1]) == (not found["aware"]), name
    checks = {model["name"]: model["gate"]["checks"] for model in report["models"] if model["gate"]}
    names = [check["name"] for check in checks["int8-static-qat"]]
    assert names[:-1] == [check["name"] for check in checks["int8-static"]]
    assert names[-1] == "macro-F1 drop against the plain student"
    page = (aware / "report.html").read_text()
    assert page.count("quantization-aware") == 2


def test_the_bundle_says_what_it_computes(aware: Path) -> None:
    manifest = json.loads((aware / "bundle/manifest.json").read_text())
    assert manifest["precision"] == "int8-static"
    assert run_cli("verify", str(aware / "bundle")).returncode == 0


def test_a_gate_that_refuses_it_gets_its_most_sensitive_products_in_fp32(aware: Path, tmp_path: Path) -> None:
    """With the scales that it was trained with."""
    shutil.copytree(aware, tmp_path / "smoke")
    gate = export_again(reopen(tmp_path / "smoke", PRECISION), "int8-static-qat", max_int8_noise=0.0)
    assert not gate["passed"]
    assert [len(attempt["kept_fp32"]) for attempt in gate["tried"]] == [0, 5]
    assert gate["kept_fp32"] == [one["product"] for one in gate["sensitivity"]][:5]


def test_the_phase_ends_in_the_same_bytes(aware: Path, tmp_path: Path) -> None:
    shutil.copytree(aware, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke/qat/int8-static")
    again = run_cli("export", str(aware / "recipe.toml"), "--runs", str(tmp_path), *settings())
    assert again.returncode == 0, again.stderr
    redone = [line.split(":")[0] for line in again.stderr.splitlines() if line.endswith(" s")]
    assert redone == ["qat/int8-static"]
    for name in ("model.safetensors", LOGITS_FILE, SCALES_FILE):
        assert (tmp_path / "smoke/qat/int8-static" / name).read_bytes() == (
            aware / "qat/int8-static" / name
        ).read_bytes()


def test_the_phase_drops_out_as_the_recipe_says(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Began(Exception):
        pass

    def train(session: TrainingSession, *_: object, **_more: object) -> None:
        assert isinstance(session.model, EncoderClassifier)
        raise Began(session.model.dropout.p)

    monkeypatch.setattr(qat, "train", train)
    run = reopen(runs, PRECISION, "student.dropout=0.25")
    with pytest.raises(Began, match=r"0\.25"):
        qat.train_quantized(
            tmp_path,
            run.layout.student,
            Precision.INT8_DYNAMIC,
            run.recipe.qat,
            "mse",
            training_inputs(run, run.recipe.seed),
            run.controls(),
        )


def test_variants_of_a_recipe() -> None:
    recipe = load_recipe("smoke", ["export.precision=['int8-static-qat','fp32','int8-static']"])
    variants = recipe.export.shippable
    assert [variant.name for variant in exported(variants)] == ["fp32", "int8-static", "int8-static-qat"]
    assert qat_precisions(variants) == [Precision.INT8_STATIC]
    assert Variant.parse("int8-static-qat").plain == Variant.parse("int8-static")
    assert qat_precisions(load_recipe("smoke").export.shippable) == []
    with pytest.raises(ValueError, match="int4"):
        Variant.parse("int4")
