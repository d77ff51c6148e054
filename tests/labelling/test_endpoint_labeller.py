"""A server as a labeller: every row once, whatever happens; what is kept; and when it gives up."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.corpora.corpus import Split
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.labelling.codebook import Shot, codebook_of
from distill.labelling.endpoint.address import Address
from distill.labelling.endpoint.cache import ANSWERS_FILE, AnswerCache
from distill.labelling.endpoint.labeller import EndpointLabeller
from distill.labelling.endpoint.open import label_rows, open_endpoint
from distill.recipe.llm import EndpointRecipe, VerbaliserRecipe
from distill.runs.progress import Reporter
from distill.teachers.store import LabelIdentity, read_logits
from tests.support.fake_openai import FakeModel, fake_openai

LABELS = ("joy", "sadness", "fear")
WORDS = {"joy": ("happy",), "sadness": ("sad",), "fear": ("afraid",)}
TEXTS = [f"i am {word} for the {number}th time" for number in range(40) for word in ("happy", "sad", "afraid")]
TASK = SingleLabel(LABELS)
BOOK = codebook_of(VerbaliserRecipe(), TASK, Split([], None), 0)
IDENTITY = LabelIdentity("x", "", "c", "train", LABELS, 0)
TROUBLE = {"cut": 0.05, "429": 0.05, "500": 0.05, "broken": 0.05, "nan": 0.05, "no_logprobs": 0.05}


@contextmanager
def labeller(url: str, folder: Path, book=BOOK, total: int = len(TEXTS), **keys) -> Iterator[EndpointLabeller]:  # type: ignore[no-untyped-def]
    recipe = EndpointRecipe(url=url, model="m", **({"concurrency": 4, "retries": 6} | keys))
    with open_endpoint(recipe, book, folder) as opened:
        yield replace(opened, total=total)


def labels_of(model: FakeModel, folder: Path, **keys) -> np.ndarray:  # type: ignore[no-untyped-def]
    with fake_openai(model) as url, labeller(url, folder, **keys) as asking:
        return asking.label(TEXTS)


def test_scores_say_what_the_model_says(tmp_path: Path) -> None:
    scores = labels_of(FakeModel(WORDS), tmp_path)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2] * 40
    assert np.exp(scores).sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_a_misbehaving_server_gives_the_same_scores_and_no_answer_is_asked_for_twice(tmp_path: Path) -> None:
    quiet, loud = FakeModel(WORDS), FakeModel(WORDS, TROUBLE)
    expected = labels_of(quiet, tmp_path / "a")
    assert (labels_of(loud, tmp_path / "b") == expected).all()
    assert sum(loud.asked.values()) > 1.2 * sum(quiet.asked.values())
    assert set(loud.answered.values()) == {1}


def test_votes_of_a_server_without_log_probabilities(tmp_path: Path) -> None:
    model = FakeModel(WORDS, gives=0)
    scores = labels_of(model, tmp_path, samples=7)
    assert (scores.argmax(axis=1) == [0, 1, 2] * 40).mean() > 0.9
    lowest = np.log(0.5 / (7 + 1.5))
    assert scores.min() == pytest.approx(lowest, abs=1e-5)
    assert len(model.answered) == 7 * len(TEXTS) + 2 * 3


def test_rows_are_asked_about_as_the_server_accepts(tmp_path: Path) -> None:
    model = FakeModel(WORDS, accepts=5, gives=5)
    assert labels_of(model, tmp_path).argmax(axis=1).tolist() == [0, 1, 2] * 40
    assert {request["top_logprobs"] for request in model.requests} == {20, 5}
    assert len(model.requests) == 1 + 3 + len(TEXTS)


def test_several_labels_are_asked_one_by_one(tmp_path: Path) -> None:
    book = codebook_of(VerbaliserRecipe(), MultiLabel(LABELS), Split([], None), 0)
    scores = labels_of(FakeModel(WORDS), tmp_path, book=book)
    assert ((scores > 1.5) == np.eye(3, dtype=bool)[[0, 1, 2] * 40]).all()


def test_too_many_failures_stop_the_work_and_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 of 120 rows failed \(429: 2\)"):
        labels_of(FakeModel(WORDS, {"429": 1.0}, spared=3), tmp_path, retries=0)


def test_one_failure_in_a_hundred_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The row gets the mean of the others."""
    model = FakeModel(WORDS, refuses="afraid for the 7th")
    with fake_openai(model) as url, labeller(url, tmp_path) as asking:
        label_rows(asking, tmp_path / "train", TEXTS, IDENTITY, Reporter())
    scores = read_logits(tmp_path / "train", len(TEXTS), IDENTITY)
    refused = [row for row, text in enumerate(TEXTS) if "afraid for the 7th" in text]
    assert len(refused) == 1
    assert scores[refused] == pytest.approx(np.delete(scores, refused, axis=0).mean(axis=0)[None], abs=1e-5)
    assert "1 rows have no answer (400: 1)" in capsys.readouterr().err


