"""Repeats in a test split that was published: they stay, unless somebody asks."""

import json

import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.export.runtime.errors import InputError

REPEATED = [{"text": "oh no", "labels": "a"}, {"text": "Oh  no", "labels": "b"}, {"text": "oh no", "labels": "b"}]


def lines(name, count):
    return [{"text": f"{name} {row}", "labels": "ab"[row % 2], "said": f"{name} {row}"} for row in range(count)]


def splits():
    """Rows of each split, with one text that has two labels, thrice in train and thrice in test."""
    repeated = [row | {"said": "once"} for row in REPEATED]
    other = [row | {"text": f"{row['text']} again"} for row in repeated]
    return {"train": lines("train", 20) + other, "dev": lines("dev", 10), "test": lines("test", 10) + repeated}


def in_files(folder):
    for name, rows in splits().items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"source": str(folder)}


def in_a_column(folder):
    rows = [row | {"part": name} for name, some in splits().items() for row in some]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"source": str(folder), "split": "part"}


def read(published, task="single_label", **more):
    spec = CorpusSpec(**published, task=task, text=("text",), labels="labels", **more)
    return read_corpus(spec, seed=1)[0]


@pytest.fixture(params=[in_files, in_a_column])
def published(request, tmp_path):
    return request.param(tmp_path)


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
@pytest.mark.parametrize("more", [{}, {"duplicates": "majority"}])
def test_a_published_test_split_stays_as_it_is(published, task, more):
    corpus = read(published, task, **more)
    assert [len(part) for _, part in corpus.splits()] == [21, 10, 13]
    assert list(corpus.test.texts)[-3:] == ["oh no", "Oh  no", "oh no"]
    if task == "single_label":
        assert corpus.test.targets[-3:].tolist() == [0, 1, 1]
        assert corpus.train.targets[-1] == 1
    assert corpus.notes["test_rows_repeated"] == 2
    assert "test_rows_merged" not in corpus.notes


def test_it_is_merged_where_somebody_asks(published):
    corpus = read(published, merge_test=True)
    assert [len(part) for _, part in corpus.splits()] == [21, 10, 11]
    assert corpus.test.targets[-1] == 1
    assert (corpus.notes["test_rows_merged"], corpus.notes["rows_merged"]) == (2, 4)
    assert "test_rows_repeated" not in corpus.notes


def test_annotators_of_one_row_are_one_row(published):
    corpus = read(published, row_id=("said",))
    assert [len(part) for _, part in corpus.splits()] == [21, 10, 11]
    assert corpus.test.targets[-1] == 1
    assert not corpus.notes.keys() & {"test_rows_merged", "test_rows_repeated"}


def test_repeats_that_disagree_stop_where_that_is_asked(tmp_path):
    with pytest.raises(InputError, match=r"train\.jsonl, row 22: The row repeats .* with other labels"):
        read(in_files(tmp_path), duplicates="error")
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines("train", 20))))
    with pytest.raises(InputError, match=r"test\.jsonl, row 12: The row repeats .* with other labels"):
        read({"source": str(tmp_path)}, duplicates="error")
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, lines("test", 10) * 2)))
    assert len(read({"source": str(tmp_path)}, duplicates="error").test) == 20


def test_a_test_split_that_is_cut_off_is_merged(tmp_path):
    rows = lines("row", 40) * 2
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = read({"source": str(tmp_path / "rows.jsonl")})
    assert sum(len(part) for _, part in corpus.splits()) == 40
    assert "test_rows_repeated" not in corpus.notes


def test_to_keep_repeats_and_to_merge_them_contradict_each_other(published):
    with pytest.raises(InputError, match="`merge_test` merges nothing where `duplicates`"):
        read(published, duplicates="keep", merge_test=True)
