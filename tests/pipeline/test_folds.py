"""A run of a corpus in folds, from the rows to the bundle: its test figures are out of fold."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.artifacts.report import read_report
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.export.runtime import load
from distill.pipeline.folds import fold_warnings
from distill.recipe.load import load_recipe
from distill.runs.forget import find_copies, remove_copies
from distill.runs.layout import RunLayout
from tests.support.finished import execute

WORDS = {
    "low": ("sad", "tired", "alone"),
    "glad": ("happy", "grateful", "proud"),
    "calm": ("quiet", "rested", "at ease"),
}


def write_rows(path: Path, rows: int = 120) -> Path:
    labels = list(WORDS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "labels", "client"))
        for row in range(rows):
            label = labels[row % 3]
            writer.writerow((f"i feel {WORDS[label][row // 3 % 3]} on day {row}", label, f"client {row // 2}"))
    return path


@pytest.mark.slow
def test_what_a_run_in_folds_reports_is_out_of_fold(tmp_path: Path, small_teacher: str) -> None:
    settings = (
        f"corpus.source={write_rows(tmp_path / 'rows.csv')}",
        "corpus.task=single_label",
        "corpus.group=client",
        "corpus.folds=2",
        "bench.texts=10",
        "bench.rounds=1",
        small_teacher,
    )
    run = execute(tmp_path / "run", *settings)
    layout = run.layout
    assert not len(run.corpus.test)
    assert set(read_logits_file(layout.student)) == {"validation"}

    def decided(name: str) -> tuple[np.ndarray, np.ndarray]:
        """What the folds' own models say of their test rows, by hand."""
        pairs = []
        for fold in range(2):
            part = RunLayout(layout.folder / "folds" / str(fold))
            folders = (part.student, part.quality(name)) if name == "student" else (part.variant(name),) * 2
            corpus, task = load_corpus(part.corpus), run.corpus.task
            decision = read_quality(folders[1]).decision
            pairs.append(
                (decision.decide(read_logits_file(folders[0])["test"], task), label_matrix(corpus.test, task))
            )
        decisions, gold = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return decisions, gold

    report = read_report(layout.folder)
    assert report.folds is not None
    assert (report.folds.rows, report.folds.resampled) == (120, "groups")
    for name in ("student", report.chosen):
        decisions, gold = decided(name)
        macro = f1_score(gold.argmax(axis=1), decisions.argmax(axis=1), average="macro")
        scores = report.folds.models[name]
        assert report.model(name).test.macro_f1 == pytest.approx(macro)
        assert scores.all_rows.value == pytest.approx(macro)
        assert scores.all_rows.low <= macro <= scores.all_rows.high
        assert len(scores.folds) == 2
        assert sum(row.support for row in report.model(name).test.per_label) == 120
    assert report.model("tfidf").test.macro_f1 == pytest.approx(report.folds.models["tfidf"].all_rows.value)
    assert report.model("tfidf").test.macro_f1 > 0.9  # the words give the labels away
    assert "Out of fold" in (layout.folder / "report.html").read_text()

    manifest = json.loads((layout.bundle / "manifest.json").read_text())
    assert manifest["metrics"]["folds"] == 2
    assert manifest["metrics"]["test"]["macro_f1"] == report.model(report.chosen).test.macro_f1
    assert "Quality out of fold" in (layout.bundle / "README.md").read_text()
    assert load(layout.bundle).predict(["i feel sad"])[0].labels

    again = execute(tmp_path / "run", *settings)
    assert all(record.skipped for part in (again, *again.folds) for record in part.records.values())
    copies = find_copies(layout.folder)
    assert {path.relative_to(layout.folder).as_posix() for path in copies.paths} == {
        "corpus", "folds/0/corpus", "folds/1/corpus",
    }  # fmt: skip
    remove_copies(copies)
    assert not list(layout.folder.rglob("corpus"))


def test_a_teacher_that_may_know_the_rows_is_warned_of() -> None:
    with_checkpoint = load_recipe("smoke", ["corpus.folds=3", "teacher.checkpoint=somewhere"])
    assert "too good" in fold_warnings(with_checkpoint)[0]
    assert fold_warnings(load_recipe("smoke", ["corpus.folds=3"])) == ()
    assert fold_warnings(load_recipe("smoke", ["teacher.checkpoint=somewhere"])) == ()
