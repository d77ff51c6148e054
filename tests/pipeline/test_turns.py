"""Conversations from the rows to the bundle: what the run measured is what the bundle answers, turn by turn."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

import distill
from distill.artifacts.context import read_context
from distill.corpora.storage.parquet import load_corpus
from distill.corpora.storage.windows import Windows
from tests.support.command import run_cli

pytestmark = pytest.mark.slow

WORDS = "bright warm summer wet cold autumn loud fast storm quiet slow winter".split()

SETTINGS = (
    "corpus.task=single_label",
    'corpus.labels="next"',
    "corpus.max_tokens=40",
    "corpus.context={conversation='talk', order='place', speaker='who', turns=2, roles={anna='A', ben='B'}}",
    "student.kind=static",
    "student.width=16",
    "student.window_channels=0",
    "student.hash_buckets=0",
    "student.hidden=16",
    "student.epochs=20",
    "student.body_learning_rate=0.05",
    "student.head_learning_rate=0.01",
    "student.min_piece_groups=1",
    "objective.soft_weight=0",
    "export.max_label_flip_rate=0.5",
    "export.max_macro_f1_drop=0.5",
)


def talks(path: Path) -> Path:
    """Write talks; the label of Anna's turns is who spoke before."""
    draw = random.Random(3)
    rows = []
    for talk in range(60):
        speakers = [draw.choice(("anna", "ben")) for _ in range(8)]
        for place, who in enumerate(speakers):
            label = speakers[place - 1] if place and who == "anna" else ""
            text = " ".join(draw.choices(WORDS, k=draw.randint(1, 5)))
            rows.append({"talk": talk, "place": place, "who": who, "text": text, "next": label})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_teacher: str) -> Path:
    folder = tmp_path_factory.mktemp("turns")
    settings = (f"corpus.source={talks(folder / 'rows.jsonl')}", "corpus.rows=400", *SETTINGS, small_teacher)
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


def test_a_forgotten_run_has_no_turns_left(run: Path) -> None:
    assert (run / "corpus/turns.parquet").is_file()
    done = run_cli("forget", str(run), "--yes")
    assert done.returncode == 0, done.stderr
    assert not (run / "corpus").exists()
