"""Reading corpora: formats, columns, filters, folders, label names, transfer sets."""

import csv
import json
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.corpus import ids_from_targets, label_matrix
from distill.corpora.reading.cells.labels import find_names, resolve
from distill.corpora.reading.places.provenance import parse_hub
from distill.corpora.reading.rows import Quarantine
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.corpora.targets import CODECS
from distill.export.runtime.errors import InputError

SINGLE, MULTI = "single_label", "multi_label"
AS_IS = {"duplicates": "keep", "leaks": "keep"}


def spec(source, task=SINGLE, **more):
    return CorpusSpec(**{"source": str(source), "task": task, "text": ("text",), "labels": "labels"} | more)


def read(source, task=SINGLE, **more):
    return read_corpus(spec(source, task, **more), seed=3)


def write(path, rows):
    """Write dicts in the format that the file's suffix names."""
    names = list(rows[0])
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, names, quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".tsv":
        lines = [
            "\t".join(str(cell) for cell in row.values()) for row in [dict(zip(names, names, strict=True)), *rows]
        ]
        path.write_bytes("\n".join(lines).encode())
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def some_rows(count=40, labels=("sad", "glad"), **more):
    return [{"text": f"line {i}", "labels": labels[i % len(labels)], **more} for i in range(count)]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n"), min_size=1).filter(
    lambda text: any(char.isprintable() and not char.isspace() for char in text)
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(texts, st.sampled_from(["a", "b"])), min_size=1, max_size=8))
@example(rows=[("\r0", "a"), ("0\r", "b"), ("a\rb", "a")])
def test_texts_and_labels_come_back_from_every_format(tmp_path, suffix, rows):
    rows = [("both", "a"), ("labels", "b"), *rows]
    table = [{"text": t, "labels": y, "part": part} for part in ("train", "dev", "test") for t, y in rows]
    corpus, bad = read(write(tmp_path / f"data{suffix}", table), split="part", **AS_IS)
    assert len(bad) == 0
    for _, split in corpus.splits():
        assert list(split.texts) == [text for text, _ in rows]
        assert [corpus.task.labels[i] for i in split.targets] == [label for _, label in rows]


ids = st.sets(st.integers(0, 9))


@given(ids, st.sampled_from("ndl;w"), st.randoms())
def test_every_way_to_write_a_label_set_gives_the_same_ids(wanted, way, random):
    names = tuple(f"name {i}" for i in range(10))
    order = list(wanted)
    random.shuffle(order)
    cell = {
        "n": [names[i] for i in order],
        "d": ",".join(str(i) for i in order),
        "l": str(order),
        ";": " ; ".join(names[i] for i in order),
        "w": str(np.array(order, dtype=int)),
    }[way]
    tokens = CODECS[MULTI].parse(cell, ";" if way == ";" else ",")
    assert resolve(tokens, {name: i for i, name in enumerate(names)}) == tuple(sorted(wanted))


@pytest.mark.parametrize(
    ("cell", "token"),
    [("glad", "glad"), (" glad ", "glad"), (1, 1), (1.0, 1), (True, "true"), (["x"], "x"), ("a, b", "a, b")],
)
def test_single_label_cells(cell, token):
    assert CODECS[SINGLE].parse(cell, ",") == (token,)


def test_found_names_are_ordered_by_number_or_by_name():
    assert find_names(Counter(("10", "9", "2")), "y") == ("2", "9", "10")
    assert find_names(Counter(("b", "a", "10")), "y") == ("10", "a", "b")


def test_a_file_without_header_takes_its_names_from_columns(tmp_path):
    rows = "".join(f"line {i}, with a comma\t{i % 2},{i % 3}\tid{i}\n" for i in range(30))
    (tmp_path / "bare.tsv").write_text(rows)
    (tmp_path / "named.tsv").write_text("id\ttext\tlabels\n" + "".join(
        f"id{i}\tline {i}, with a comma\t{i % 2},{i % 3}\n" for i in range(30)
    ))  # fmt: skip
    columns = ("text", "labels", "id")
    bare, _ = read(tmp_path / "bare.tsv", MULTI, columns=columns)
    named, _ = read(tmp_path / "named.tsv", MULTI, columns=columns)
    assert bare.task.labels == ("0", "1", "2")
    assert bare.fingerprint == named.fingerprint


def test_a_csv_may_use_semicolons_and_a_byte_order_mark(tmp_path):
    rows = "".join(f'"line; {i}";{"ab"[i % 2]}\r\n' for i in range(30))
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbf" + f"text;labels\r\n{rows}".encode())
    corpus, _ = read(tmp_path / "data.csv")
    assert "line; 0" in [text for _, split in corpus.splits() for text in split.texts]


