"""`init` on a terminal: it asks what is unclear, the answers are written, and Ctrl-C leaves no file."""

import io
import os
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress

import pytest

from distill.cli.data import init
from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe
from tests.support.command import run_cli

pty = pytest.importorskip("pty", reason="this platform has no pseudo-terminals")

MOODS = ("anger", "fear", "joy")


@pytest.fixture
def rows(tmp_path):
    lines = [
        f"talk {i // 3} some people sang no {i},{MOODS[i % 3]},{'ab'[i % 2]},{i // 3},{i // 6}" for i in range(120)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text,emotion,kind,dialogue_id,session_id", *lines]))
    return path


def test_the_likeliest_comes_first_and_the_answers_are_written(rows):
    asked = []

    def ask(question, answers):
        asked.append(answers)
        return 1

    recipe = propose_recipe(rows, ask)
    assert asked[0] == ["emotion: 3 labels, single_label", "kind: 2 labels, single_label"]
    assert asked[1] == ["dialogue_id", "session_id", "none"]
    assert 'labels = "kind"' in recipe
    assert '# labels = "emotion" would be 3 labels, single_label' in recipe
    assert 'group = "session_id"' in recipe
    assert propose_recipe(rows, lambda question, answers: 0) == propose_recipe(rows)
    assert "\ngroup = " not in propose_recipe(rows, lambda question, answers: len(answers) - 1)


def answered(path, wanted):
    """The recipe where each question is answered by the answer that begins so, and the questions."""
    questions = {}

    def ask(question, answers):
        questions[question] = list(answers)
        return next((at for at, answer in enumerate(answers) if answer.startswith(wanted)), 0)

    return tomllib.loads(propose_recipe(path, ask))["corpus"], questions


def test_levels_may_be_named_as_such(tmp_path):
    levels = ("none", "low", "high")
    path = tmp_path / "rows.csv"
    path.write_text("text,risk\n" + "".join(f"some people sang no {i},{levels[i % 3]}\n" for i in range(90)))
    corpus, questions = answered(path, "ordinal")
    assert questions["Which kind of task is it?"] == [
        "single_label: exactly one label per row",
        "ordinal: exactly one level per row, in the order none, low, high",
    ]
    assert (corpus["task"], corpus["label_names"]) == ("ordinal", list(levels))
    assert answered(path, "single_label")[0]["task"] == "single_label"


def test_columns_of_one_label_per_row_may_have_several(tmp_path):
    path = tmp_path / "rows.csv"
    rows = "".join(
        f"some people sang no {i},{','.join(str(int(i % 3 == at)) for at in range(3))}\n" for i in range(90)
    )
    path.write_text(f"text,{','.join(MOODS)}\n{rows}")
    assert answered(path, "multi_label")[0]["task"] == "multi_label"
    assert tomllib.loads(propose_recipe(path))["corpus"]["task"] == "single_label"


def test_nothing_is_asked_where_nothing_is_unclear(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,mood\n" + "".join(f"some people sang no {i},{MOODS[i % 3]}\n" for i in range(90)))
    assert answered(path, "x")[1] == {}


def test_encodings_that_fit_alike_are_asked_for(tmp_path):
    path = tmp_path / "rows.csv"
    rows = "".join(f"the café sang no {i},{MOODS[i % 3]}\n" for i in range(90))
    path.write_bytes(f"text,mood\n{rows}".encode("cp1252"))
    corpus, questions = answered(path, "cp1250")
    (answers,) = (found for question, found in questions.items() if "encoding" in question)
    assert answers[0] == "cp1252"
    assert corpus["encoding"] == "cp1250"
    recipe = propose_recipe(path)
    assert 'encoding = "cp1252"' in recipe
    assert '# encoding = "cp1250" would read the files too' in recipe


def test_encodings_that_no_letter_shows_are_asked_for(tmp_path):
    path = tmp_path / "rows.csv"
    rows = "".join(f"so \xa6 \xb6 many no {i},{MOODS[i % 3]}\n" for i in range(90))
    path.write_bytes(f"text,mood\n{rows}".encode("latin-1"))
    with pytest.raises(InputError, match="Name its corpus.encoding"):
        propose_recipe(path)
    assert answered(path, "cp1252")[0]["encoding"] == "cp1252"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gb18030"])
def test_a_recipe_is_the_same_on_any_stdout(tmp_path, monkeypatch, encoding):
    lines = [f"some people sang no {i},{('é 😀', 'חרדה')[i % 2]},x" for i in range(60)]
    path = tmp_path / "悲伤 é.csv"
    path.write_text("\n".join(["text,פחד,é", *lines]), encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    init(path)
    out.flush()
    read = tomllib.loads(out.buffer.getvalue().decode(encoding))
    assert read == tomllib.loads(propose_recipe(path))
    assert read["corpus"]["labels"] == "פחד"


def test_a_pipe_is_not_asked(rows, tmp_path):
    done = run_cli("init", str(rows), "--out", "a.toml", stdin="2\n2\n", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'labels = "emotion"' in (tmp_path / "a.toml").read_text()


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_terminal_is_asked(rows, tmp_path, interrupted):
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "distill", "init", str(rows), "--out", "a.toml"]
    child = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, cwd=tmp_path)
    os.close(inner)
    shown = b""
    while b"Number" not in shown:
        shown += os.read(outer, 1024)
    if not interrupted:
        os.write(outer, b"9\n2\n\n")
    for _ in range(100 if interrupted else 1):  # a signal just before the read waits for the next one
        if interrupted:
            child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=2 if interrupted else 200)
            break
    assert child.returncode == (130 if interrupted else 0)
    os.close(outer)
    target = tmp_path / "a.toml"
    assert target.exists() is not interrupted
    assert interrupted or 'labels = "kind"' in target.read_text()
