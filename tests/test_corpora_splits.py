"""Merging, splitting by group and removing leaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.rows import Row
from corpora.splits import (
    majority_multi,
    majority_single,
    merge_duplicates,
    normalise_text,
    remove_leaks,
    split_by_group,
)
from corpora.task import TaskKind
from export.runtime.errors import InputError

FRACTIONS = (0.8, 0.1, 0.1)


def row(text, labels=(0,), group=None, row_id=None, number=1):
    return Row(text, tuple(labels), group, row_id, "file.csv", number)


@st.composite
def grouped_rows(draw):
    groups = draw(st.integers(1, 30))
    return [
        row(f"text {draw(st.integers(0, 40))}", (draw(st.integers(0, 3)),), f"g{group}", number=number)
        for group in range(groups)
        for number in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=60)
@given(grouped_rows(), st.integers(0, 99))
def test_a_group_never_straddles_parts_and_no_row_is_lost(rows, seed):
    parts = split_by_group(rows, FRACTIONS, seed=seed)
    groups = [{r.group for r in part} for part in parts]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    key = [(r.group, r.row, r.text) for r in rows]
    assert sorted((r.group, r.row, r.text) for part in parts for r in part) == sorted(key)
    assert {label for r in parts[0] for label in r.labels} == {label for r in rows for label in r.labels}
    assert parts == split_by_group(rows, FRACTIONS, seed=seed)


@given(st.lists(st.integers(0, 20), min_size=1), st.integers(0, 99))
def test_without_groups_a_repeated_text_stays_in_one_part(numbers, seed):
    rows = [row(f"Text  {n}" if i % 2 else f"text {n}") for i, n in enumerate(numbers)]
    parts = split_by_group(rows, FRACTIONS, seed=seed)
    texts = [{normalise_text(r.text) for r in part} for part in parts]
    assert sum(map(len, texts)) == len(set(numbers))


def test_parts_have_about_their_shares_of_each_label():
    rows = [row(f"text {i}", (i % 4,), f"g{i}") for i in range(2000)]
    parts = split_by_group(rows, FRACTIONS, seed=7)
    for part, share in zip(parts, FRACTIONS, strict=True):
        for label in range(4):
            assert sum(r.labels == (label,) for r in part) == pytest.approx(500 * share, abs=30)


def test_the_seed_changes_the_split():
    rows = [row(f"text {i}", (i % 2,)) for i in range(100)]
    assert split_by_group(rows, FRACTIONS, seed=1) != split_by_group(rows, FRACTIONS, seed=2)


def test_three_rows_of_two_labels_still_fill_what_they_can():
    parts = split_by_group([row("a", (0,)), row("b", (1,)), row("c", (1,))], FRACTIONS, seed=0)
    assert {r.labels for r in parts[0]} == {(0,), (1,)}


@given(grouped_rows(), grouped_rows(), grouped_rows(), st.sampled_from(["remove", "groups", "keep"]))
def test_leaks_are_removed_as_asked_and_every_row_is_counted(train, validation, test, policy):
    splits = {"train": train, "validation": validation, "test": test}
    clean, notes = remove_leaks(splits, policy)
    assert clean["test"] == test
    removed = sum(count for key, count in notes.items() if key.endswith("_removed"))
    assert removed == sum(len(splits[name]) - len(clean[name]) for name in splits)
    for name, judges in (("train", [*validation, *test]), ("validation", test)):
        if policy != "keep":
            assert not {r.group for r in clean[name]} & {r.group for r in judges}
        if policy == "remove":
            assert not {r.text for r in clean[name]} & {r.text for r in judges}
    if policy == "keep":
        assert clean == splits


def test_a_leak_is_found_whatever_its_case_and_white_space():
    splits = {"train": [row("So  TIRED\n")], "validation": [row("x")], "test": [row("so tired")]}
    clean, notes = remove_leaks(splits, "remove")
    assert clean["train"] == []
    assert notes["train_leaks_text_removed"] == 1


def test_a_transfer_text_that_is_judged_later_is_removed():
    splits = {"train": [row("a")], "validation": [row("b")], "test": [row("c")], "transfer": [row("B")]}
    clean, notes = remove_leaks(splits, "remove")
    assert clean["transfer"] == []
    assert notes["transfer_leaks_text_removed"] == 1


def test_majorities():
    assert majority_single([(1,), (0,), (0,)]) == (0,)
    assert majority_single([(1,), (0,)]) == (1,)
    assert majority_multi([(0, 1), (1,), (1, 2)]) == (1,)
    assert majority_multi([(0,), (1,)]) == (0, 1)
    assert majority_multi([(0,), (1,), (2,)]) == (0,)
    assert majority_multi([(), (), (2,)]) == ()


def test_duplicates_merge_refuse_or_stay():
    rows = [row("Hi", (0,), number=2), row("hi ", (1,), number=3), row("HI", (1,), number=4), row("else")]
    merged = merge_duplicates(rows, TaskKind.SINGLE_LABEL, "majority")
    assert [(r.text, r.labels) for r in merged] == [("Hi", (1,)), ("else", (0,))]
    assert merge_duplicates(rows, TaskKind.SINGLE_LABEL, "keep") == rows
    with pytest.raises(InputError, match=r"file\.csv, row 3: repeats file\.csv, row 2 with other labels"):
        merge_duplicates(rows, TaskKind.SINGLE_LABEL, "error")
    same = [row("Hi"), row("hi")]
    assert len(merge_duplicates(same, TaskKind.SINGLE_LABEL, "error")) == 1


def test_row_ids_decide_what_is_the_same_row():
    rows = [row("yes", row_id=("1",)), row("yes", row_id=("2",)), row("yes.", (1,), row_id=("2",))]
    assert len(merge_duplicates(rows, TaskKind.SINGLE_LABEL, "majority")) == 2
