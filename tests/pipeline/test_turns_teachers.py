"""Conversations under teachers that no student can start from: other bodies, and a language model."""

import json
from pathlib import Path

import pytest

import distill
from distill.teachers.checkpoints import save_classifier
from tests.pipeline.test_endpoint import FILLERS, SETTINGS, WORDS
from tests.support import talks
from tests.support.command import run_cli
from tests.support.fake_openai import FakeModel, fake_openai
from tests.support.finished import execute
from tests.support.tiny_lines import SHORT, write_body
from tests.support.tiny_models import bert_tokenizer, tiny_classifier

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kind", "pooling"), [("deberta-v2", "mean"), ("gpt2", "last"), ("llama", "last")])
def test_a_student_of_turns_starts_from_an_encoder_of_its_own(kind: str, pooling: str, tmp_path: Path) -> None:
    source = f"corpus.source={talks.write_talks(tmp_path / 'rows.jsonl')}"
    models = [f"teacher.model={write_body(kind, tmp_path / 'model')}", f"teacher.pooling={pooling}"]
    base = f"student.base={write_body('bert', tmp_path / 'base')}"
    run = execute(
        tmp_path / "run", *SHORT, *talks.SETTINGS, "student.epochs=1", source, *models, base, until="export"
    )
    for folder in (run.layout.teacher(), run.start):
        assert "[A]" in json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert json.loads((run.layout.variant("int8-weights") / "gate.json").read_text())["passed"]


def write_questions(path: Path) -> Path:
    """Write talks in which a client says little, and the question before says what about."""
    rows = []
    for number, (first, second) in enumerate((a, b) for a in FILLERS for b in FILLERS if a != b):
        for place, (label, words) in enumerate(WORDS.items()):
            question = {"who": "therapist", "text": f"were you {words[number % 2]} {first}"}
            answer = {"who": "client", "text": f"yes {second}", "feels": label}
            turns = (
                {"talk": number, "place": 2 * place + at, **turn} for at, turn in enumerate((question, answer))
            )
            rows.extend(turns)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("labels", ['"feels"', 'false\nlabel_names = ["joy", "sadness", "fear"]'])
def test_a_language_model_is_shown_the_turns_before(labels: str, tmp_path: Path) -> None:
    source = write_questions(tmp_path / "rows.jsonl")
    tokenizer = bert_tokenizer([json.loads(line)["text"] for line in source.read_text().splitlines()])
    save_classifier(tiny_classifier(vocabulary=len(tokenizer)), tokenizer, tmp_path / "base")
    settings = SETTINGS.replace("[student]", f'[student]\nbase = "{tmp_path / "base"}"')
    settings = settings.replace("epochs = 4", "epochs = 20")
    model = FakeModel(WORDS)
    with fake_openai(model) as url:
        (tmp_path / "asked.toml").write_text(
            f'name = "asked"\n[corpus]\nsource = "{source}"\ntask = "single_label"\nlabels = {labels}\n'
            'max_tokens = 32\n[corpus.context]\nconversation = "talk"\norder = "place"\nspeaker = "who"\n'
            "turns = 1\n"
            f'[teacher]\nkind = "endpoint"\nepochs = 1\nfreeze = "body"\n[verbaliser]\ncompared_rows = 40\n'
            f'[endpoint]\nmodel = "fake"\nurl = "{url}"\n{settings}'
        )
        done = run_cli("run", str(tmp_path / "asked.toml"), "--runs", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    asked = {request["messages"][-1]["content"] for request in model.requests}
    assert any("therapist: were you sad at home\nclient: yes again" in text for text in asked)
    classifier = distill.load(tmp_path / "runs/asked/bundle")
    found = [
        classifier.predict_turns(
            [distill.Turn("therapist", f"were you {words[0]} today"), distill.Turn("client", "yes again")]
        )[1]
        for words in WORDS.values()
    ]
    assert [prediction and prediction.labels for prediction in found] == [(label,) for label in WORDS]
