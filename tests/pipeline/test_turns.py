"""Conversations from the rows to the bundle: what the run measured is what the bundle answers, turn by turn."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

import distill
from distill.artifacts.context import read_context
from distill.corpora.storage.parquet import load_corpus, load_texts
from distill.corpora.storage.windows import Windows
from tests.support.canaries import hits, id_needles, needles_of
from tests.support.command import run_cli
from tests.support.finished import execute
from tests.support.talks import CANARIES, SETTINGS, write_talks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("turns")
    source, made = (
        write_talks(folder / "rows.jsonl"),
        ("augmentation.rows=60", "augmentation.ways=['drop','near']"),
    )
    settings = (f"corpus.source={source}", "corpus.rows=400", *SETTINGS, *made, small_teacher)
    options = [part for setting in settings for part in ("--set", setting)]
    done = run_cli("run", "smoke", "--runs", str(folder), *options)
    assert done.returncode == 0, done.stderr
    again = run_cli("run", "smoke", "--runs", str(folder), *options)
    assert "context-free: already done" in again.stderr
    assert "context: already done" in again.stderr
    return folder / "smoke"


def test_the_bundle_answers_as_the_run_measured(run: Path) -> None:
    manifest = json.loads((run / "bundle/manifest.json").read_text())
    assert manifest["input"]["roles"] == {"anna": "[A]", "ben": "[B]"}
    assert manifest["input"]["decides"] == ["anna"]
    assert "[A]" in json.loads((run / "bundle/tokenizer.json").read_text())["model"]["vocab"]
    corpus, classifier = load_corpus(run / "corpus"), distill.load(run / "bundle")
    report = json.loads((run / "report.json").read_text())
    shipped = next(model for model in report["models"] if model["name"] == report["chosen"])
    assert isinstance(corpus.test.texts, Windows)
    decided = [found.labels[0] for found in classifier.predict(list(corpus.test.texts))]
    assert corpus.test.targets is not None
    right = np.mean([corpus.task.labels.index(name) for name in decided] == corpus.test.targets)
    assert right == pytest.approx(shipped["test"]["accuracy"])
    assert right >= 0.95
    log = corpus.test.texts.log
    first = int(log.starts[corpus.test.texts.places[0]])
    whole = log.turns(np.flatnonzero(log.starts == first).astype(np.int32))
    conversation = distill.Conversation(classifier)
    assert [conversation.add(*turn) for turn in whole] == classifier.predict_turns(whole)


def test_the_graph_computes_what_the_student_does_in_rows_of_any_length(run: Path) -> None:
    checks = json.loads((run / "export/fp32/gate.json").read_text())["checks"]
    found = next(check for check in checks if check["name"] == "logits over batch sizes and lengths")
    assert found["value"] < 1e-5


def test_the_report_says_what_context_is_worth(run: Path) -> None:
    context = read_context(run / "context")
    assert (context.trained, len(context.by_turns), context.by_turns[0].read) == (2, 11, 0)
    assert context.by_turns[1].score > 0.95
    assert context.score == context.by_turns[2].score
    assert context.without < 0.7
    assert context.trained_without < 0.7
    assert context.gain.low > 0
    assert context.swapped is not None
    assert context.swapped < 0.3
    page = (run / "report.html").read_text()
    assert "Context" in page
    assert "context-free" in page
    models = [model["name"] for model in json.loads((run / "report.json").read_text())["models"]]
    assert "context-free" in models


def test_what_was_said_is_in_the_corpus_of_the_run_and_in_what_was_made_of_it_alone(run: Path) -> None:
    needles, texts = needles_of(CANARIES), [run / "corpus", run / "augmented"]
    assert [hit for hit in hits(run / "corpus", needles) if hit.startswith("turns.parquet")]
    assert hits(run, needles, leave_out=texts) == []
    for folder in ("teacher", "student"):
        tokenizer = AutoTokenizer.from_pretrained(run / folder)
        ids = id_needles(CANARIES, lambda text, t=tokenizer: t(text, add_special_tokens=False)["input_ids"])
        assert hits(run, ids, leave_out=texts) == []


def test_the_student_learns_from_made_conversations(run: Path) -> None:
    corpus = load_corpus(run / "corpus")
    assert corpus.turns is not None
    made = load_texts(run / "augmented/augmented.parquet", corpus.turns)
    assert isinstance(made, Windows)
    assert len(made) == 60
    assert {row.target.speaker for row in made} == {"anna"}
    assert {len(row.context) for row in made} <= {0, 1, 2}
    assert pq.read_metadata(run / "labels/augmented/part-00000.parquet").num_rows == 60


def test_a_forgotten_run_has_no_turns_left(run: Path) -> None:
    assert (run / "corpus/turns.parquet").is_file()
    done = run_cli("forget", str(run), "--yes")
    assert done.returncode == 0, done.stderr
    assert not (run / "corpus").exists()
    assert hits(run, needles_of(CANARIES)) == []


def test_a_bundle_of_next_turns_decides_them(tmp_path: Path, small_teacher: str) -> None:
    """The turn to come has no text, which is no reason to leave it to a person."""
    source = f"corpus.source={write_talks(tmp_path / 'rows.jsonl')}"
    small = ("corpus.rows=200", "corpus.context.predict=next", "student.epochs=1", "objective.compare=false")
    run = execute(tmp_path / "run", source, *SETTINGS, *small, small_teacher, until="export")
    bundle = distill.load(run.layout.bundle)
    assert bundle.manifest.metrics["validation_unreadable"] < 0.005
    found = bundle.predict_turns([("ben", "warm summer"), ("anna", "loud storm"), ("anna", "quiet")])
    assert [one is not None and one.abstained for one in found] == [False, False, False]
    assert [one.labels != () for one in found if one is not None] == [True, True]
