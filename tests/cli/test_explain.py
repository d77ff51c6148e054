"""The verb `explain`: words with what changes without them, places alone in JSON, and what it refuses."""

import json
from pathlib import Path

import pytest

from distill.export.runtime import load
from tests.support.command import run_cli
from tests.support.hostile_objects import WHOLE, tagged
from tests.support.tiny_bundle import make_tiny_bundle

TEXT = "you feel very sad today"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "bundle")


def test_words_are_shown_with_what_changes(bundle: Path) -> None:
    done = run_cli("explain", str(bundle), TEXT, "--label", "sadness", "--minimal")
    assert done.returncode == 0, done.stderr
    found = load(bundle).explain(TEXT, "sadness", minimal=True)
    assert done.stdout.startswith(f"sadness {found.score:.2f}")
    for word in found.words:
        assert f" {-word.change:+.3f} " in done.stdout
    assert found.deletion is not None
    assert "decided otherwise without: " in done.stdout


def test_what_no_deletion_changes_is_said(bundle: Path) -> None:
    text, label = next(
        (text, label)
        for text in ("i feel very sad", "i am happy", "calm", "you not")
        for label in ("joy", "sadness", "calm")
        if load(bundle).explain(text, label, minimal=True).deletion is None
    )
    done = run_cli("explain", str(bundle), text, "--label", label, "--minimal")
    assert done.stdout.splitlines()[-1] == "No deletion decides otherwise, not even that of all words."


def test_json_has_places_and_no_word(bundle: Path) -> None:
    done = run_cli("explain", str(bundle), "--json", stdin=f"{TEXT}\nzeugnis happy\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == json.loads(json.dumps(load(bundle).explain(TEXT).to_dict()))
    assert len(lines) == 2
    assert "zeugnis" not in done.stdout


def test_what_cannot_be_explained(bundle: Path) -> None:
    assert "Name one of joy" in run_cli("explain", str(bundle), TEXT, "--label", "grief").stderr
    refused = run_cli("explain", str(bundle), "--nobody cares")
    assert (refused.returncode, "Put -- before" in refused.stderr) == (2, True)
    tagged(bundle, unreadable=WHOLE["unreadable"])
    unread = run_cli("explain", str(bundle), "xyz qux").stdout
    assert "(left to a person: unreadable)" in unread
    assert "cannot be read" in unread
