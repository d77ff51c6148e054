"""Made conversations: whole ones, by the same speakers in the same order, and no row that was known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.corpora.augment import Augmenter, text_key
from distill.corpora.augment_turns import augment_turns
from distill.corpora.storage.parquet import load_texts, save_texts
from distill.corpora.storage.text_store import TextStore
from distill.corpora.storage.windows import Conversations, Windows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turns

NAMES = ("anna", "ben")
AUGMENTER = Augmenter(("drop", "cut", "cross", "join"), 0.5)

turn = st.tuples(
    st.integers(0, 1), st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6).map(" ".join), st.booleans()
)
talks = st.lists(st.lists(turn, min_size=1, max_size=5), min_size=1, max_size=4)


def windows_of(drawn, *, most=2, silent=False):
    """Rows of conversations whose turns are (speaker, text, whether it is a row)."""
    flat = [one for talk in drawn for one in talk]
    store = TextStore()
    store.extend(f"{NAMES[who]}s {text}" for who, text, _ in flat)
    first = np.cumsum([0, *map(len, drawn[:-1])])
    starts = np.repeat(first, list(map(len, drawn))).astype(np.int32)
    speakers = np.array([who for who, _, _ in flat], dtype=np.int8)
    log = Conversations(store, np.arange(len(flat), dtype=np.int32), starts, speakers, NAMES)
    places = np.flatnonzero([decided for _, _, decided in flat]).astype(np.int32)
    return Windows(log, places, most, silent=silent)


def talks_of(windows):
    """The conversations of rows: per conversation its turns, and the places of the rows in it."""
    log = windows.log
    for first in np.unique(log.starts):
        span = np.flatnonzero(log.starts == first).astype(np.int32)
        yield log.turns(span), [int(place - first) for place in windows.places if place in span]


@settings(max_examples=60)
@given(talks, st.integers(0, 99), st.booleans())
def test_made_conversations_are_whole_ones_of_train(drawn, seed, silent):
    rows = windows_of(drawn, silent=silent)
    known = {text_key(row) for row in rows}
    made = augment_turns(rows, 25, AUGMENTER, TextStore(), known=known, seed=seed)
    whole = [([who for who, _ in turns], places) for turns, places in talks_of(rows)]
    for turns, places in talks_of(made):
        speakers = [who for who, _ in turns]
        assert places
        assert any(speakers == those and set(places) <= set(decided) for those, decided in whole)
        # words of a turn are its speaker's own, so none comes from somebody else
        assert all({f"{NAMES[1 - NAMES.index(who)]}s"}.isdisjoint(text.split()) and text for who, text in turns)
    keys = [text_key(row) for row in made]
    assert not known & set(keys)
    assert len(set(keys)) == len(keys) <= 25
    again = augment_turns(rows, 25, AUGMENTER, TextStore(), known=known, seed=seed)
    assert list(again) == list(made)


def test_they_come_back_from_their_file(tmp_path: Path):
    rows = windows_of([[(0, "a b c d", True), (1, "e f g", False), (0, "h a b", True)]])
    made = augment_turns(rows, 9, AUGMENTER, TextStore(), known=(), seed=1)
    path = tmp_path / "augmented" / "rows.parquet"
    path.parent.mkdir()
    save_texts(made, path)
    reads = Turns(turns=2, roles={"anna": "[A]", "ben": "[B]"}, decides=("anna",))
    assert len(made) == 9
    assert list(load_texts(path, reads)) == list(made)
    with pytest.raises(InputError, match="not a whole file of texts"):
        load_texts(path)


def test_rows_without_anything_new_end_early():
    said: list[int] = []
    rows = windows_of([[(0, "", True)]])
    known = {text_key(row) for row in rows}
    made = augment_turns(rows, 9, Augmenter(("cut",), 0.5), TextStore(), known=known, seed=0, advance=said.append)
    assert (len(made), said) == (0, [])
    assert len(augment_turns(windows_of([[(0, "a", False)]]), 9, AUGMENTER, TextStore(), known=(), seed=0)) == 0


@pytest.mark.parametrize("silent", [False, True])
def test_a_row_is_new_if_its_context_is(silent: bool):
    rows = windows_of([[(0, "a b c d e f", False), (1, "yes", True)]], silent=silent)
    known = {text_key(row) for row in rows}
    made = augment_turns(rows, 4, Augmenter(("drop",), 0.5), TextStore(), known=known, seed=1)
    assert len(made) == 4
    assert any(row.target.text == ("" if silent else "bens yes") for row in made)
    assert all(row.context[0].text != "annas a b c d e f" or row.target.text != "bens yes" for row in made)
