"""What a user does with bundles on files of their own: bad rows are named, never quoted."""

import io
import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distill.bundles.evaluate import SEEN_ONCE, Changes, Evaluation, compare_bundles, evaluate_bundle
from distill.bundles.predict import MAX_LINE_BYTES, line_blocks, predict_blocks, predict_lines
from distill.bundles.rows import Columns, read_rows
from distill.export.runtime import InputError, load
from distill.export.runtime.classifier import BLOCK
from distill.export.runtime.reading.inputs import ONE_TEXT
from distill.runs.progress import Advance, Reporter
from tests.support.command import ROOT, command_of, run_cli
from tests.support.hostile_objects import tagged
from tests.support.tiny_bundle import make_tiny_bundle, rewrite_manifest

SECRET = "nobody may read this"


def evaluate(runs: Path, file: Path) -> Evaluation:
    return evaluate_bundle(runs / "bundle", file, Columns(), Reporter(quiet=True))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", f'{{"text": "{SECRET}", "labels": "joy"}}\n{{"labels": "joy"}}\n', "row 2: The text is empty"),
        ("a.jsonl", f'{{"text": ["{SECRET}"], "labels": "joy"}}\n', "row 1: Column 'text' holds a list"),
        ("a.jsonl", f'{{"text": null, "labels": "joy"}}\n{{"text": "{SECRET}"}}', "row 1: The text is empty"),
        ("a.csv", f"text,labels\n{SECRET},bliss\n", "No row has a label that the bundle knows, and 1 ha"),
        ("a.csv", f"text,labels\n{SECRET},joy,more\n", "row 2: Too many fields"),
        ("a.csv", f"message,labels\n{SECRET},joy\n", "no column 'text', which `text`"),
        ("a.csv", "text,labels\n", "does not have any rows"),
    ],
)
def test_a_bad_row_is_named_with_its_file(name: str, content: str, said: str, runs: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as caught:
        evaluate(runs, tmp_path / name)
    message = str(caught.value)
    assert said in message
    assert name in message
    assert SECRET not in message
    assert "quarantine" not in message  # there is none here


def test_broken_bytes_are_named_by_row(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,labels\ngood,joy\nb\xffd,joy\n")
    with pytest.raises(InputError, match=r"a\.csv, row 3: Column 1 is not valid UTF-8. Correct the row"):
        evaluate(runs, tmp_path / "a.csv")


def test_quality_is_that_of_the_runtimes_decisions(runs: Path, tmp_path: Path) -> None:
    classifier = load(runs / "bundle")
    texts = ["thank you so much", "i feel alone tonight", "what time is it"]
    rows = [
        f"{text}\t{','.join(found.labels)}" for text, found in zip(texts, classifier.predict(texts), strict=True)
    ]
    (tmp_path / "own.tsv").write_text("text\tlabels\n" + "\n".join(rows) + "\n")
    found = evaluate(runs, tmp_path / "own.tsv")
    decided = {label for prediction in classifier.predict(texts) for label in prediction.labels}
    assert all(row.f1 == 1.0 for row in found.quality.per_label if row.label in decided)
    data = json.loads(json.dumps(found.to_dict()))
    assert list(data)[:4] == ["rows", "truncated", "abstained", "macro_f1"]
    assert data["macro_f1"] == found.quality.macro_f1
    assert {row["label"] for row in data["per_label"]} == set(classifier.labels)


def test_a_bundle_differs_in_nothing_from_itself(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one line\nanother line\n")
    bundle = runs / "bundle"
    found = compare_bundles(bundle, bundle, tmp_path / "lines.txt", Columns(), Reporter(quiet=True))
    assert found.rows == 2
    nothing = {name: {"gained": 0, "lost": 0} for name in load(bundle).labels}
    assert found.to_dict() == {
        "rows": 2,
        "rows_changed": 0,
        "changed_rows": [],
        "abstained": {"gained": 0, "lost": 0},
        "by_label": nothing,
        "handed_over": {},
    }
    texts = read_rows(tmp_path / "lines.txt", Columns(text="not a column of lines"), ONE_TEXT)
    assert list(texts) == ["one line", "another line"]


WORDS = ["happy", "sad", "i am very happy today", "you feel calm", "not sad not sad", "i am not calm"]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path, list[bool]]:
    """A bundle, the same with a rule to abstain, and which of `WORDS` the rule hands over to a person."""
    plain, careful = make_tiny_bundle(tmp_path / "plain"), make_tiny_bundle(tmp_path / "careful")
    sure = [found.confidence for found in load(plain).predict(WORDS)]
    below = (sorted(sure)[2] + sorted(sure)[3]) / 2
    rewrite_manifest(careful, abstain={"confidence": "exact_match", "below": below})
    return plain, careful, [confidence < below for confidence in sure]


def test_eval_counts_what_is_handed_over_and_how_the_rest_does(
    pair: tuple[Path, Path, list[bool]], tmp_path: Path
) -> None:
    plain, careful, abstained = pair
    gold = [found.labels for found in load(plain).predict(WORDS)]
    for handed in (True, False):  # one wrong row among those that a person sees, and one among the others
        at = abstained.index(handed)
        gold[at] = () if gold[at] else ("joy",)
    rows = [f"{text}\t{','.join(labels)}" for text, labels in zip(WORDS, gold, strict=True)]
    (tmp_path / "own.tsv").write_text("text\tlabels\n" + "\n".join(rows) + "\n")
    found = evaluate_bundle(careful, tmp_path / "own.tsv", Columns(), Reporter(quiet=True))
    assert found.abstained == 3
    assert found.selective.coverage == 0.5
    assert found.selective.selective_risk == pytest.approx(1 / 3)
    free = evaluate_bundle(plain, tmp_path / "own.tsv", Columns(), Reporter(quiet=True))
    assert (free.abstained, free.selective.below, free.selective.coverage) == (0, None, 1.0)
    assert free.quality == found.quality
    shown = run_cli("eval", str(careful), str(tmp_path / "own.tsv"))
    assert shown.returncode == 0, shown.stderr
    assert "abstained: 3" in shown.stdout
    assert "coverage: 0.5000" in shown.stdout
    assert "curve" not in shown.stdout


def test_a_label_spelt_nan_is_refused_or_mapped_and_a_text_is_a_text(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    known = load(bundle).labels

    def evaluated(cells: list[tuple[str, str]], **mapping: str) -> Evaluation:
        rows = "".join(f"{text}\t{label}\n" for text, label in cells)
        (tmp_path / "own.tsv").write_text(f"text\tlabels\n{rows}")
        return evaluate_bundle(bundle, tmp_path / "own.tsv", Columns(mapping=mapping), Reporter(quiet=True))

    with pytest.raises(InputError, match=r"row 3: .* label's name. Leave the row out, or map .* with `mapping`"):
        evaluated([("happy", known[0]), ("sad", "nan")])
    assert evaluated([("happy", known[0]), ("sad", "nan")], nan=known[1]).rows == 2
    found = evaluated([("nan", known[0]), ("None", known[1]), ("happy", known[1])])
    assert (found.rows, found.texts_spelt_missing) == (3, 2)
    assert any("2 texts are spelt nan" in note for note in found.notes)
    assert not any("spelt" in note for note in evaluated([("nan", known[0]), ("sad", known[1])]).notes)


def test_lines_of_texts_are_read_in_their_encoding(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path / "bundle"))
    (tmp_path / "own.txt").write_bytes("déjà\n".encode("cp1252"))
    assert list(read_rows(tmp_path / "own.txt", Columns(encoding="cp1252"), classifier.input)) == ["déjà"]


def test_labels_that_the_bundle_does_not_know_are_mapped_or_counted(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    known = load(bundle).labels
    cells = [known[0], "delight", "delight", f"{known[1]},delight", "once", known[1], ""]
    rows = [f"{WORDS[at % len(WORDS)]}\t{cell}" for at, cell in enumerate(cells)]
    (tmp_path / "own.tsv").write_text("text\tlabels\n" + "\n".join(rows) + "\n")

    def evaluated(**mapping: str) -> Evaluation:
        return evaluate_bundle(bundle, tmp_path / "own.tsv", Columns(mapping=mapping), Reporter(quiet=True))

    found = evaluated()
    assert (found.rows, found.rows_with_unknown_labels, found.rows_left_out) == (4, 4, 3)
    assert found.unknown_labels == {"delight": 3, SEEN_ONCE: 1}
    assert [row.support for row in found.quality.per_label][:2] == [1, 2]
    mapped = evaluated(delight=known[0])
    assert (mapped.rows, mapped.rows_left_out, mapped.unknown_labels) == (6, 1, {SEEN_ONCE: 1})
    assert [row.support for row in mapped.quality.per_label][:2] == [4, 2]
    with pytest.raises(InputError, match="`mapping`: delight is mapped to gloom, but the bundle's labels are"):
        evaluated(delight="gloom")
    with pytest.raises(InputError, match="`mapping`: No row has the label never"):
        evaluated(never=known[0])
    (tmp_path / "other.tsv").write_text("text\tlabels\nhappy\tsecret words\nsad\tsecret words\n")
    with pytest.raises(InputError, match=r"No row has a label that the bundle knows, and 2 have others") as caught:
        evaluate_bundle(bundle, tmp_path / "other.tsv", Columns(), Reporter(quiet=True))
    assert "secret" not in str(caught.value)
    shown = run_cli("eval", str(bundle), str(tmp_path / "own.tsv"))
    assert "4 rows have labels that the bundle does not know: delight (3), (names seen once) (1)." in shown.stdout
    options = ["--map", f"delight={known[0]}", "--json"]
    data = json.loads(run_cli("eval", str(bundle), str(tmp_path / "own.tsv"), *options).stdout)
    assert (data["rows"], data["rows_with_unknown_labels"], data["unknown_labels"]) == (6, 1, {SEEN_ONCE: 1})
    for wrong in ("delight", "=joy", "delight="):
        refused = run_cli("eval", str(bundle), str(tmp_path / "own.tsv"), "--map", wrong)
        assert refused.returncode == 2, wrong
        assert "--map NAME=LABEL" in refused.stderr


def test_diff_says_which_rows_are_handed_over_now(pair: tuple[Path, Path, list[bool]], tmp_path: Path) -> None:
    plain, careful, abstained = pair
    (tmp_path / "lines.txt").write_text("\n".join(WORDS) + "\n")
    found = compare_bundles(plain, careful, tmp_path / "lines.txt", Columns(), Reporter(quiet=True))
    assert found.changed_rows == [row for row, handed in enumerate(abstained, 1) if handed]
    assert found.abstained == Changes(gained=3, lost=0)
    assert all(changes == Changes(0, 0) for changes in found.by_label.values())
    back = run_cli("diff", str(careful), str(plain), str(tmp_path / "lines.txt"))
    assert "3 of 6 rows are decided differently" in back.stdout
    assert "(left to a person)" in back.stdout
    assert found.handed_over == {"unsure": Changes(gained=3, lost=0)}


def test_diff_says_which_reasons_to_hand_over_are_new(tmp_path: Path) -> None:
    """A list of words changes no decision, and who reads what all the more."""
    words = {"kind": "text", "truncated": False, "list_name": "own", "words": ["sad"]}
    plain = make_tiny_bundle(tmp_path / "plain")
    flagging = tagged(make_tiny_bundle(tmp_path / "flagging"), hand_over=words)
    (tmp_path / "lines.txt").write_text("\n".join(WORDS) + "\n")
    done = run_cli("diff", str(plain), str(flagging), str(tmp_path / "lines.txt"), "--json")
    found = json.loads(done.stdout)
    assert (found["rows_changed"], found["handed_over"]) == (0, {"crisis word": {"gained": 2, "lost": 0}})
    shown = run_cli("diff", str(flagging), str(plain), str(tmp_path / "lines.txt")).stdout
    assert "(handed over: crisis word)" in shown


def test_predict_says_what_it_hands_over(pair: tuple[Path, Path, list[bool]]) -> None:
    _, careful, abstained = pair
    lines = run_cli("predict", str(careful), *WORDS).stdout.splitlines()
    assert [line.startswith("abstained (confidence 0.") for line in lines] == abstained
    answers = [json.loads(line) for line in run_cli("predict", str(careful), *WORDS, "--json").stdout.splitlines()]
    assert [answer["abstained"] for answer in answers] == abstained
    assert all((answer["labels"] == []) for answer in answers if answer["abstained"])


def test_lines_that_cannot_be_read_are_named_by_number(runs: Path) -> None:
    assert list(line_blocks(io.BytesIO("ä\r\n\nlast".encode()))) == [["ä", ""], ["last"]]
    for content, said in (
        (b"good\nb\xffd\n", "line 2: The line is not valid UTF-8"),
        (b"good\n" + b"x" * (MAX_LINE_BYTES + 1), "line 2: The line has more than 1048576 characters"),
        (b"good\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\nmore", "line 2: The line has more than 1048576 characters"),
    ):
        blocks = line_blocks(io.BytesIO(content))
        assert next(blocks) == ["good"]
        with pytest.raises(InputError, match=said):
            next(blocks)
    found = predict_blocks(load(runs / "bundle"), [["good"], ["good", "\ud800", "good"]])
    assert [len(next(found)), len(next(found))] == [1, 1]  # what stands before it is decided
    with pytest.raises(InputError, match="text 3: The text cannot be tokenized"):
        next(found)


class Slow(io.BytesIO):
    """Gives little at a time, as a pipe does that somebody writes into."""

    def read1(self, size: int | None = -1) -> bytes:
        return super().read1(7)


def test_lines_are_decided_as_they_arrive(runs: Path) -> None:
    assert list(line_blocks(Slow(b"one\ntwo\na longer one\n"))) == [["one"], ["two"], ["a longer one"]]
    classifier = load(runs / "bundle")
    lines = [f"line {number}" for number in range(2000)]
    found = list(predict_lines(classifier, io.BytesIO("\n".join(lines).encode()), Reporter(quiet=True)))
    assert max(map(len, found)) <= BLOCK
    assert [one for block in found for one in block] == classifier.predict(lines)


def test_a_file_has_a_bar_of_its_bytes(runs: Path, tmp_path: Path) -> None:
    moved: list[tuple[int, str]] = []

    class Watched(Reporter):
        @contextmanager
        def bar(self, title: str, total: int) -> Iterator[Advance]:
            moved.append((total, title))
            yield lambda count, news="": moved.append((count, news))

    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    with (tmp_path / "lines.txt").open("rb") as stream:
        list(predict_lines(load(runs / "bundle"), stream, Watched(quiet=True)))
    assert moved == [(8, "predict"), (8, "2 texts")]


@pytest.mark.parametrize(("closed", "status"), [("<&-", 2), ("hello >&-", 0)])
def test_streams_that_are_closed_from_the_start_are_no_fault_of_ours(closed: str, status: int, runs: Path) -> None:
    line = f"{shlex.join(command_of('predict', str(runs / 'bundle')))} {closed}"
    found = subprocess.run(["sh", "-c", line], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == status
    assert ("There is no text" in found.stderr) == (status == 2)
