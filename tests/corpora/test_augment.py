"""Made texts: where their words come from, what never comes out, and that a seed gives the same ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.corpora.augment import Augmenter, augment, cross, cut, draw_places, text_key

WAYS = ("join", "cut", "cross", "drop", "mask")
words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8).map(" ".join)
texts = st.lists(words, min_size=2, max_size=6)


@settings(max_examples=50)
@given(texts, st.sampled_from(WAYS), st.integers(0, 999))
def test_each_way_keeps_to_words_of_the_rows(rows, way, seed):
    augmenter = Augmenter((way,), 0.5, "[MASK]")
    for text in augment(rows, 10, augmenter, known=(), seed=seed):
        assert set(text.split()) <= {word for row in rows for word in row.split()} | {"[MASK]"}
        parts = [row for row in rows if row in text]
        if way == "cut":
            assert any(f" {text} " in f" {row} " for row in rows)
        if way == "join":
            assert len(parts) >= 1
        if way == "drop":
            assert any(_is_part(text.split(), row.split()) for row in rows)
        if way == "mask":
            assert "[MASK]" in text


def _is_part(part, whole):
    rest = iter(whole)
    return all(word in rest for word in part)


@settings(max_examples=50)
@given(texts, st.integers(0, 999))
def test_nothing_known_and_nothing_twice(rows, seed):
    held = {text_key(row) for row in rows} | {text_key("A  B")}
    made = list(augment(rows, 40, Augmenter(WAYS, 0.4, "[MASK]"), known=held, seed=seed))
    keys = [text_key(text) for text in made]
    assert not held & set(keys)
    assert len(set(keys)) == len(keys)
    assert all(made)
    assert made == list(augment(rows, 40, Augmenter(WAYS, 0.4, "[MASK]"), known=held, seed=seed))


def test_a_corpus_that_gives_no_more_ends_early():
    assert list(augment(["one"], 5, Augmenter(("cut", "drop"), 0.5), known={text_key("one")}, seed=0)) == []
    assert list(augment([], 5, Augmenter(("cut",), 0.5), known=(), seed=0)) == []


@given(st.integers(1, 30), st.floats(0.01, 0.99), st.integers(0, 99))
def test_some_places_are_touched_and_never_all_of_several(count, share, seed):
    places = draw_places(count, share, np.random.default_rng(seed))
    assert places <= set(range(count))
    assert 1 <= len(places) < max(count, 2)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_cut_and_cross_are_runs(first, second, seed):
    one, other = [f"a{i}" for i in range(first)], [f"b{i}" for i in range(second)]
    rng = np.random.default_rng(seed)
    part = cut(one, rng)
    start = one.index(part[0])
    assert part == one[start : start + len(part)]
    mixed = cross(one, other, rng)
    ours = [word for word in mixed if word.startswith("a")]
    assert ours
    assert mixed == one[: len(ours)] + other[second - (len(mixed) - len(ours)) :]


def test_substitution_gets_the_places_and_the_draws():
    seen = []

    def substitute(words, places, rng):
        seen.append((list(words), list(places)))
        return ["new" if place in places else word for place, word in enumerate(words)]

    rows = ["a b c d", "e f g h"]
    made = list(augment(rows, 5, Augmenter(("substitute",), 0.5, None, substitute), known=(), seed=1))
    assert made
    assert all("new" in text.split() for text in made)
    assert all(words in [row.split() for row in rows] and places == sorted(places) for words, places in seen)


def test_case_width_and_blanks_do_not_hide_a_repeat():
    assert text_key("Ａ  b\n") == text_key("a B")
    assert text_key("a b") != text_key("ab")
    with pytest.raises(TypeError):
        text_key(None)


def test_millions_that_cannot_be_made_are_given_up_soon():
    draws = 0

    def substitute(words, places, rng):
        nonlocal draws
        draws += 1
        return [*words[:-1], "new"]

    augmenter = Augmenter(("substitute",), 0.5, None, substitute)
    assert list(augment(["a b", "c d"], 10**9, augmenter, known=(), seed=0)) in (
        ["a new", "c new"],
        ["c new", "a new"],
    )
    assert draws < 5000
