"""Keys become numbers, and label rows are what lists of tuples would be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.corpora.storage.columns import KeyColumn, LabelRows
from distill.corpora.storage.text_store import BLOCK, TextStore

label_rows = st.lists(st.sets(st.integers(0, 5)).map(lambda ids: tuple(sorted(ids))), max_size=12)


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdef"))))
def test_equal_keys_share_a_number_and_no_others_do(keys):
    column = KeyColumn()
    for key in keys:
        column.append(key)
    numbers = column.numbers().tolist()
    assert len(numbers) == len(keys)
    assert len(set(zip(keys, numbers, strict=True))) == len(set(keys)) == len(set(numbers))
    assert {number for key, number in zip(keys, numbers, strict=True) if key is None} <= {-1}
    assert sorted(set(numbers) - {-1}) == list(range(len(set(keys) - {None})))


@given(label_rows, st.data())
def test_label_rows_are_what_tuples_would_be(rows, data):
    labels = LabelRows.of(rows)
    assert [labels.ids(row) for row in range(len(labels))] == rows
    assert labels.sizes().tolist() == [len(row) for row in rows]
    assert labels.counts(6).tolist() == [sum(label in row for row in rows) for label in range(6)]
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    taken = labels.take(np.array(places, dtype=np.int64))
    assert [taken.ids(row) for row in range(len(taken))] == [rows[place] for place in places]
    new_ids = [2, -1, 0, 5, 1, 3]
    renamed = labels.renamed(np.array(new_ids))
    expected = [tuple(sorted(new_ids[label] for label in row if new_ids[label] >= 0)) for row in rows]
    assert [renamed.ids(row) for row in range(len(renamed))] == expected
    changed = dict.fromkeys(places[:2], (1, 4))
    replaced = labels.replaced(changed)
    assert [replaced.ids(row) for row in range(len(replaced))] == [
        changed.get(row, ids) for row, ids in enumerate(rows)
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.data())
def test_a_store_gives_back_what_it_got(texts, data):
    store = TextStore()
    store.extend(texts)
    view = store.view(0, len(texts))
    assert list(view) == texts
    start, stop = (data.draw(st.integers(-3, len(texts) + 3)) for _ in range(2))
    assert view[start:stop] == texts[start:stop]
    for place in range(-len(texts), len(texts)):
        assert view[place] == texts[place]
    with pytest.raises(IndexError):
        view[len(texts)]


def test_a_store_is_read_block_by_block_and_leaves_no_file(tmp_path):
    store = TextStore(tmp_path)
    texts = [f"text {row}" for row in range(2 * BLOCK + 3)]
    store.extend(texts)
    assert list(store.view(0, len(texts))) == texts
    assert (
        list(store.read(np.arange(0, len(texts), 50, dtype=np.int32))) == texts[::50]
    )  # too sparse to be read in one go
    assert list(tmp_path.iterdir()) == []