def test_several_columns_make_one_text(tmp_path):
    rows = [{"title": f"t{i}" if i % 2 else "", "body": f"b{i}", "labels": "xy"[i % 2]} for i in range(30)]
    corpus, _ = read(write(tmp_path / "data.csv", rows), text=("title", "body"), joiner=" | ")
    found = {text for _, split in corpus.splits() for text in split.texts}
    assert {"b0", "t1 | b1"} <= found


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_where_keeps_rows_with_the_value(tmp_path, suffix):
    rows = [row | {"who": "abc"[i % 3], "real": i % 2 == 0} for i, row in enumerate(some_rows(120))]
    if suffix == ".csv":
        rows = [row | {"real": str(row["real"]).lower()} for row in rows]
    path = write(tmp_path / f"data{suffix}", rows)
    corpus, _ = read(path, where={"who": ["a", "b"]})
    assert sum(len(split) for _, split in corpus.splits()) == 80
    assert corpus.notes["rows_filtered"] == 40
    with pytest.raises(InputError, match="at least 2 labels"):  # the other label has no row with real = true
        read(path, where={"who": "a", "real": "true"})


def test_a_folder_of_splits_ignores_other_files(tmp_path):
    write(tmp_path / "train.csv", some_rows(20))
    write(tmp_path / "dev.jsonl", some_rows(4))
    write(tmp_path / "test.parquet", some_rows(6))
    write(tmp_path / "unlabeled.tsv", [{"text": "new one"}, {"text": "new two"}, {"text": "New  two"}])
    (tmp_path / "labels.txt").write_text("sad\nglad\n")
    (tmp_path / "info.json").write_text("{}")
    corpus, _ = read(tmp_path, leaks="keep", label_names="labels.txt")
    assert [len(split) for _, split in corpus.splits()] == [20, 4, 6, 2]
    assert corpus.task.labels == ("sad", "glad")
    assert corpus.transfer.targets is None


def test_the_sample_is_a_packaged_folder_of_splits(tmp_path, monkeypatch):
    for name in ("train", "validation", "test"):
        write(tmp_path / f"{name}.tsv", some_rows(6))
    write(tmp_path / "transfer.tsv", [{"text": "a new line"}])
    (tmp_path / "labels.txt").write_text("sad\nglad\n")
    monkeypatch.setattr("distill.corpora.reading.places.source.SAMPLE", tmp_path)
    corpus, _ = read("sample", label_names="labels.txt", leaks="keep")
    assert [len(split) for _, split in corpus.splits()] == [6, 6, 6, 1]


def test_shards_of_a_split_are_read_in_order(tmp_path):
    rows = some_rows(40)
    write(tmp_path / "train-00000-of-00002.parquet", rows[:10])
    write(tmp_path / "train-00001-of-00002.parquet", rows[10:])
    corpus, _ = read(tmp_path)
    assert sum(len(split) for _, split in corpus.splits()) == 40
    write(tmp_path / "train.csv", rows)
    with pytest.raises(InputError, match=r"Several files are for the train split \(train-00000"):
        read(tmp_path)


def test_a_missing_split_is_split_off_from_train(tmp_path):
    write(tmp_path / "train.csv", some_rows(200))
    write(tmp_path / "test.csv", [{"text": "other", "labels": "sad"}])
    corpus, _ = read(tmp_path)
    assert len(corpus.test) == 1
    assert len(corpus.validation) == corpus.notes["rows_split_off"] == pytest.approx(22, abs=6)
    assert len(corpus.train) + len(corpus.validation) == 200


def test_a_folder_with_one_data_file_is_that_file(tmp_path):
    path = write(tmp_path / "AnyName-full.csv", some_rows())
    (tmp_path / "notes.txt").write_text("not data")
    assert read(tmp_path)[0].fingerprint == read(path)[0].fingerprint


def test_the_same_seed_gives_the_same_corpus(tmp_path):
    path = write(tmp_path / "data.csv", some_rows())
    assert read(path)[0].fingerprint == read(path)[0].fingerprint
    assert read(path)[0].fingerprint != read_corpus(spec(path), seed=4)[0].fingerprint


def test_one_row_a_group_and_only_its_label_counts(tmp_path):
    rows = [
        {"text": f"question {i}", "labels": "xy"[i % 2] if part == 0 else "never first", "q": i, "answer": part}
        for i in range(30)
        for part in range(3)
    ]
    corpus, _ = read(write(tmp_path / "data.csv", rows), group="q", one_per_group=True)
    assert corpus.task.labels == ("x", "y")
    assert sum(len(split) for _, split in corpus.splits()) == 30
    assert corpus.notes["rows_later_in_group"] == 60


