"""Several teachers, several students, made texts: one run of all of them as a user runs it."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from distill.artifacts.logits import read_logits_file
from distill.corpora.augment import text_key
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_texts
from distill.evaluation.metrics import macro_f1
from distill.pipeline.labels import LearningMaterial
from distill.recipe.ensemble import members_of
from distill.report.models import run_models
from distill.teachers.store import read_logits
from tests.support.command import run_cli
from tests.support.finished import reopen

pytestmark = pytest.mark.slow

SETTINGS = ["seeds=[13, 14]", "teacher.seeds=[1, 2]", "teacher.fit_temperature=true", "augmentation.rows=40"]


def options(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("several")
    done = run_cli("run", "smoke", "--runs", str(folder), *options(*SETTINGS, small_teacher))
    assert done.returncode == 0, done.stderr
    return folder / "smoke"


def test_each_teacher_labels_and_each_student_has_its_folder(several: Path) -> None:
    for name in ("teacher", "teacher-2", "labels/augmented", "labels-2/train", "augmented", "ensemble"):
        assert (several / name / "stage.json").is_file(), name
    for seed in (13, 14):
        for name in ("student", "twin", "quality/twin", "export/fp32", "export/int8-weights"):
            assert (several / "seeds" / str(seed) / name / "stage.json").is_file(), name
    weights = [(several / f"seeds/{seed}/student/model.safetensors").read_bytes() for seed in (13, 14)]
    assert weights[0] != weights[1]


def test_the_student_learns_the_mean_of_the_tempered_teachers(several: Path, small_teacher: str) -> None:
    run = reopen(several, *SETTINGS, small_teacher)
    layout, material = run.layout, LearningMaterial(run)
    temperatures = json.loads((layout.ensemble / "temperatures.json").read_text())["temperatures"]
    assert len(temperatures) == 2
    assert 1.0 not in temperatures
    members = [read_logits_file(layout.teacher(index)) for index in (0, 1)]
    tempered = zip(members, temperatures, strict=True)
    mean = sum(logits["test"] / temperature for logits, temperature in tempered) / 2
    assert np.allclose(read_logits_file(layout.ensemble)["test"], mean, atol=1e-4)
    stored = [
        read_logits(
            layout.labels("train", member.index), len(run.corpus.train), material.identity(member, "train")
        )
        for member in members_of(run.recipe)
    ]
    learnt = sum(logits / temperature for logits, temperature in zip(stored, temperatures, strict=True)) / 2
    assert np.allclose(material.soft_labels("train"), learnt, atol=1e-4)
    assert material.soft_labels("augmented").shape == (40, run.corpus.task.num_labels)


def test_made_texts_repeat_no_row_of_the_corpus(several: Path, small_teacher: str) -> None:
    run = reopen(several, *SETTINGS, small_teacher)
    known = {text_key(text) for _, split in run.corpus.splits() for text in split.texts}
    made = list(load_texts(run.layout.augmented / "augmented.parquet"))
    assert len(made) == 40
    assert not known & {text_key(text) for text in made}


def test_the_report_says_what_each_seed_gave_and_the_best_on_validation_ships(
    several: Path, small_teacher: str
) -> None:
    report = json.loads((several / "report.json").read_text())
    assert [model["name"] for model in report["models"]][:3] == ["teacher", "teacher-2", "ensemble"]
    rows = report["seeds"]["rows"]
    assert [row["seed"] for row in rows] == [13, 14]
    best = max(rows, key=lambda row: row["ships"]["validation"])
    assert report["seed"] == best["seed"]
    manifest = json.loads((several / "bundle/manifest.json").read_text())
    assert manifest["provenance"]["seed"] == best["seed"]
    assert len(manifest["provenance"]["further_teachers_sha256"]) == 1
    assert manifest["provenance"]["same_bits_in_batches"]["texts"] > 0
    run = reopen(several, *SETTINGS, small_teacher)
    gold = label_matrix(run.corpus.test, run.corpus.task)
    twins = [run_models(run.recipe, student.layout)["twin"] for student in run.students]
    scores = [macro_f1(twin.test_decisions(run.corpus.task), gold) for twin in twins]
    assert report["seeds"]["mean"]["twin"] == pytest.approx(np.mean(scores))
    gain = report["seeds"]["gain"]["ships"]
    assert gain["difference"] == pytest.approx(report["seeds"]["mean"]["ships"] - np.mean(scores))
    assert gain["low"] <= gain["difference"] <= gain["high"]
    attributed = report["attribution"]
    assert attributed["reference"] == "ensemble"
    assert set(attributed["agreement"]) == {"student", "twin", "int8-weights"}
    assert 0 <= attributed["copied_errors"]["student"] <= 1


def test_students_of_several_seeds_get_one_precision_by_what_the_first_one_s_forms_take(
    several: Path, tmp_path: Path, small_teacher: str
) -> None:
    shutil.copytree(several, tmp_path / "smoke")
    done = run_cli(
        "export", "smoke", "--runs", str(tmp_path), *options(*SETTINGS, small_teacher, "export.precision=auto")
    )
    assert done.returncode == 0, done.stderr
    stages = [line.split(":")[0] for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert stages.count("precision") == 1
    assert stages.index("seeds/14/export/int8-static") < stages.index("precision") < stages.index("bundle")
    manifest = json.loads((tmp_path / "smoke/bundle/manifest.json").read_text())
    resolved = tomllib.loads((tmp_path / "smoke/recipe.toml").read_text())
    assert manifest["precision"] == resolved["export"]["precision"][0]


def test_one_more_teacher_labels_alone_and_trains_no_twin_again(several: Path, small_teacher: str) -> None:
    more = [*SETTINGS, small_teacher, "teacher.seeds=[1, 2, 3]"]
    done = run_cli("train", "smoke", "--runs", str(several.parent), *options(*more))
    assert done.returncode == 0, done.stderr
    redone = [line.split(":")[0] for line in done.stderr.splitlines() if not line.endswith("already done")]
    splits = ("train", "transfer", "augmented")
    assert redone == [
        *("teacher-3", "quality/teacher-3", "ensemble", "quality/ensemble"),
        *(f"labels-3/{split}" for split in splits),
        *(f"seeds/{seed}/{name}" for seed in (13, 14) for name in ("student", "quality/student")),
    ]


def test_a_student_teaches_another_recipe(several: Path, tmp_path: Path) -> None:
    student = several / "seeds/13/student"
    settings = options(f"teacher.checkpoint={student}", "objective.compare=false", "student.start=embeddings")
    done = run_cli("train", "smoke", "--runs", str(tmp_path), *settings)
    assert done.returncode == 0, done.stderr
    logits = [read_logits_file(folder)["test"] for folder in (student, tmp_path / "smoke/teacher")]
    assert np.allclose(logits[0], logits[1], atol=1e-5)
