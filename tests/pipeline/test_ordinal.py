"""Ordered levels from the rows to the bundle: two teachers, int8 after training and in it, a floor."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

import distill
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from tests.support.command import run_cli

pytestmark = pytest.mark.slow

LEVELS = ("calm", "uneasy", "distressed", "desperate")
WORDS = (
    ("garden", "tea", "walk", "sunny", "quiet"),
    ("worry", "late", "restless", "noise", "doubt"),
    ("crying", "alone", "sleepless", "heavy", "lost"),
    ("unbearable", "goodbye", "hopeless", "ending", "trapped"),
)
SETTINGS = (
    "corpus.task=ordinal",
    "corpus.labels=level",
    f"corpus.label_names={json.dumps(LEVELS)}",
    "teacher.seeds=[1,2]",
    "teacher.fit_temperature=true",
    "student.epochs=2",
    "decisions.never_below.desperate=0.6",
    "decisions.unreadable_share=0",  # of a tokenizer of 6,000 pieces
    'export.precision=["int8-weights-qat","int8-weights"]',
    "export.max_label_flip_rate=0.2",
    "export.max_macro_f1_drop=0.2",
)


def rows_of_levels(path: Path, rows: int = 400) -> Path:
    """Write sentences whose words come mostly from their level."""
    rng = random.Random(3)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "level"])
        for number in range(rows):
            level = number % len(LEVELS)
            near = [min(max(level + step, 0), len(LEVELS) - 1) for step in (-1, 0, 0, 0, 1)]
            words = [rng.choice(WORDS[rng.choice(near)]) for _ in range(8)]
            writer.writerow([f"{' '.join(words)} {number}", LEVELS[level]])
    return path


@pytest.fixture(scope="module")
def ordinal(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("ordinal")
    source = rows_of_levels(folder / "rows.csv")
    options = [
        part for setting in (f"corpus.source={source}", *SETTINGS, small_teacher) for part in ("--set", setting)
    ]
    done = run_cli("run", "smoke", "--runs", str(folder), *options)
    assert done.returncode == 0, done.stderr
    return folder / "smoke"


def test_the_bundle_decides_as_the_report_says(ordinal: Path) -> None:
    report = json.loads((ordinal / "report.json").read_text())
    assert report["chosen"].endswith("int8-weights-qat")
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    manifest = json.loads((ordinal / "bundle/manifest.json").read_text())
    assert (manifest["format_version"], manifest["task"], tuple(manifest["labels"])) == (2, "ordinal", LEVELS)
    assert manifest["thresholds"] is None
    assert len(manifest["decision"]["cutoffs"]) == len(LEVELS) - 1
    assert len(manifest["calibration"]["scale"]) == len(LEVELS) - 1
    assert "quadratic weighted kappa" in (ordinal / "bundle/README.md").read_text()
    assert "quadratic weighted kappa" in (ordinal / "report.html").read_text()
    assert report["headline"] == {"key": "quadratic_weighted_kappa", "title": "quadratic weighted kappa"}
    floors = {floor["metric"]: floor["kept"] for floor in shipped["floors"]}
    assert floors == {"share at or above": True}
    corpus = load_corpus(ordinal / "corpus")
    split, gold = corpus.test, label_matrix(corpus.test, corpus.task)
    decided = [prediction.labels for prediction in distill.load(ordinal / "bundle").predict(list(split.texts))]
    rows = np.array([[name in labels for name in LEVELS] for labels in decided])
    assert (rows.sum(axis=1) == 1).all()
    kappa = cohen_kappa_score(gold.argmax(axis=1), rows.argmax(axis=1), weights="quadratic")
    assert kappa == pytest.approx(shipped["test"]["quadratic_weighted_kappa"])


def test_two_teachers_are_averaged_and_both_int8_students_are_judged(ordinal: Path) -> None:
    models = {model["name"]: model for model in json.loads((ordinal / "report.json").read_text())["models"]}
    assert {"teacher", "teacher-2", "ensemble", "twin", "student", "int8-weights", "int8-weights-qat"} <= set(
        models
    )
    for name in ("int8-weights", "int8-weights-qat"):
        checks = [check["name"] for check in models[name]["gate"]["checks"]]
        assert {"rows two or more levels away", "quadratic weighted kappa drop"} <= set(checks), name