def test_annotators_of_one_row_vote(tmp_path):
    rows = [
        {"text": f"row {i}", "labels": label, "talk": i // 5, "turn": i, "who": who}
        for i in range(40)
        for who, label in enumerate(("sad", "xy"[i % 2], "xy"[i % 2]))
    ]
    path = write(tmp_path / "data.csv", rows)
    corpus, _ = read(path, group="talk", row_id=("talk", "turn"), label_names=("x", "y", "sad"), min_rows=2)
    assert corpus.task.labels == ("x", "y")
    assert corpus.notes["rows_merged"] == 80
    groups = [set(split.groups.tolist()) for _, split in corpus.splits()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_labels_with_too_few_rows_are_left_out_with_them(tmp_path):
    single = write(tmp_path / "single.csv", [*some_rows(), {"text": "odd", "labels": "rare"}])
    corpus, _ = read(single, min_rows=2)
    assert corpus.task.labels == ("glad", "sad")
    assert (corpus.notes["labels_left_out"], corpus.notes["rows_left_out"]) == (1, 1)
    rows = [*some_rows(), {"text": "odd", "labels": "rare"}, {"text": "even", "labels": "rare,sad"}]
    multi = write(tmp_path / "multi.csv", [*rows, {"text": "none", "labels": ""}])
    corpus, _ = read(multi, MULTI, min_rows=3)
    assert corpus.notes["rows_left_out"] == 1
    texts = {
        text: labels
        for _, s in corpus.splits()
        for text, labels in zip(s.texts, ids_from_targets(s, corpus.task), strict=True)
    }
    assert texts["even"] == [corpus.task.labels.index("sad")]
    assert texts["none"] == []
    assert "odd" not in texts


def test_a_transfer_file_may_be_plain_lines_or_a_table(tmp_path):
    path = write(tmp_path / "data.csv", some_rows())
    (tmp_path / "more.txt").write_text("first line\n\nsecond line\n")
    write(tmp_path / "more.jsonl", [{"text": "first line", "n": 1}, {"text": "second line", "n": 2}])
    for name in ("more.txt", str(tmp_path / "more.jsonl")):
        corpus, _ = read(path, transfer=name)
        assert list(corpus.transfer.texts) == ["first line", "second line"]
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match=r"empty\.txt: The transfer split has no row"):
        read(path, transfer="empty.txt")


def test_class_labels_in_a_parquet_file_name_the_ids(tmp_path):
    features = {"text": {"_type": "Value"}, "labels": {"_type": "ClassLabel", "names": ["sad", "glad"]}}
    table = pa.Table.from_pylist([{"text": f"line {i}", "labels": i % 2} for i in range(30)])
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "data.parquet")
    assert read(tmp_path / "data.parquet")[0].task.labels == ("sad", "glad")
    with pytest.raises(InputError, match="another order"):
        read(tmp_path / "data.parquet", label_names=("glad", "sad"))


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeTable(list):
    def __init__(self, rows, features):
        super().__init__(rows)
        self.features = features


def fake_hub(monkeypatch, splits, features=None):
    """Stand in for the datasets package; gives the list of its calls."""
    calls = []

    def load_dataset_builder(identifier, name=None, revision=None):
        calls.append((identifier, name, revision))
        if isinstance(splits, Exception):
            raise splits
        return SimpleNamespace(
            download_and_prepare=lambda: None,
            as_dataset=lambda: {split: FakeTable(rows, features or {}) for split, rows in splits.items()},
            config=SimpleNamespace(data_files=None),
            hash=COMMIT,
        )

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset_builder=load_dataset_builder))
    return calls


def test_hub_data_sets_bring_splits_and_names(monkeypatch):
    rows = [{"text": f"line {i}", "labels": [i % 2]} for i in range(30)]
    names = SimpleNamespace(feature=SimpleNamespace(names=["sad", "glad"]))
    splits = {"train": rows, "validation": rows[:4], "test": rows[:4], "raw": rows}
    calls = fake_hub(monkeypatch, splits, {"text": SimpleNamespace(), "labels": names})
    corpus, _ = read("hub:someone/feelings:simple@v1", MULTI, leaks="keep")
    assert calls == [("someone/feelings", "simple", "v1")]
    assert corpus.task.labels == ("sad", "glad")
    assert [len(split) for _, split in corpus.splits()] == [30, 4, 4]
    assert corpus.notes["splits_ignored"] == 1
    assert (corpus.source["name"], corpus.source["commit"]) == ("someone/feelings", COMMIT)


