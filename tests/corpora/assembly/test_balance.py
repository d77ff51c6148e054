"""Parts with their shares of every label, and rare labels where they are needed."""

import numpy as np
import pytest

from distill.corpora.assembly.balance import GroupCounts, balanced
from tests.support.split_rows import FRACTIONS, Row, split


def counts_of(*groups):
    """The counts of groups, each a dict from label to rows, of rows with one label each."""
    return GroupCounts(
        starts=np.cumsum([0, *map(len, groups)], dtype=np.int32),
        labels=np.array([label for group in groups for label in group], dtype=np.int32),
        rows=np.array([rows for group in groups for rows in group.values()], dtype=np.int32),
        sizes=np.array([sum(group.values()) for group in groups], dtype=np.int32),
    )


def test_two_groups_are_exchanged_where_no_single_move_helps():
    counts = counts_of({0: 10}, {0: 10}, {1: 10}, {1: 10})
    given = np.array([0, 0, 1, 1], dtype=np.int32)
    found = balanced(given, counts, (0.5, 0.5), seed=0)
    assert sorted(found[:2]) == sorted(found[2:]) == [0, 1]
    assert given.tolist() == [0, 0, 1, 1]  # the parts that were given stay as they were


def test_parts_with_their_shares_are_left_alone():
    counts = counts_of(*({0: 3, 1: 2} for _ in range(10)))
    given = np.array([0] * 8 + [1, 2], dtype=np.int32)
    assert balanced(given, counts, FRACTIONS, seed=0).tolist() == given.tolist()


def test_parts_have_about_their_shares_of_each_label():
    rows = [Row(f"text {i}", (i % 4,), f"g{i}") for i in range(2000)]
    for part, share in zip(split(rows, 7), FRACTIONS, strict=True):
        for label in range(4):
            assert sum(r.labels == (label,) for r in part) == pytest.approx(500 * share, abs=30)


def test_three_rows_of_two_labels_still_fill_what_they_can():
    parts = split([Row("a", (0,)), Row("b", (1,)), Row("c", (1,))], 0)
    assert {r.labels for r in parts[0]} == {(0,), (1,)}


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_very_different_sizes_still_give_the_shares(seed):
    sizes = [60, 50, *[1 + group % 25 for group in range(80)]]
    rows = [
        Row(f"text {group} {row}", ((group + row) % 3,), f"g{group}")
        for group, size in enumerate(sizes)
        for row in range(size)
    ]
    for part, share in zip(split(rows, seed), FRACTIONS, strict=True):
        for label in range(3):
            wanted = share * sum(r.labels == (label,) for r in rows)
            assert abs(sum(r.labels == (label,) for r in part) - wanted) <= max(1.0, 0.1 * wanted)


@pytest.mark.parametrize(("rows", "parts"), [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_a_rare_label_is_in_train_and_in_every_part_that_it_can_fill(rows, parts):
    for seed in range(10):
        many = [Row(f"many {i}", (0,)) for i in range(100)]
        found = split([*many, *(Row(f"rare {i}", (1,)) for i in range(rows))], seed)
        held = [any(r.labels == (1,) for r in part) for part in found]
        assert held[0]
        assert sum(held) >= parts
