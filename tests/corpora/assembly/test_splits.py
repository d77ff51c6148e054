"""Merging, splitting by group and removing leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.corpora.assembly.splits import merge_duplicates, normalise_text, remove_leaks
from distill.corpora.targets import CODECS
from distill.export.runtime.errors import InputError
from tests.support.split_rows import Row, columns, split


def merged(rows, policy):
    """The rows that stay, with their labels."""
    known, splits = merge_duplicates(
        columns(rows), {"train": np.arange(len(rows))}, CODECS["single_label"], policy
    )
    return [(rows[place].text, known.labels.ids(place)) for place in splits["train"]]


def cleared(splits, policy):
    """The rows that stay in each split, and the notes."""
    rows = [row for some in splits.values() for row in some]
    ends = np.cumsum([len(some) for some in splits.values()])
    members = {name: np.arange(end - len(splits[name]), end) for name, end in zip(splits, ends, strict=True)}
    clean, notes = remove_leaks(columns(rows), members, policy)
    return {name: [rows[place] for place in places] for name, places in clean.items()}, notes


@st.composite
def grouped_rows(draw):
    groups = draw(st.integers(1, 30))
    return [
        Row(f"text {draw(st.integers(0, 40))}", (draw(st.integers(0, 3)),), f"g{group}", number=number)
        for group in range(groups)
        for number in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=60)
@given(grouped_rows(), st.integers(0, 99))
def test_a_group_never_straddles_parts_and_no_row_is_lost(rows, seed):
    parts = split(rows, seed)
    groups = [{r.group for r in part} for part in parts]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    key = [(r.group, r.number, r.text) for r in rows]
    assert sorted((r.group, r.number, r.text) for part in parts for r in part) == sorted(key)
    assert {label for r in parts[0] for label in r.labels} == {label for r in rows for label in r.labels}
    assert parts == split(rows, seed)


@given(st.lists(st.integers(0, 20), min_size=1), st.integers(0, 99))
def test_without_groups_a_repeated_text_stays_in_one_part(numbers, seed):
    rows = [Row(f"Text  {n}" if i % 2 else f"text {n}") for i, n in enumerate(numbers)]
    texts = [{normalise_text(r.text) for r in part} for part in split(rows, seed)]
    assert sum(map(len, texts)) == len(set(numbers))


def test_the_seed_changes_the_split():
    rows = [Row(f"text {i}", (i % 2,)) for i in range(100)]
    assert split(rows, 1) != split(rows, 2)


@given(grouped_rows(), grouped_rows(), grouped_rows(), st.sampled_from(["remove", "groups", "keep"]))
def test_leaks_are_removed_as_asked_and_every_row_is_counted(train, validation, test, policy):
    splits = {"train": train, "validation": validation, "test": test}
    clean, notes = cleared(splits, policy)
    assert clean["test"] == test
    removed = sum(count for key, count in notes.items() if key.endswith("_removed"))
    assert removed == sum(len(splits[name]) - len(clean[name]) for name in splits)
    for name, later in (("train", [*validation, *test]), ("validation", test)):
        if policy != "keep":
            assert not {r.group for r in clean[name]} & {r.group for r in later}
        if policy == "remove":
            assert not {r.text for r in clean[name]} & {r.text for r in later}
    if policy == "keep":
        assert clean == splits


def test_a_leak_is_found_whatever_its_case_and_white_space():
    splits = {"train": [Row("So  TIRED\n")], "validation": [Row("x")], "test": [Row("so tired")]}
    clean, notes = cleared(splits, "remove")
    assert clean["train"] == []
    assert notes["train_leaks_text_removed"] == 1


def test_a_transfer_text_that_is_evaluated_later_is_removed():
    splits = {"train": [Row("a")], "validation": [Row("b")], "test": [Row("c")], "transfer": [Row("B")]}
    clean, notes = cleared(splits, "remove")
    assert clean["transfer"] == []
    assert notes["transfer_leaks_text_removed"] == 1


def test_majorities():
    assert CODECS["single_label"].merge([(1,), (0,), (0,)]) == (0,)
    assert CODECS["single_label"].merge([(1,), (0,)]) == (1,)
    assert CODECS["multi_label"].merge([(0, 1), (1,), (1, 2)]) == (1,)
    assert CODECS["multi_label"].merge([(0,), (1,)]) == (0, 1)
    assert CODECS["multi_label"].merge([(0,), (1,), (2,)]) == (0,)
    assert CODECS["multi_label"].merge([(), (), (2,)]) == ()


def test_duplicates_merge_refuse_or_stay():
    rows = [Row("Hi", (0,), number=2), Row("hi ", (1,), number=3), Row("HI", (1,), number=4), Row("else")]
    assert merged(rows, "majority") == [("Hi", (1,)), ("else", (0,))]
    assert merged(rows, "keep") == [(row.text, row.labels) for row in rows]
    with pytest.raises(InputError, match=r"file\.csv, row 3: The row repeats file\.csv, row 2 with other labels"):
        merged(rows, "error")
    assert len(merged([Row("Hi"), Row("hi")], "error")) == 1


def test_row_ids_decide_what_is_the_same_row():
    rows = [Row("yes", row_id="1"), Row("yes", row_id="2"), Row("yes.", (1,), row_id="2")]
    assert len(merged(rows, "majority")) == 2
