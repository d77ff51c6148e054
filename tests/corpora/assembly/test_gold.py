"""Test files without gold: with zeros, with a placeholder or with nothing; a file of real labels is never one."""

import json

import pytest

from distill.corpora.assembly.gold import PEEKED_ROWS
from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.export.runtime.errors import InputError

NAMES = ("fear", "joy")


def saved(folder, split, cells):
    rows = [{"text": f"{split} {i}", **cell} for i, cell in enumerate(cells)]
    (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def read(folder, labels="label", task="single_label", **keys):
    return read_corpus(CorpusSpec(str(folder), task, ("text",), labels, **keys), seed=1)[0]


def one_hot(*flags):
    return dict(zip(NAMES, flags, strict=True))


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
@pytest.mark.parametrize("zero", [0, 0.0, False, "0", "false"])
@pytest.mark.parametrize("split", ["test", "validation"])
def test_zeros_in_all_columns_are_no_gold(tmp_path, task, zero, split):
    saved(tmp_path, "train", [one_hot(i % 2, 1 - i % 2) for i in range(60)])
    saved(tmp_path, split, [one_hot(zero, zero)] * 20)
    corpus = read(tmp_path, NAMES, task)
    assert (corpus.notes["rows_without_gold"], sum(len(part) for _, part in corpus.splits())) == (20, 60)


@pytest.mark.parametrize("zeros", [[0, 0, 0], "[0 0 0]", "0 0 0", {"a": 0, "b": 0, "c": 0}])
def test_zeros_in_all_places_are_no_gold(tmp_path, zeros):
    mapping = isinstance(zeros, dict)
    vectors = [[int(i % 3 == place) for place in range(3)] for i in range(60)]
    saved(tmp_path, "train", [{"label": dict(zip("abc", v, strict=True)) if mapping else v} for v in vectors])
    saved(tmp_path, "test", [{"label": zeros}] * 20)
    assert read(tmp_path, task="multi_label").notes["rows_without_gold"] == 20


def test_a_row_of_zeros_among_others_is_a_row_without_labels(tmp_path):
    saved(tmp_path, "train", [one_hot(i % 2, 1 - i % 2) for i in range(60)])
    saved(tmp_path, "test", [one_hot(0, int(i == 19)) for i in range(20)])
    corpus = read(tmp_path, NAMES, "multi_label")
    assert (len(corpus.test), "rows_without_gold" in corpus.notes) == (20, False)


# dev is read before train, and test after it or before it
@pytest.mark.parametrize("first", ["train", "atrain"])
@pytest.mark.parametrize("cell", ["NONE", "?", "-1", "unknown", "--", 9])
def test_a_placeholder_is_no_gold_whatever_is_read_first(tmp_path, cell, first):
    train = tmp_path / "train.jsonl"
    saved(tmp_path, "train", [{"label": NAMES[i % 2]} for i in range(60)])
    train.rename(tmp_path / f"{'a_' if first == 'atrain' else ''}train.jsonl")
    saved(tmp_path, "test", [{"label": cell}] * 20)
    corpus = read(tmp_path)
    assert (corpus.notes["rows_without_gold"], corpus.task.labels) == (20, NAMES)


@pytest.mark.parametrize("name", ["train", "a_train"])
@pytest.mark.parametrize("names", [None, NAMES])
def test_a_real_label_that_train_lacks_is_refused(tmp_path, name, names):
    saved(tmp_path, name, [{"label": NAMES[i % 2]} for i in range(60)])
    saved(tmp_path, "test", [{"label": "disgust"}] * 20)
    with pytest.raises(InputError) as found:
        read(tmp_path, label_names=names)
    assert "in no row of train" in str(found.value) or "no row of train has" in str(found.value)
    assert "disgust" not in str(found.value)
    assert read(tmp_path, label_names=names, missing=("disgust",)).notes["rows_without_gold"] == 20


@pytest.mark.parametrize("cell", [one_hot(0, 0), {"fear": None, "joy": None}])
def test_labels_below_many_rows_without_any_are_refused(tmp_path, cell):
    saved(tmp_path, "train", [one_hot(i % 2, 1 - i % 2) for i in range(60)])
    saved(tmp_path, "test", [*[cell] * PEEKED_ROWS, one_hot(0, 1)])
    with pytest.raises(
        InputError, match=f"row {PEEKED_ROWS + 1}: The row has a label, but the first {PEEKED_ROWS}"
    ):
        read(tmp_path, NAMES, "multi_label")
