"""A static student the whole way: from the recipe to a bundle that ships, answers and can be opened by others."""

import json
import shutil
from pathlib import Path

import pytest

from distill.export.runtime import load
from tests.support.command import run_cli
from tests.support.finished import export_again, reopen

pytestmark = pytest.mark.slow

SETTINGS = (
    "student.kind=static",
    "student.width=32",
    "student.window_channels=16",
    "student.hash_buckets=256",
    "student.ngrams=3",
    "student.hidden=32",
    "export.precision=['int8-static','int8-dynamic','int8-weights']",
)
TEXT = "thank you so much, i feel better"


def command(run: Path) -> list[str]:
    """The arguments of a run like another, with a static student."""
    return [
        str(run / "recipe.toml"),
        "--runs",
        str(run.parent),
        *(part for setting in SETTINGS for part in ("--set", setting)),
    ]


@pytest.fixture(scope="module")
def static_run(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run with another student: corpus, teacher and labels are those of the shared one."""
    folder = tmp_path_factory.mktemp("static")
    shutil.copytree(runs, folder / "smoke")
    done = run_cli("run", *command(folder / "smoke"))
    assert done.returncode == 0, done.stderr
    assert "labels/train: already done" in done.stderr
    return folder / "smoke"


def test_the_fastest_form_passes_its_gate_and_ships(static_run: Path) -> None:
    report = json.loads((static_run / "report.json").read_text())
    assert report["chosen"] == "int8-static"
    gates = {model["name"]: model["gate"] for model in report["models"] if model["gate"]}
    assert set(gates) == {"fp32", "int8-static", "int8-dynamic", "int8-weights"}
    assert all(gate["passed"] and gate["batch_invariant"] for gate in gates.values())
    # the hidden layer; what the window makes of tokens is looked up
    assert gates["int8-static"]["operators"]["MatMulIntegerToFloat"] == 1
    names = {row["name"] for row in json.loads((static_run / "bench/bench.json").read_text())["rows"]}
    assert {"student", "twin", *gates} <= names


def test_of_one_product_there_is_nothing_to_choose(static_run: Path, tmp_path: Path) -> None:
    """With it in fp32 the variant would be int8-weights."""
    shutil.copytree(static_run, tmp_path / "smoke")
    gate = export_again(reopen(tmp_path / "smoke", *SETTINGS), "int8-static", max_int8_noise=0.0)
    assert not gate["passed"]
    assert (gate["kept_fp32"], gate["sensitivity"], len(gate["tried"])) == ([], [], 1)


def test_its_bundle_answers_and_opens_elsewhere(static_run: Path) -> None:
    bundle = static_run / "bundle"
    assert run_cli("verify", str(bundle)).returncode == 0
    classifier = load(bundle)
    assert classifier.manifest.inputs == ("input_ids", "attention_mask")
    (found,) = classifier.predict([TEXT])
    assert set(found.scores) == set(classifier.labels)

    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    model = ORTModelForSequenceClassification.from_pretrained(
        bundle, file_name="model_quantized.onnx", subfolder="onnx"
    )
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    theirs = model(**tokenizer([TEXT], truncation=True, return_tensors="pt")).logits.numpy()
    assert abs(theirs - classifier.logits([TEXT])).max() < 1e-5
    assert model.config.id2label == dict(enumerate(classifier.labels))


def test_training_again_gives_the_same_bundle_byte_for_byte(static_run: Path, tmp_path: Path) -> None:
    shutil.copytree(static_run, tmp_path / "smoke")
    for name in ("student", "export", "bundle"):
        shutil.rmtree(tmp_path / "smoke" / name)
    done = run_cli("export", *command(tmp_path / "smoke"))
    assert done.returncode == 0, done.stderr
    for path in (static_run / "bundle").rglob("*"):
        if path.is_file() and path.name != "README.md":  # what the run measured is in it
            again = tmp_path / "smoke/bundle" / path.relative_to(static_run / "bundle")
            assert again.read_bytes() == path.read_bytes(), path.name


def test_a_static_student_as_a_teacher_is_refused_in_one_sentence(static_run: Path, tmp_path: Path) -> None:
    for key in ("model", "checkpoint"):
        setting = f"teacher.{key}={static_run / 'student'}"
        done = run_cli("teach", "smoke", "--runs", str(tmp_path), "--set", setting)
        assert done.returncode == 2
        assert "is a model of type 'static', which has no encoder" in done.stderr
        checked = run_cli("check", "smoke", "--set", setting)
        assert checked.returncode == 2
        assert len(checked.stderr.strip().splitlines()) == 1
