"""The folds, the metrics and the table of the ordinal benchmark, without training."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.ordinal import FOLDS, LEVELS, fold_of, metrics, print_table, read_rows, tfidf, write_folds

ROWS = [(f"person {row} {'bad ' * (row % 5)}day", LEVELS[row % 5]) for row in range(100)]
GOLD = np.array([LEVELS.index(level) for _, level in ROWS])


def test_posts_are_joined_even_where_the_list_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("User", "Post", "Label"))
        writer.writerow(("a", "['one', \"it's two\", 'three']", "Ideation"))
        writer.writerow(("b", "['one', 'cut by a spread", "Attempt"))
    assert read_rows(path) == [("one\nit's two\nthree", "Ideation"), ("one\ncut by a spread", "Attempt")]


def test_each_person_is_tested_once_and_levels_are_spread(tmp_path: Path) -> None:
    folds = fold_of(ROWS)
    for level in range(len(LEVELS)):
        assert np.bincount(folds[level == GOLD], minlength=FOLDS).tolist() == [4] * FOLDS
    tested = []
    for path in write_folds(ROWS, tmp_path):
        with path.open() as file:
            splits = [(row["text"], row["split"]) for row in csv.DictReader(file)]
        assert sorted({split for _, split in splits}) == ["test", "train", "validation"]
        tested += [text for text, split in splits if split == "test"]
    assert sorted(tested) == sorted(text for text, _ in ROWS)


def test_metrics_of_decisions_by_hand() -> None:
    values = metrics(np.array([0, 1, 2, 3, 4]), np.array([0, 1, 2, 4, 2]))
    assert values["MAE"] == pytest.approx(3 / 5)
    assert values["graded recall"] == pytest.approx(3 / 4)
    assert values["graded precision"] == pytest.approx(3 / 4)
    assert (values["ordinal error"], values["two or more too low"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert values["QWK"] == pytest.approx(1 - 5 / 19)


def test_the_table_has_a_row_per_model(capsys: pytest.CaptureFixture[str]) -> None:
    everyone = np.arange(len(ROWS))
    folds = fold_of(ROWS)
    levels = np.empty_like(GOLD)
    for fold in range(FOLDS):
        levels[folds == fold] = tfidf(ROWS, folds, fold)
    print_table({"right": [(everyone, GOLD)], "TF-IDF": [(everyone, levels)]}, GOLD)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| right | 1.000 (1.000 to 1.000) | 0.000 (0.000 to 0.000)")
    assert lines[3].startswith("| TF-IDF | ")
    assert "0.545" in lines[4]