def test_another_machine_gets_scrubbed_texts(tmp_path: Path) -> None:
    model = FakeModel(WORDS)
    with fake_openai(model) as url, labeller(url, tmp_path) as asking:
        replace(asking, scrubs=True).label(["write to me at ann@example.org, i am sad"] * 1)
    assert not any("ann@" in str(request) for request in model.requests)
    assert any("[EMAIL]" in str(request) for request in model.requests)


def test_another_machine_gets_no_personal_data_of_shots_and_definitions_and_the_probe_no_shot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = Shot("call me at ann@example.org, i am glad", (0,))
    book = replace(BOOK, shots=(shot,), definitions=("Joy, as in: bob@example.org made my day.", "", ""))
    here, there = FakeModel(WORDS), FakeModel(WORDS)
    labels_of(here, tmp_path / "here", book=book)
    monkeypatch.setattr(Address, "is_local", False)
    labels_of(there, tmp_path / "there", book=book, allow_remote=True)
    sent = [json.dumps(request["messages"]) for request in there.requests]
    assert not [text for text in sent if "example.org" in text]
    assert all("i am glad" in text for text in sent[3:])
    assert not [text for text in sent[:3] if "i am glad" in text]  # of the probe
    assert all("ann@example.org" in json.dumps(request) for request in here.requests[3:])


def test_half_a_line_is_cut_off_and_a_damaged_one_is_asked_again(tmp_path: Path) -> None:
    with AnswerCache(tmp_path) as cache:
        keys = [cache.key({"n": number}) for number in range(3)]
        for key in keys:
            cache.put(key, [-1.5])
    path = tmp_path / ANSWERS_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], b"00ff [NaN]\n", lines[3][:40]]))
    with AnswerCache(tmp_path) as cache:
        assert [cache.get(key) for key in keys] == [(-1.5,), None, None]
        assert cache.key({"n": 0}) == keys[0]
        cache.put(keys[2], [-2.0, 0.1])
    with AnswerCache(tmp_path) as cache:
        assert [cache.get(key) for key in keys] == [(-1.5,), None, (-2.0, 0.1)]
    assert b"n" not in path.read_bytes().partition(b"\n")[2]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / ANSWERS_FILE).write_text("hello\nthere\n")
    with pytest.raises(InputError, match="does not hold answers"):
        AnswerCache(tmp_path)


SCRIPT = """
import sys
from pathlib import Path
from tests.labelling.test_endpoint_labeller import BOOK, IDENTITY, TEXTS, labeller, label_rows, Reporter
url, folder = sys.argv[1], Path(sys.argv[2])
with labeller(url, folder / "answers") as asking:
    label_rows(asking, folder / "train", TEXTS, IDENTITY, Reporter(quiet=True))
"""


def test_a_process_that_is_killed_again_and_again_asks_for_no_answer_twice(tmp_path: Path) -> None:
    model = FakeModel(WORDS, {"cut": 0.05, "429": 0.05}, delay=0.02)
    expected = labels_of(FakeModel(WORDS), tmp_path / "quiet")
    with fake_openai(model) as url:
        for number in range(20):
            process = subprocess.Popen([sys.executable, "-c", SCRIPT, url, str(tmp_path)])
            before = len(model.answered)
            while process.poll() is None and len(model.answered) < before + 15 + number:
                time.sleep(0.005)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.wait() == 0
    assert (read_logits(tmp_path / "train", len(TEXTS), IDENTITY) == expected).all()
    own = Counter(text for text in model.answered.elements() if "th time" in text)
    # an answer that was on its way when the process was killed was never received
    assert sum(count - 1 for count in own.values()) <= 4 * number
