"""`predict` and the service with a bundle of turns: conversations as lines of JSON, refused in a sentence."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from distill.bundles.conversations import decide_conversations, file_lines, stream_lines
from distill.bundles.evaluate import compare_bundles, evaluate_bundle
from distill.bundles.rows import Columns, labelled_rows
from distill.export.runtime import InputError, Turn, load
from distill.export.runtime.reading.inputs import Turns
from distill.runs.progress import Reporter
from distill.serving.requests import characters_of
from tests.support.command import run_cli
from tests.support.tiny_turns import ROLES, TEMPLATE, make_turns_bundle

QUIET = Reporter(quiet=True)

TALKS = [
    [("client", "i feel sad"), ("therapist", "you feel sad"), ("client", "very")],
    [("therapist", "you am calm"), ("client", "not today")],
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reads = Turns(2, ROLES, ("client",), segments=3, template=TEMPLATE)
    return make_turns_bundle(tmp_path_factory.mktemp("turns") / "bundle", reads)


def lines(talks: list[list[tuple[str, str]]] = TALKS) -> str:
    rows = [
        {"talk": f"t{number}", "turns": [{"speaker": speaker, "text": text} for speaker, text in talk]}
        for number, talk in enumerate(talks)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_conversations_of_a_file_and_of_stdin_are_decided(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "talks.jsonl").write_text(lines())
    classifier = load(bundle)
    expected = [classifier.predict_turns([Turn(*turn) for turn in talk]) for talk in TALKS]
    done = run_cli("predict", str(bundle), str(tmp_path / "talks.jsonl"), "--json", "--id", "talk")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["t0", "t1"]
    for answer, predictions in zip(answers, expected, strict=True):
        found = [None if one is None else json.loads(json.dumps(one.to_dict())) for one in predictions]
        assert answer["turns"] == found
    plain = run_cli("predict", str(bundle), "--file", str(tmp_path / "talks.jsonl"))
    assert [line.split("\t")[:2] for line in plain.stdout.splitlines()] == [["1", "1"], ["1", "3"], ["2", "2"]]
    streamed = decide_conversations(classifier, stream_lines(io.BytesIO(lines().encode())), None, QUIET)
    assert [found.turns for found in streamed] == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a secret text", "line 2: The line is not JSON"),
        ('{"text": "a secret"}', "line 2: The line has no list of turns"),
        (
            '{"turns": [{"speaker": "secret", "text": "a"}]}',
            r"line 2, turns\[0\]: The speaker is unknown. Name one",
        ),
        ('{"turns": ["secret"]}', r"line 2, turns\[0\]: A turn must have a speaker and a text"),
        ('[["client", 1]]', r"line 2, turns\[0\]: The text must be a string"),
        ("[" * 100_000, "line 2: The line is not JSON"),
    ],
)
def test_a_line_that_is_not_a_conversation_is_named(bundle: Path, line: str, said: str) -> None:
    decided = decide_conversations(load(bundle), [lines(TALKS[:1]), line], None, QUIET)
    assert next(decided).line == 1
    with pytest.raises(InputError, match=said) as caught:
        next(decided)
    assert "secret" not in str(caught.value)


def test_other_files_and_texts_are_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("speaker,text\nclient,a\n")
    with pytest.raises(InputError, match="This bundle reads conversations. Give a .jsonl file"):
        list(file_lines(tmp_path / "rows.csv"))
    done = run_cli("predict", str(bundle), "a text")
    assert (done.returncode, "This bundle reads conversations" in done.stderr) == (2, True)
    done = run_cli("predict", str(bundle), str(tmp_path / "gone.jsonl"), "--file", str(tmp_path / "gone.jsonl"))
    assert done.returncode == 2
    done = run_cli("explain", str(bundle), "a text")
    assert (done.returncode, "the bundle reads turns of a conversation" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ([["client", "abc"], ["therapist", "de"]], 20),
        ([{"speaker": "client", "text": "abc"}], 9),
        (("a", "bc"), 3),
        ({"a": "b"}, 1),
        ([[["client"]]], 0),
        (7, 0),
    ],
)
def test_the_service_counts_the_characters_of_turns(text: Any, characters: int) -> None:
    assert characters_of(text) == characters


def test_bench_times_conversations_of_its_own(bundle: Path) -> None:
    done = run_cli("bench", str(bundle), "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    shown = run_cli("show", str(bundle), "--json")
    assert '"turns"' in shown.stdout


def test_eval_and_diff_take_conversations_with_labels(bundle: Path, tmp_path: Path) -> None:
    classifier = load(bundle)
    talks = []
    for talk in TALKS:
        found = classifier.predict_turns([Turn(*turn) for turn in talk])
        turns = [{"speaker": speaker, "text": text} for speaker, text in talk]
        for turn, decided in zip(turns, found, strict=True):
            if decided is not None:
                turn["labels"] = ",".join(decided.labels)
        talks.append({"turns": turns})
    talks[0]["turns"][2].pop("labels")  # context alone
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    found = evaluate_bundle(bundle, tmp_path / "talks.jsonl", Columns(), QUIET)
    assert (found.rows, found.quality.micro_f1) == (2, 1.0)
    assert compare_bundles(bundle, bundle, tmp_path / "talks.jsonl", Columns(), QUIET).rows == 3
    (tmp_path / "bare.jsonl").write_text(lines())
    with pytest.raises(
        InputError, match="does not have any turn to decide. Give one with a turn with 'labels' of client"
    ):
        evaluate_bundle(bundle, tmp_path / "bare.jsonl", Columns(), QUIET)


@pytest.mark.parametrize(
    "option", [("--text", "a"), ("--columns", "a,b"), ("--encoding", "latin-1"), ("--no-quoting",)]
)
def test_options_of_tables_are_refused_for_conversations(
    bundle: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    (tmp_path / "talks.jsonl").write_text(lines())
    said = f"error: {option[0].replace('no-', '')}: This bundle reads conversations"
    for command in (["predict", str(bundle)], ["eval", str(bundle)], ["diff", str(bundle), str(bundle)]):
        done = run_cli(*command, str(tmp_path / "talks.jsonl"), *option)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(said)


def test_a_mark_of_utf8_is_no_part_of_a_line(bundle: Path, tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + lines().encode()
    (tmp_path / "talks.jsonl").write_bytes(marked)
    assert list(file_lines(tmp_path / "talks.jsonl")) == lines().splitlines()
    streamed = list(stream_lines(io.BytesIO(marked + b"\xef\xbb\xbf[]")))
    assert streamed == [*lines().splitlines(), "\ufeff[]"]  # inside it is a character


def test_turns_of_one_conversation_are_one_group(bundle: Path, tmp_path: Path) -> None:
    talks = [json.loads(line) for line in lines([*TALKS, TALKS[0]]).splitlines()]
    for number, talk in enumerate(talks):
        talk["person"] = ["ann", "ben", "ann"][number]
        for turn in talk["turns"]:
            turn["labels"] = "joy"
    file = tmp_path / "talks.jsonl"
    file.write_text("".join(json.dumps(talk) + "\n" for talk in talks))

    def groups(group: str | None) -> list[int]:
        found = labelled_rows(file, Columns(group=group), load(bundle)).groups
        assert found is not None
        return found.tolist()

    assert groups(None) == groups("talk") == [0, 0, 1, 2, 2]
    assert groups("person") == [0, 0, 1, 0, 0]
    with pytest.raises(InputError, match="line 1: No turn has 'client', nor the line. Name another with `group`"):
        groups("client")


def test_labels_of_whole_conversations_may_be_anywhere(tmp_path: Path) -> None:
    reads = Turns(2, ROLES, tuple(ROLES), "conversation", segments=3, template=TEMPLATE)
    classifier = load(make_turns_bundle(tmp_path / "bundle", reads))
    talks = [json.loads(line) for line in lines([*TALKS, TALKS[0]]).splitlines()]
    talks[0]["labels"] = "joy"
    talks[1]["turns"][0]["labels"] = ["joy", "calm"]
    talks[2]["turns"] += [{"speaker": "client", "text": " ", "labels": "calm"}]
    file = tmp_path / "talks.jsonl"
    file.write_text("".join(json.dumps(talk) + "\n" for talk in [*talks, {"turns": []}]))
    found = labelled_rows(file, Columns(), classifier)
    assert found.gold.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert found.texts == [reads.row([Turn(*turn) for turn in talk], "talk") for talk in [*TALKS, TALKS[0]]]
    talks[0]["turns"][1]["labels"] = "calm"
    file.write_text(json.dumps(talks[0]) + "\n")
    with pytest.raises(InputError, match="line 1: The conversation has different 'labels'. Give all its turns"):
        labelled_rows(file, Columns(), classifier)
