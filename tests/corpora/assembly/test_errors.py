"""Bad input gets one sentence that names file, row and remedy, and never quotes a text."""

import json

import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.reading.cells.labels import LabelError, resolve
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.targets import CODECS, checked_task
from distill.export.runtime.errors import InputError

SINGLE, MULTI = "single_label", "multi_label"
SECRET = "SECRET words of a client"
GOOD = [f"{SECRET} {i}\t{'ab'[i % 2]}" for i in range(20)]


def read(source, task=SINGLE, **more):
    more = {"text": ("text",), "labels": "labels"} | more
    return read_corpus(CorpusSpec(source=str(source), task=task, **more), seed=1)


def refusal(source, task=SINGLE, **more):
    with pytest.raises(InputError) as caught:
        read(source, task, **more)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.exit_status == 2
    message.encode()  # can be printed
    return message


def tsv(tmp_path, *lines, good=GOOD, header="text\tlabels"):
    path = tmp_path / "data.tsv"
    path.write_bytes("\n".join([header, *good, *lines]).encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("name", ["gone.json", "gone.jsonl", "gone.csv", "gone.tsv", "gone.txt"])
def test_a_missing_file_is_one_sentence(name, tmp_path):
    with pytest.raises(InputError, match=f"{name}: The file cannot be read"):
        list(read_table(tmp_path / name))


def test_a_json_file_too_large_to_be_one_value_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("distill.corpora.reading.json.text.MAX_VALUE_CHARS", 200_000)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"text": {str(row): SECRET for row in range(20_000)}, "labels": {}}))
    with pytest.raises(InputError, match="more than 200,000 characters.* .jsonl"):
        list(read_table(path))
    path.write_text(json.dumps([{"text": SECRET, "labels": "a"}] * 20_000))  # a list is read piece by piece
    assert sum(1 for _ in read_table(path)) == 20_000


@pytest.mark.parametrize(
    ("line", "more", "reason"),
    [
        (f"{SECRET}\ta\tb", {}, "too many fields: 3 where there are 2 columns"),
        (SECRET, {}, "too few fields: 1 where there are 2 columns"),
        ("\ta", {}, "the text is empty"),
        (" \u200b \ta", {}, "the text is empty"),
        ("\t", {}, "the text is empty"),
        (f"{SECRET}\t", {}, "0 labels where a single-label task has exactly 1"),
        (f"{SECRET}\tc", {"label_names": ("a", "b")}, "unknown label; the known labels are a, b"),
        (f"{SECRET}\t2", {"label_names": ("a", "b")}, "a label id is outside 0 to 1"),
        (f"{SECRET}\t-1", {"label_names": ("a", "b")}, "a label id is outside 0 to 1"),
        (f"{SECRET} \udcff\ta", {}, "column 1 is not valid UTF-8"),
    ],
)
def test_a_bad_row_is_named(tmp_path, line, more, reason):
    path = tsv(tmp_path, line, f"{SECRET} last\ta")
    message = refusal(path, **more)
    assert message.startswith(f"{path}, row 22: {reason[0].upper()}{reason[1:]}. ")
    assert "quarantine" in message
    corpus, bad = read(path, on_bad_row="quarantine", **more)
    assert (len(bad), bad.first.row, bad.first.reason) == (1, 22, reason)
    assert sum(len(split) for _, split in corpus.splits()) == 21


def test_the_number_of_other_bad_rows_is_told(tmp_path):
    message = refusal(tsv(tmp_path, "\ta", f"{SECRET}", "\tb"))
    assert "row 22: The text is empty (2 more rows are bad). " in message


def test_a_missing_column_lists_those_there(tmp_path):
    path = tsv(tmp_path)
    assert refusal(path, labels="topic") == (
        f"{path}: There is no column 'topic', which `labels` asks for. The columns are text, labels."
    )
    for key in ("group", "where", "row_id", "split", "text"):
        value = {"group": "x", "where": {"x": "1"}, "row_id": ("x",), "split": "x", "text": ("x",)}[key]
        assert f"no column 'x', which `{key}` asks for" in refusal(path, **{key: value})


def test_a_missing_header_is_suspected_and_not_quoted(tmp_path):
    path = tsv(tmp_path, header=f"{SECRET} header\ta")
    assert "name the fields in `columns`" in refusal(path)


