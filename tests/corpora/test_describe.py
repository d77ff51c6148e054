"""What a corpus holds in numbers, without a text among them."""

import json
from collections import Counter

import numpy as np
import pytest

from distill.corpora.corpus import Corpus, Split
from distill.corpora.describe import Lengths, describe
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel

TASK = MultiLabel(("sad", "glad"))


def corpus():
    train = Split(
        ["one", "two words", "three words here", "SECRET"],
        np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=np.uint8),
        np.array([1, 1, 2, 3]),
    )
    rest = Split(["a b"], np.array([[0, 1]], dtype=np.uint8), np.array([4]))
    notes = {"train_leaks_text_removed": 3, "train_leaks_text_kept": 0, "rows_read": 9}
    return Corpus(TASK, train, rest, rest, Split(["new text"], None), notes)


def test_a_report_counts_rows_labels_lengths_leaks_and_quarantine():
    bad = Counter(("x", "y", "x"))
    report = describe(corpus(), bad, lambda _, texts: [len(text.split()) + 2 for text in texts], max_tokens=4)
    train, _, _, transfer = report.splits
    assert train.labels == {"sad": 2, "glad": 2}
    assert (train.rows, train.groups, train.rows_without_label, train.cardinality) == (4, 3, 1, 1.0)
    assert train.words == Lengths(1, 3, 3, 3)
    assert train.characters.longest == 16
    assert train.tokens == Lengths(3, 5, 5, 5)
    assert train.cut_share == 0.25
    assert (transfer.labels, transfer.cardinality, transfer.groups, transfer.rows) == (None, None, None, 1)
    assert [(leak.split, leak.by, leak.removed, leak.kept) for leak in report.leaks] == [("train", "text", 3, 0)]
    assert (report.quarantined, report.bad_rows) == (3, {"x": 2, "y": 1})


def test_a_report_is_plain_data_and_holds_no_text():
    report = describe(corpus(), Counter("x"), None, max_tokens=64)
    assert (report.splits[0].words, report.splits[0].tokens) == (None, None)
    assert report.splits[0].cut_share is None
    text = json.dumps(report.to_dict())
    assert "SECRET" not in text
    assert json.loads(text)["splits"][0]["labels"] == {"sad": 2, "glad": 2}


def test_single_label_rows_have_one_label_each():
    split = Split(["a", "b", "c"], np.array([0, 1, 1]), None)
    report = describe(Corpus(SingleLabel(("x", "y")), split, split, split), Counter(), None, 64)
    assert report.splits[0].labels == {"x": 1, "y": 2}
    assert report.splits[0].cardinality == pytest.approx(1)
    assert report.splits[0].groups is None
