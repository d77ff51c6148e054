"""Columns that divide the test rows: read, stored, pooled over folds, and refused where they hold no subgroups."""

import csv
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.assembly.subgroups import MAX_CHARACTERS, MAX_VALUES
from distill.corpora.corpus import Corpus, test_subgroups
from distill.corpora.storage.parquet import SUBGROUPS_FILE, load_corpus, save_corpus
from distill.export.runtime.errors import InputError

# pytest would take the function for a test
pooled = test_subgroups
del test_subgroups


def some_rows(site: Callable[[int], str] = lambda row: ("north", "south", "")[row % 3]) -> list[dict[str, Any]]:
    return [
        {"text": f"text number {row}", "labels": "ab"[row // 3 % 2], "site": site(row), "age": row % 3 * 10}
        for row in range(120)
    ]


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def read(source: Path, *subgroup: str, **more: Any) -> Corpus:
    values = {"task": "single_label", "text": ("text",), "labels": "labels"}
    return read_corpus(CorpusSpec(**{"source": str(source), **values, "subgroup": subgroup, **more}), seed=3)[0]


def cells(corpus: Corpus, at: int = 0) -> list[str | None]:
    subgroup = corpus.subgroups[at]
    return [None if number < 0 else subgroup.values[number] for number in subgroup.numbers]


def test_each_test_row_keeps_its_cells_and_no_model_learns_of_them(tmp_path: Path) -> None:
    source = write(tmp_path / "rows.csv", some_rows())
    corpus = read(source, "site", "age")
    rows = [int(str(text).split()[-1]) for text in corpus.test.texts]
    assert cells(corpus) == [("north", "south", None)[row % 3] for row in rows]
    assert cells(corpus, 1) == [str(row % 3 * 10) for row in rows]
    assert corpus.subgroups[0].values == ("north", "south")
    assert corpus.fingerprint == read(source).fingerprint
    save_corpus(corpus, tmp_path / "saved")
    again = load_corpus(tmp_path / "saved")
    assert (cells(again), cells(again, 1)) == (cells(corpus), cells(corpus, 1))
    save_corpus(read(source), tmp_path / "saved")
    assert not (tmp_path / "saved" / SUBGROUPS_FILE).exists()
    assert load_corpus(tmp_path / "saved").subgroups == ()


def test_columns_of_another_corpus_are_noticed(tmp_path: Path) -> None:
    corpus = read(write(tmp_path / "rows.csv", some_rows()), "site")
    cut = dataclasses.replace(corpus.subgroups[0], numbers=corpus.subgroups[0].numbers[1:])
    save_corpus(dataclasses.replace(corpus, subgroups=(cut,)), tmp_path / "saved")
    with pytest.raises(InputError, match="has 11 rows, and test has 12"):
        load_corpus(tmp_path / "saved")


def test_folds_are_pooled_by_value(tmp_path: Path) -> None:
    source = write(tmp_path / "rows.csv", some_rows())
    folds = [read(source, "site", folds=3, fold=fold) for fold in range(3)]
    (all_rows,) = pooled(folds)
    assert all_rows.values == ("north", "south")
    assert [None if number < 0 else all_rows.values[number] for number in all_rows.numbers] == [
        cell for fold in folds for cell in cells(fold)
    ]
    assert read(source, "site", folds=3).subgroups[0].numbers.tolist() == []
    assert np.unique(all_rows.numbers).tolist() == [-1, 0, 1]


def test_scrubbed_corpora_have_scrubbed_values(tmp_path: Path) -> None:
    source = write(tmp_path / "rows.csv", some_rows(lambda row: "me@example.org" if row % 2 else "b"))
    assert set(cells(read(source, "site", scrub=True))) == {"[EMAIL]", "b"}


@pytest.mark.parametrize(
    ("site", "columns", "said"),
    [
        (str, ("ages",), r"rows.csv: There is no column 'ages', which `subgroup` asks for. The columns are"),
        (str, ("text",), r"`subgroup` names 'text', which is a column of `text`. Name columns of few"),
        (str, ("age", "age"), r"`subgroup` names a column twice"),
        (str, ("site",), rf"`subgroup` names 'site', which has more than {MAX_VALUES} values. Write ranges"),
        (
            lambda row: "x" * (MAX_CHARACTERS + 1),
            ("site",),
            r"in which a cell has 61 characters, above 60. Name a",
        ),
    ],
)
def test_columns_that_divide_nothing_are_refused(
    tmp_path: Path, site: Callable[[int], str], columns: tuple[str, ...], said: str
) -> None:
    source = write(tmp_path / "rows.csv", some_rows(site))
    with pytest.raises(InputError, match=said) as caught:
        read(source, *columns)
    assert "xxx" not in str(caught.value)