def test_the_only_split_of_a_hub_data_set_is_split(monkeypatch):
    fake_hub(monkeypatch, {"data": some_rows()})
    corpus, _ = read("hub:someone/feelings")
    assert sum(len(split) for _, split in corpus.splits()) == 40


def test_hub_failures_name_the_way_out(monkeypatch):
    fake_hub(monkeypatch, ConnectionError("long story"))
    with pytest.raises(InputError, match=r"cannot be loaded \(ConnectionError\).*download the files"):
        read("hub:someone/feelings")
    fake_hub(monkeypatch, {"one": some_rows(), "two": some_rows()})
    with pytest.raises(InputError, match="There is no train split. The splits are one, two"):
        read("hub:someone/feelings")
    with pytest.raises(InputError, match="names no data set"):
        read("hub:")


def test_hub_ids_have_a_config_and_a_revision():
    assert parse_hub("hub:a/b:c@d") == ("a/b", "c", "d")
    assert parse_hub("hub:a/b@d") == ("a/b", None, "d")
    assert parse_hub("hub:a/b") == ("a/b", None, None)


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_a_saved_corpus_loads_and_saves_to_the_same_bytes(tmp_path, task):
    rows = [row | {"who": f"p{i // 2}"} for i, row in enumerate(some_rows())]
    (tmp_path / "more.txt").write_text("a line\n")
    corpus, _ = read(write(tmp_path / "data.csv", rows), task, group="who", transfer="more.txt")
    save_corpus(corpus, tmp_path / "one")
    loaded = load_corpus(tmp_path / "one")
    save_corpus(loaded, tmp_path / "two")
    assert loaded.fingerprint == corpus.fingerprint
    assert loaded.notes == corpus.notes
    for (_, before), (_, after) in zip(corpus.splits(), loaded.splits(), strict=True):
        assert list(before.texts) == list(after.texts)
        assert np.array_equal(before.groups, after.groups)
        if before.targets is not None:
            assert before.targets.dtype == after.targets.dtype
            assert np.array_equal(label_matrix(before, corpus.task), label_matrix(after, corpus.task))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_changed_corpus_is_refused(tmp_path):
    corpus, _ = read(write(tmp_path / "data.csv", some_rows()))
    save_corpus(corpus, tmp_path / "saved")
    (tmp_path / "saved" / "test.parquet").write_bytes((tmp_path / "saved" / "train.parquet").read_bytes())
    with pytest.raises(InputError, match="Its rows differ from its fingerprint"):
        load_corpus(tmp_path / "saved")
    (tmp_path / "saved" / "test.parquet").unlink()
    with pytest.raises(InputError, match="not a whole saved corpus"):
        load_corpus(tmp_path / "saved")


def test_quarantined_rows_are_written_and_counted(tmp_path):
    lines = ["text,labels", *(f"line {i},{'ab'[i % 2]}" for i in range(30)), "one,two,three", ",a", "x,b"]
    (tmp_path / "data.csv").write_bytes("\n".join(lines).encode() + b"\nbroken \xff,a\n")
    corpus, bad = read(tmp_path / "data.csv", on_bad_row="quarantine")
    assert (len(bad), bad.first.row) == (3, 32)
    assert corpus.notes["rows_quarantined"] == 3
    path = bad.write(tmp_path / "run")
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["row"] for row in written] == [32, 33, 35]
    assert written[1]["reason"] == "the text is empty"
    assert Quarantine().write(tmp_path / "run") is None
    assert not path.exists()


def test_reading_needs_only_numpy_and_says_what_else_is_missing(tmp_path):
    path = write(tmp_path / "data.csv", some_rows())
    write(tmp_path / "data.parquet", some_rows())
    code = f"""
import sys
for name in ("pyarrow", "pyarrow.parquet", "datasets", "torch", "transformers", "pandas", "sklearn"):
    sys.modules[name] = None
import distill.corpora.describe, distill.evaluation.metrics, distill.recipe.starter.propose
from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.export.runtime.errors import MissingExtraError
for source in ({str(path)!r}, {str(tmp_path / "data.parquet")!r}, "hub:a/b"):
    try:
        spec = CorpusSpec(source=source, task="single_label", text=("text",), labels="labels")
        print(len(read_corpus(spec, seed=1)[0].train))
    except MissingExtraError as error:
        print('.whl[train]' in str(error))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, *helped = run.stdout.split()
    assert int(rows) > 25
    assert helped == ["True", "True"]
