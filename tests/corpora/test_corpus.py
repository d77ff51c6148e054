"""A corpus in memory, and a part of it."""

from dataclasses import replace

import numpy as np
import pytest

from distill.corpora.corpus import Corpus, Split, part_of, with_train_rows
from distill.corpora.targets import checked_task


def split(name: str, rows: int) -> Split:
    return Split(
        [f"{name} {row}" for row in range(rows)],
        np.arange(rows, dtype=np.int32) % 2,
        np.arange(rows, dtype=np.int32),
    )


def corpus() -> Corpus:
    transfer = replace(split("transfer", 60), targets=None, groups=None)
    task = checked_task("single_label", ("a", "b"))
    return Corpus(task, split("train", 100), split("validation", 50), split("test", 40), transfer)


def test_fewer_train_rows_leave_the_other_splits_whole() -> None:
    whole = corpus()
    cut = with_train_rows(whole, 12)
    assert replace(cut, train=whole.train) == whole
    assert (len(cut.train), cut.train.texts[0], cut.train.texts[-1]) == (12, "train 0", "train 99")
    numbers = [int(text.split()[1]) for text in cut.train.texts]
    assert cut.train.targets is not None
    assert cut.train.groups is not None
    assert cut.train.targets.tolist() == [number % 2 for number in numbers]
    assert cut.train.groups.tolist() == numbers


@pytest.mark.parametrize("rows", [None, 100, 5000])
def test_a_corpus_with_no_more_rows_stays_as_it_is(rows: int | None) -> None:
    whole = corpus()
    assert with_train_rows(whole, rows) == whole


def test_a_trial_has_a_part_of_every_split() -> None:
    assert [len(part) for _, part in part_of(corpus(), 45).splits()] == [45, 45, 40, 45]
