"""Folds of a corpus: each row is in the test split of one, and what a fold tests it does not teach."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.corpus import Corpus
from distill.corpora.describe import describe
from distill.corpora.warnings import corpus_warnings
from distill.export.runtime.errors import InputError


def write_rows(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "labels", "client"), *rows])
    return path


def fold(path: Path, at: int | None, **settings: Any) -> Corpus:
    spec = CorpusSpec(str(path), "single_label", ("text",), "labels", **{"folds": 3, "fold": at, **settings})
    return read_corpus(spec, seed=13)[0]


def texts(corpus: Corpus) -> dict[str, set[str]]:
    return {name: set(split.texts) for name, split in corpus.splits()}


@settings(max_examples=25)
@given(
    labels=st.lists(st.sampled_from(["low", "glad", "calm"]), min_size=60, max_size=90),
    folds=st.integers(2, 5),
    grouped=st.booleans(),
)
def test_every_row_is_tested_once_and_taught_by_the_other_folds(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str], folds: int, grouped: bool
) -> None:
    if min(map(labels.count, ("low", "glad", "calm"))) < 12:
        labels = [("low", "glad", "calm")[row % 3] for row in range(len(labels))]
    rows = [(f"text number {row}", label, f"client {row // 2}") for row, label in enumerate(labels)]
    path = write_rows(tmp_path_factory.mktemp("folds") / "rows.csv", rows)
    group = {"group": "client"} if grouped else {}
    parts = [fold(path, at, folds=folds, **group) for at in range(folds)]
    tested = Counter(text for part in parts for text in part.test.texts)
    assert tested == Counter(text for text, *_ in rows)
    client = {text: name for text, _, name in rows}
    for part in parts:
        splits = texts(part)
        assert set().union(*splits.values()) == set(tested)
        clients = {name: {client[text] for text in found} for name, found in splits.items()}
        if grouped:
            assert not clients["test"] & (clients["train"] | clients["validation"])
            assert not clients["train"] & clients["validation"]
        sizes = [len(one.test) for one in parts]
        assert max(sizes) - min(sizes) <= (8 if grouped else 4)


def test_the_model_that_ships_learns_from_every_row_or_is_decided_by_it(tmp_path: Path) -> None:
    rows = [(f"text number {row}", ("low", "glad")[row % 2], "") for row in range(60)]
    whole = fold(write_rows(tmp_path / "rows.csv", rows), None)
    assert (len(whole.train), len(whole.validation), len(whole.test)) == (53, 7, 0)
    assert whole.notes["folds"] == 3


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([("a", "low", ""), ("b", "glad", "")] * 9, {"duplicates": "keep"}, "too few rows for `folds` = 3"),
        (
            [(f"text {row}", ("low", "glad")[row % 2], f"client {row % 2}") for row in range(40)],
            {"group": "client"},
            "too few groups for `folds` = 3",
        ),
        (
            [(f"text {row}", "low" if row else "glad", "") for row in range(40)],
            {},
            "1 of the labels have rows in one of 3 folds alone",
        ),
        ([], {"folds": 1}, "`folds` = 1 must be at least 2"),
        ([], {"fold": 3}, "`fold` = 3 must be from 0 to 2"),
        ([], {"folds": None, "fold": 1}, "`fold` needs `folds`, which is not set"),
        ([], {"split": "client"}, "`split` names a column"),
    ],
)
def test_folds_that_cannot_be_are_refused(
    tmp_path: Path, rows: list[tuple[str, str, str]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fold(write_rows(tmp_path / "rows.csv", rows), settings.pop("fold", None), **settings)


def test_published_splits_are_not_divided_again(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write_rows(
            tmp_path / f"{name}.csv", [(f"{name} {row}", ("low", "glad")[row % 2], "") for row in range(40)]
        )
    with pytest.raises(InputError, match=r"has splits of its own \(test\).*Leave `folds` out"):
        fold(tmp_path, 0)


@pytest.mark.parametrize(("groups", "folds"), [(6, 5), (5, 5), (7, 4), (4, 3), (11, 10)])
def test_each_fold_has_a_group_where_there_are_enough(tmp_path: Path, groups: int, folds: int) -> None:
    rows = [(f"text number {row}", "abc"[row % 3], f"client {row // 30}") for row in range(30 * groups)]
    path = write_rows(tmp_path / "rows.csv", rows)
    parts = [fold(path, at, folds=folds, group="client") for at in range(folds)]
    assert Counter(text for part in parts for text in part.test.texts) == Counter(text for text, *_ in rows)


def test_a_fold_that_cannot_be_trained_is_refused_before_any_is(tmp_path: Path) -> None:
    rows = [(f"text number {row}", "abc"[row % 3], "abc"[row % 3] + str(row % 2)) for row in range(90)]
    path = write_rows(tmp_path / "rows.csv", rows)
    with pytest.raises(InputError, match="A fold leaves no row for validation, because rows of one group"):
        fold(path, None, folds=2, group="client")


def test_a_large_group_makes_a_large_fold_which_is_warned_of(tmp_path: Path) -> None:
    rows = [(f"text number {row}", "abc"[row % 3], "one" if row < 200 else str(row)) for row in range(300)]
    path = write_rows(tmp_path / "rows.csv", rows)
    corpus = fold(path, None, folds=5, group="client")
    assert corpus.notes["rows_of_largest_fold"] == 200
    assert any(
        "the largest of 5 folds has 200 rows" in w for w in corpus_warnings(describe(corpus, Counter(), None, 64))
    )
    assert "rows_of_largest_fold" not in fold(path, None, folds=5).notes
