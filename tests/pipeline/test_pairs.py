"""Pairs from the rows to the bundle: a label that hangs on both texts, features matched, int8 of fixed scales."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest

import distill
from distill.corpora.storage.parquet import load_corpus
from tests.support.command import run_cli

pytestmark = pytest.mark.slow

WORDS = {"sun": ("bright", "warm", "summer"), "rain": ("wet", "cold", "autumn"), "wind": ("loud", "fast", "storm")}
SETTINGS = (
    "corpus.task=single_label",
    'corpus.text=["question","answer"]',
    "corpus.joiner=segments",
    "corpus.truncate=answer",
    "objective.hidden_weight=0.1",
    "student.trim_vocabulary=false",
    'export.precision=["int8-static","int8-weights"]',
    "export.max_label_flip_rate=0.5",
    "export.max_macro_f1_drop=0.5",
)


def rows_of_pairs(path: Path, rows: int = 160) -> Path:
    """Write questions and answers; the label says whether the answer is on the question's subject."""
    draw = random.Random(3)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["answer", "question", "labels"])
        for number in range(rows):
            asked, other = draw.sample(list(WORDS), 2)
            answered = asked if number % 2 else other
            answer = " ".join(draw.choices(WORDS[answered], k=draw.randint(1, 20)))
            writer.writerow([answer, f"what of the {asked} {number}?", "fits" if number % 2 else "does not"])
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    source = rows_of_pairs(folder / "rows.csv")
    options = [
        part for setting in (f"corpus.source={source}", *SETTINGS, small_teacher) for part in ("--set", setting)
    ]
    done = run_cli("run", "smoke", "--runs", str(folder), *options)
    assert done.returncode == 0, done.stderr
    again = run_cli("run", "smoke", "--runs", str(folder), *options)
    assert "student: already done" in again.stderr
    return folder / "smoke"


def test_the_bundle_answers_as_the_run_measured(pairs: Path) -> None:
    manifest = json.loads((pairs / "bundle/manifest.json").read_text())
    truncate = {"column": "answer", "side": "end"}
    assert manifest["input"] == {"kind": "pair", "columns": ["question", "answer"], "truncate": truncate}
    assert (manifest["format_version"], manifest["output"], manifest["decision"]) == (2, None, None)
    assert "It reads pairs of texts, question and answer" in (pairs / "bundle/README.md").read_text()
    report = json.loads((pairs / "report.json").read_text())
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    corpus = load_corpus(pairs / "corpus")
    decided = [found.labels[0] for found in distill.load(pairs / "bundle").predict(list(corpus.test.texts))]
    assert corpus.test.targets is not None
    right = np.mean([corpus.task.labels.index(name) for name in decided] == corpus.test.targets)
    assert right == pytest.approx(shipped["test"]["accuracy"])


def test_another_rule_of_cutting_makes_another_student_of_the_same_corpus(pairs: Path, small_teacher: str) -> None:
    source = pairs.parent / "rows.csv"
    settings = (f"corpus.source={source}", *SETTINGS, small_teacher, "corpus.truncate=question")
    options = [part for setting in settings for part in ("--set", setting)]
    done = run_cli("teach", "smoke", "--runs", str(pairs.parent), *options)
    assert done.returncode == 0, done.stderr
    assert "corpus: already done" in done.stderr
    assert "teacher: already done" not in done.stderr


def test_texts_are_not_made_out_of_pairs() -> None:
    options = [part for setting in (*SETTINGS, "augmentation.rows=5") for part in ("--set", setting)]
    done = run_cli("check", "smoke", *options)
    assert done.returncode == 2
    said = "augmentation.rows makes texts, but corpus.joiner = 'segments' reads pairs. Set the former to 0"
    assert said in done.stderr