def test_a_header_that_repeats_a_name_is_refused(tmp_path):
    assert "The header repeats a column name" in refusal(tsv(tmp_path, header="text\ttext"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("data.csv", f'text,labels\n"{SECRET},a\n', "row 2: A quotation mark that opens a field here"),
        ("data.csv", f'text,labels\n"{SECRET}" x,a\n', "row 2: Characters follow a closing quotation mark"),
        ("data.jsonl", f'{{"text": "{SECRET}", "labels"}}\n', "row 1: Not valid JSON"),
        ("data.jsonl", f'["{SECRET}"]\n', "row 1: Not a JSON object"),
        ("data.jsonl", f'{{"text": "{SECRET} \\ud800", "labels": "a"}}', "row 1: Column 1 is not valid UTF-8"),
        ("data.jsonl", '{"text": ["SECRET"], "labels": "a"}', "row 1: Column 'text' holds a list"),
        ("data.jsonl", f'{{"text": "{SECRET}"}}\n{{"labels": "a"}}', "row 1: The label is missing"),
        ("data.jsonl", f'{{"text": "{SECRET}", "labels": {{}}}}', "row 1: A mapping without labels"),
        ("data.json", f'[{{"text": "{SECRET}" "labels": "a"}}]', "not valid JSON (line 1, column"),
        ("data.json", f'{{"text": "{SECRET}"}}', "The file is neither a list of objects"),
        ("data.parquet", SECRET, "cannot be read as parquet"),
        ("data.csv", f"text,labels\n{SECRET}\0,a", "it has zero bytes"),
        ("data.xls", SECRET, "The kind of file is unknown; known file name extensions are .csv, .tsv"),
        ("data.csv", "", "The train split has no row"),
        ("data.csv", "text,labels\n", "The train split has no row"),
        ("data.json", "[]", "The train split has no row"),
    ],
)
def test_broken_files_are_refused(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_text(content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert reason in message


def test_all_rows_in_quarantine_leave_nothing(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "", "labels": "a"}\n')
    message = refusal(path, on_bad_row="quarantine", where={"labels": "a"})
    assert "No row with labels is usable (1 are bad, `where` leaves out 0)" in message


def test_missing_and_unreadable_sources(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "nothing.csv")
    assert "no train file, and no single data file; it has no data file" in refusal(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.csv").write_text("x")
    assert "its data files are a.csv, b.csv" in refusal(tmp_path)
    (tmp_path / "c.csv").mkdir()
    assert "no train file" in refusal(tmp_path / "c.csv")


def test_a_file_without_permissions_is_refused(tmp_path, monkeypatch):
    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    path = tsv(tmp_path)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert refusal(path) == (
        f"{path}: The file cannot be read (Permission denied). Check the path and its permissions."
    )


def test_an_empty_split_is_named(tmp_path):
    for name in ("train", "test", "validation"):
        tsv(tmp_path).rename(tmp_path / f"{name}.tsv")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: The train split has no row left")
    (tmp_path / "validation.tsv").write_text("text\tlabels\n")
    assert f"{tmp_path / 'validation.tsv'}: The validation split has no row." in refusal(tmp_path)


def test_a_split_column_must_name_splits(tmp_path):
    path = tsv(tmp_path, good=[f"{SECRET}\ta\tlater"], header="text\tlabels\tpart")
    assert f"{path}, row 2: Column 'part' names no split; the splits are train, validation" in refusal(
        path, split="part"
    )


def test_an_empty_group_is_a_bad_row(tmp_path):
    path = tsv(tmp_path, good=[f"{SECRET}\ta\t"], header="text\tlabels\twho")
    assert f"{path}, row 2: Column 'who' (`group`) is empty" in refusal(path, group="who")


def test_a_label_without_a_row_is_named(tmp_path):
    message = refusal(tsv(tmp_path), label_names=("a", "b", "grief"))
    assert "No row in train has the label grief. " in message
    assert "`min_rows`" in message
    corpus, _ = read(tsv(tmp_path), label_names=("a", "b", "grief"), min_rows=2)
    assert corpus.task.labels == ("a", "b")


def test_a_column_of_texts_is_no_label_column(tmp_path):
    path = tsv(tmp_path, good=[f"{'ab'[i % 2]}\t{SECRET * 9} {i}" for i in range(20)])
    assert "Does corpus.labels name the right column" in refusal(path)


def test_label_name_files(tmp_path):
    path = tsv(tmp_path)
    (tmp_path / "labels.txt").write_text("a\n\nb\n")
    assert read(path, label_names="labels.txt")[0].task.labels == ("a", "b")
    (tmp_path / "labels.txt").write_text("\n")
    assert "no label name. Write" in refusal(path, label_names="labels.txt")
    (tmp_path / "labels.txt").write_bytes(b"a\xff\n")
    assert "not valid UTF-8" in refusal(path, label_names="labels.txt")
    assert "cannot be read" in refusal(path, label_names="none.txt")


def test_two_transfer_sets_are_refused(tmp_path):
    tsv(tmp_path).rename(tmp_path / "train.tsv")
    (tmp_path / "transfer.txt").write_text(SECRET)
    assert "has a transfer split. Use only one" in refusal(tmp_path, transfer="transfer.txt")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"duplicates": "first"}, "`duplicates` = 'first' is not known. Use one of majority, error, keep"),
        ({"on_bad_row": "skip"}, "Use one of error, quarantine"),
        ({"leaks": "no"}, "Use one of remove, groups, keep"),
        ({"text": ()}, "`text` names no column"),
        ({"one_per_group": True}, "needs `group`"),
        ({"min_rows": 0}, "`min_rows` = 0 must be at least 1"),
        ({"split": (0.5, 0.5, 0.5)}, "three fractions above 0 that add up to 1"),
        ({"split": (0.9, 0.1, 0.0)}, "three fractions above 0 that add up to 1"),
    ],
)
def test_settings_that_contradict_are_refused(more, reason):
    assert reason in refusal("nowhere.csv", **more)


