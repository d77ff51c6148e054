"""`eval`, `diff`, `bench` and `predict` with a bundle of pairs: its own columns, from every kind of table."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import processors

from distill.bundles.evaluate import compare_bundles, evaluate_bundle
from distill.bundles.predict import predict_lines
from distill.bundles.rows import Columns, common_input, read_rows
from distill.export.runtime import BundleError, InputError, load
from distill.export.runtime.reading.inputs import ONE_TEXT, Pair
from distill.runs.progress import Reporter
from tests.support.command import run_cli
from tests.support.tiny_bundle import MODEL_FILE, VOCABULARY, make_tiny_bundle, record, tiny_logits, tiny_tokenizer

QUIET = Reporter(quiet=True)

ROWS = [("i feel happy", "you am calm"), ("not sad", ""), ("", "very sad today"), ("you feel", "i am not calm")]

COLUMNS = ("question", "answer")


def make_pair_bundle(folder: Path, columns: tuple[str, str] = COLUMNS) -> Path:
    """The tiny bundle with a template for pairs; its answers do not depend on the order of tokens."""
    make_tiny_bundle(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, VOCABULARY[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    data = json.loads((folder / "manifest.json").read_text())
    words = [VOCABULARY[word] for word in ("[CLS]", "happy", "[SEP]", "sad", "[SEP]")]
    data |= {
        "format_version": 2,
        "output": None,
        "decision": None,
        "input": {"kind": "pair", "columns": list(columns), "truncate": {"column": None, "side": "end"}},
        "max_tokens": 16,
        "self_test": {
            "texts": [["happy", "sad"]],
            "input_ids": [words],
            "logits": [[float(value) for value in tiny_logits("happy [SEP] sad", 16)]],
            "tolerance": 1e-3,
        },
        "files": {name: vars(record(folder / name)) for name in (MODEL_FILE, "tokenizer.json", "config.json")},
    }
    (folder / "manifest.json").write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair_bundle(tmp_path_factory.mktemp("pairs") / "bundle")


def table(folder: Path, suffix: str) -> Path:
    """The rows with the labels that the bundle decides, in a table with another column first."""
    path = folder / f"rows.{suffix}"
    decided = load(make_pair_bundle(folder / "again")).predict(ROWS)
    rows = [
        {"id": number, "answer": second, "question": first, "labels": ",".join(found.labels)}
        for number, ((first, second), found) in enumerate(zip(ROWS, decided, strict=True))
    ]
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        lines = [list(rows[0]), *(row.values() for row in rows)]
        path.write_text("\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_verb_takes_the_bundles_columns(bundle: Path, tmp_path: Path, suffix: str) -> None:
    file = table(tmp_path, suffix)
    assert list(read_rows(file, Columns(), load(bundle).input)) == ROWS
    found = evaluate_bundle(bundle, file, Columns(), QUIET)
    assert (found.rows, found.quality.micro_f1) == (4, 1.0)
    assert compare_bundles(bundle, bundle, file, Columns(), QUIET).rows_changed == 0
    done = run_cli("predict", str(bundle), "--file", str(file), "--json")
    assert done.returncode == 0, done.stderr
    predictions = [json.loads(line)["labels"] for line in done.stdout.splitlines()]
    assert predictions == [list(one.labels) for one in load(bundle).predict(ROWS)]


def test_a_user_may_name_other_columns(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,a\nsad,happy\n")
    assert list(read_rows(tmp_path / "a.csv", Columns("q, a"), load(bundle).input)) == [("sad", "happy")]
    with pytest.raises(InputError, match="no column 'question', which `text` asks for"):
        list(read_rows(tmp_path / "a.csv", Columns(), load(bundle).input))
    for wrong in ("q", "q,q", "a,b,c"):
        with pytest.raises(InputError, match=r"reads pairs \(question, answer\). Name two columns"):
            list(read_rows(tmp_path / "a.csv", Columns(wrong), load(bundle).input))


def test_lines_of_pairs_are_json(bundle: Path) -> None:
    lines = b'{"question": "sad", "answer": "happy"}\n["sad", "happy"]\n'
    (found,) = predict_lines(load(bundle), io.BytesIO(lines), QUIET)
    assert found == load(bundle).predict([("sad", "happy")] * 2)


@pytest.mark.parametrize("line", ["a secret text", '{"question": "a secret text"}', '"a secret text"', "[1]", "["])
def test_a_line_that_is_no_pair_is_named_and_those_before_it_are_decided(bundle: Path, line: str) -> None:
    blocks = predict_lines(load(bundle), io.BytesIO(f'["sad", "happy"]\n{line}\n'.encode()), QUIET)
    assert len(next(blocks)) == 1
    with pytest.raises(InputError, match="line 2: .*pair") as caught:
        next(blocks)
    assert "secret" not in str(caught.value)


def test_texts_on_the_command_line_are_no_pairs(bundle: Path, tmp_path: Path) -> None:
    done = run_cli("predict", str(bundle), "a text")
    assert done.returncode == 2
    assert "text 1: This is one text, but the bundle reads pairs (question, answer)" in done.stderr
    done = run_cli("predict", str(bundle), "a text", "--file", str(tmp_path / "rows.csv"))
    assert (done.returncode, "Give one of them" in done.stderr) == (2, True)


def test_a_file_is_decided_up_to_its_first_bad_row(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "sad", "answer": "happy"}\n{"question": ["a"]}\n')
    done = run_cli("predict", str(bundle), "--file", str(tmp_path / "a.jsonl"))
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 1)
    assert "row 2: Column 'question' holds a list" in done.stderr


def test_bundles_that_read_different_things_are_not_compared(bundle: Path, tmp_path: Path) -> None:
    other, plain = make_pair_bundle(tmp_path / "other", ("q", "a")), make_tiny_bundle(tmp_path / "plain")
    (tmp_path / "rows.csv").write_text("first,second\nsad,happy\n")
    with pytest.raises(InputError, match="reads a pair and .* a text. Give bundles that read the same"):
        compare_bundles(bundle, plain, tmp_path / "rows.csv", Columns(), QUIET)
    with pytest.raises(InputError, match="read different columns. Name your file's two"):
        compare_bundles(bundle, other, tmp_path / "rows.csv", Columns(), QUIET)
    assert compare_bundles(bundle, other, tmp_path / "rows.csv", Columns("first,second"), QUIET).rows == 1
    assert common_input(["a", "b"], [ONE_TEXT, ONE_TEXT], Columns()) == ONE_TEXT


def test_a_bundle_of_texts_reads_a_table_by_predict_too(tmp_path: Path) -> None:
    plain = make_tiny_bundle(tmp_path / "plain")
    (tmp_path / "rows.csv").write_text("message,id\ni feel happy,1\nvery sad,2\n")
    done = run_cli("predict", str(plain), "--file", str(tmp_path / "rows.csv"), "--text", "message")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_a_pair_bundle_whose_tokenizer_lacks_the_template_does_not_open(tmp_path: Path) -> None:
    folder = make_pair_bundle(tmp_path / "bundle")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    data = json.loads((folder / "manifest.json").read_text())
    data["files"]["tokenizer.json"] = vars(record(folder / "tokenizer.json"))
    (folder / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match="has no template for pairs"):
        load(folder)


def test_bench_pairs_its_own_texts(bundle: Path) -> None:
    done = run_cli("bench", str(bundle), "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["texts"] for row in json.loads(done.stdout)["rows"]} >= {"synthetic-short", "synthetic-long"}
    assert isinstance(load(bundle).input, Pair)


def test_explain_takes_the_lines_that_predict_takes(bundle: Path) -> None:
    first, second = ROWS[0]
    lines = [json.dumps([first, second]), json.dumps({"answer": second, "question": first})]
    done = run_cli("explain", str(bundle), "--json", stdin="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found[0] == found[1] == json.loads(json.dumps(load(bundle).explain((first, second)).to_dict()))
    for line, said in (
        ("secret", "or an object with 'question' and 'answer'"),
        ('{"question": "secret"}', "no 'answer'"),
    ):
        refused = run_cli("explain", str(bundle), stdin=f"{lines[0]}\n{line}\n")
        assert (refused.returncode, "text 2: " in refused.stderr, said in refused.stderr) == (2, True, True)
        assert "secret" not in refused.stderr