def test_a_task_needs_different_labels():
    with pytest.raises(InputError, match="at least 2 labels"):
        checked_task(SINGLE, ("a",))
    with pytest.raises(InputError, match=r"Label 'a\\x1b' has control characters"):
        checked_task(MULTI, ("a\x1b", "b"))
    with pytest.raises(InputError, match=r"Label 'a\\u202eb' has control characters"):
        checked_task(MULTI, ("a\u202eb", "b"))
    with pytest.raises(InputError, match="Label ' ' is blank"):
        checked_task(MULTI, (" ", "b"))
    with pytest.raises(InputError, match="these repeat: a"):
        checked_task(MULTI, ("a", "b", "a"))


def test_errors_of_a_json_file_count_objects(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"text": SECRET, "labels": "a"}, {"text": "", "labels": "b"}]))
    assert refusal(path).startswith(f"{path}, row 2: The text is empty")


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ('"label, or not";text\njoy;"one; two"\nfear;three\n', None),
        ("joy;one\nfear;three\n", ("label, or not", "text")),
    ],
)
def test_a_separator_is_found_outside_quotation_marks(content, columns, tmp_path):
    (tmp_path / "a.CSV").write_text(content)
    rows = list(read_table(tmp_path / "a.CSV", TableForm(columns)))
    assert [row.fields["label, or not"] for row in rows] == ["joy", "fear"]


def test_a_field_as_long_as_a_book_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "word " * 40_000 + ",joy\n")
    assert len(next(read_table(tmp_path / "a.csv")).fields["text"]) == 200_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "[" * 100_000 + "]" * 100_000),
        ("a.json", '[{"text": ' + "9" * 5000 + "}]"),
    ],
)
def test_json_that_python_cannot_hold_is_one_sentence(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"a\.json"):
        list(read_table(tmp_path / name))


@pytest.mark.parametrize("cell", ["[{[]:1}]", "[" + "9" * 5000 + "]", ["\ud800"]])
def test_odd_label_cells_are_bad_rows(cell):
    with pytest.raises(LabelError):
        resolve(CODECS["multi_label"].parse(cell, ","), {"joy": 0, "fear": 1})


def test_texts_in_the_label_column_are_counted_and_not_quoted(tmp_path):
    for split in ("train", "dev", "test"):
        rows = "".join(f"joy\tmy {split} secret {row}\n" for row in range(8))
        (tmp_path / f"{split}.tsv").write_text("text\tlabels\n" + rows)
    with pytest.raises(InputError) as caught:
        read_corpus(CorpusSpec(str(tmp_path), "single_label", ("text",), "labels"), seed=1)
    assert "secret" not in str(caught.value)
    assert "right column" in str(caught.value)


@pytest.mark.parametrize("on_bad_row", ["error", "quarantine"])
def test_a_header_that_is_no_csv_is_named_and_no_row_taken_for_it(on_bad_row, tmp_path):
    (tmp_path / "a.csv").write_text(f'"te"xt,labels\n{SECRET},joy\n')
    assert "row 1" in refusal(tmp_path / "a.csv", on_bad_row=on_bad_row)
