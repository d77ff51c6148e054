"""Conversations from rows to windows: order, annotators, splits, leaks, what is stored, and what is refused."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.corpora.assembly.context import Context
from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.corpus import Corpus, with_train_rows
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.corpora.storage.text_store import TextStore
from distill.corpora.storage.windows import Conversations, Windows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turn, Window

COLUMNS = Context("who", "talk", "place", turns=2)


def some_turns(talks: int = 30, turns: int = 4) -> list[dict[str, Any]]:
    """Talks of two speakers; the client's turns have labels."""
    return [
        {
            "talk": f"t{talk}",
            "place": place,
            "who": ("therapist", "client")[place % 2],
            "text": f"turn {place} of talk {talk}",
            "labels": "ab"[(talk + place // 2) % 2] if place % 2 else None,
        }
        for talk in range(talks)
        for place in range(turns)
    ]


def write(path: Path, rows: Iterable[Mapping[str, Any]], name: str = "rows.jsonl") -> Path:
    (path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path / name


def spec(source: Path, context: Context = COLUMNS, **more: Any) -> CorpusSpec:
    values = {"task": "single_label", "text": ("text",), "labels": "labels"}
    return CorpusSpec(**{"source": str(source), **values, "context": context, **more})


def read(source: Path, context: Context = COLUMNS, **more: Any) -> Corpus:
    return read_corpus(spec(source, context, **more), seed=3)[0]


def rows_of(corpus: Corpus) -> list[Window]:
    return sorted(row for _, split in corpus.splits() for row in split.texts if isinstance(row, Window))


def expected_rows(rows: list[dict[str, Any]], most: int = 2) -> list[Window]:
    """The slow way: every labelled turn with those before it."""
    windows = []
    for row in rows:
        talk = sorted((one for one in rows if one["talk"] == row["talk"]), key=lambda one: float(one["place"]))
        before = [Turn(one["who"], one["text"]) for one in talk if one["place"] < row["place"]]
        if row["labels"] is not None:
            windows.append(Window(Turn(row["who"], row["text"]), tuple(before[-most:])))
    return sorted(windows)


@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_are_labelled_turns_with_those_before_them(tmp_path: Path, shuffled: bool) -> None:
    rows = some_turns()
    order = np.random.default_rng(1).permutation(len(rows)) if shuffled else range(len(rows))
    corpus = read(write(tmp_path, [rows[at] for at in order]))
    assert rows_of(corpus) == expected_rows(rows)
    assert corpus.turns is not None
    assert (corpus.turns.decides, corpus.turns.turns, corpus.turns.segments) == (("client",), 2, 3)
    assert dict(corpus.turns.roles) == {"therapist": "[therapist]", "client": "[client]"} or shuffled
    assert (corpus.notes["conversations"], corpus.notes["turns"]) == (30, 120)
    assert (corpus.notes["turns_out_of_order"] > 0) is shuffled


def test_a_saved_corpus_comes_back_with_each_text_once(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, some_turns()))
    save_corpus(corpus, tmp_path / "run/corpus")
    again = load_corpus(tmp_path / "run/corpus")
    assert (again.fingerprint, again.turns) == (corpus.fingerprint, corpus.turns)
    assert rows_of(again) == rows_of(corpus)
    assert list(again.train.texts[1:4]) == list(corpus.train.texts[1:4])
    files = b"".join(path.read_bytes() for path in (tmp_path / "run/corpus").glob("t*n.parquet"))
    assert b"turn 1 of" not in files
    fewer = with_train_rows(again, 10)
    assert isinstance(fewer.train.texts, Windows)
    assert len(list(fewer.train.texts)) == 10


def test_conversations_stay_in_one_split(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, some_turns()))
    of_split = [
        {row.target.text.split()[-1] for row in split.texts if isinstance(row, Window)}
        for _, split in corpus.splits()
    ]
    assert sum(map(len, of_split)) == len(set.union(*of_split)) == 30
    assert corpus.train.groups is not None
    folded = [read(tmp_path / "rows.jsonl", folds=3, fold=fold).test for fold in range(3)]
    assert sum(map(len, folded)) == 60


def test_annotators_of_a_turn_are_one_turn_of_context(tmp_path: Path) -> None:
    rows = some_turns()
    again = [{**row, "labels": "ba"["ab".index(row["labels"])]} for row in rows if row["labels"]]
    heard = [row for row in rows if not row["labels"]]
    corpus = read(write(tmp_path, [*rows, *again, *heard, *again]))
    assert rows_of(corpus) == expected_rows(rows)
    assert corpus.notes["turns_annotated_again"] == 60 + 60 + 60
    for _, split in corpus.splits():
        assert split.targets is not None
        for row, label in zip(split.texts, split.targets, strict=True):
            assert isinstance(row, Window)
            place, talk = (int(word) for word in row.target.text.split() if word.isdigit())
            assert label == 1 - (talk + place // 2) % 2  # two of three said the other label


@pytest.mark.parametrize("change", [{"text": "another text"}, {"who": "therapist"}])
def test_two_conversations_of_one_id_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    rows = some_turns()
    with pytest.raises(InputError) as caught:
        read(write(tmp_path, [*rows, {**rows[1], **change}]))
    said = "row 121: The turn is at the place of that in .*row 2, with another text or speaker"
    assert caught.match(said)
    assert "another text or" in str(caught.value)


def test_labels_of_a_row_may_be_context_by_where(tmp_path: Path) -> None:
    rows = [{**row, "labels": "a" if row["place"] % 3 else "b"} for row in some_turns()]
    corpus = read(write(tmp_path, rows), where={"who": "client"})
    assert {row.target.speaker for row in rows_of(corpus)} == {"client"}
    assert {turn.speaker for row in rows_of(corpus) for turn in row.context} == {"client", "therapist"}


def test_nested_dialogues_need_no_column_of_conversations(tmp_path: Path) -> None:
    rows = some_turns()
    talks = [
        {"name": talk, "turns": [{"by": row["who"], "said": row["text"], "as": row["labels"]} for row in some]}
        for talk, some in ((f"t{n}", [row for row in rows if row["talk"] == f"t{n}"]) for n in range(30))
    ]
    nested = {"text": ("turns[].said",), "labels": "turns[].as"}
    corpus = read(write(tmp_path, talks), Context("turns[].by", turns=2), **nested)
    assert rows_of(corpus) == expected_rows(rows)
    with pytest.raises(InputError, match="row 1: The row is not an element of a list"):
        read(write(tmp_path, rows), Context("who"))


def test_a_row_that_a_held_out_split_has_with_its_context_is_a_leak(tmp_path: Path) -> None:
    rows = some_turns()
    copies = [{**row, "talk": f"{row['talk']} again"} for row in rows if row["talk"] in ("t1", "t2", "t3")]
    short = [{**row, "text": "yes" if row["place"] == 3 else row["text"]} for row in rows]
    corpus = read(write(tmp_path, [*rows, *copies]))
    removed = sum(count for name, count in corpus.notes.items() if name.endswith("text_removed"))
    windows = [set(map(str, split.texts)) for _, split in corpus.splits()]
    assert len(set.union(*windows)) == sum(map(len, windows))
    assert removed + len(rows_of(corpus)) == 66
    corpus = read(write(tmp_path, short, "short.jsonl"))
    assert corpus.notes["train_leaks_text_removed"] == 0
    assert corpus.notes["train_leaks_context_kept"] > 0


WHOLE = Context("who", "talk", "place", turns=2, predict="conversation")


def labelled_talks(talks: int = 30) -> list[dict[str, Any]]:
    """Talks of different lengths; their label is on every row, or on the first alone."""
    return [
        {
            "talk": f"t{talk}",
            "place": place,
            "who": ("therapist", "client")[place % 2],
            "text": "" if talk == 3 and place == 3 else f"turn {place} of talk {talk}",
            "labels": "ab"[talk % 2] if talk % 3 or not place else None,
        }
        for talk in range(talks)
        for place in range(2 + talk % 3)
    ]


def test_a_conversation_is_one_row_at_its_last_turn(tmp_path: Path) -> None:
    rows = labelled_talks()
    rows += [{"talk": "quiet", "place": 0, "who": "client", "text": "", "labels": "a"}]
    rows += [{"talk": "open", "place": 0, "who": "client", "text": "no label", "labels": None}]
    corpus = read(write(tmp_path, rows), WHOLE)
    found = {
        row: corpus.task.labels[target]
        for _, split in corpus.splits()
        if split.targets is not None
        for row, target in zip(split.texts, split.targets, strict=True)
    }
    expected = {}
    for talk in range(30):
        turns = [Turn(row["who"], row["text"]) for row in rows if row["talk"] == f"t{talk}" and row["text"]]
        expected[Window(turns[-1], tuple(turns[-3:-1]))] = "ab"[talk % 2]
    assert found == expected
    assert corpus.turns is not None
    assert (corpus.turns.predict, corpus.turns.decides) == ("conversation", ("therapist", "client"))
    save_corpus(corpus, tmp_path / "corpus")
    assert rows_of(load_corpus(tmp_path / "corpus")) == sorted(expected)


def test_two_labels_of_one_conversation_are_refused(tmp_path: Path) -> None:
    rows = labelled_talks()
    rows[1]["labels"] = "b"
    with pytest.raises(
        InputError, match=r"rows.jsonl, row 2: The conversation has other labels here than in .*1\."
    ):
        read(write(tmp_path, rows), WHOLE)
    assert len(read(write(tmp_path, rows)).train)


def test_annotators_of_a_whole_conversation_merge(tmp_path: Path) -> None:
    rows = labelled_talks()
    others = [{**row, "labels": row["labels"] and "ba"["ab".index(row["labels"])]} for row in rows]
    corpus = read(write(tmp_path, [*others, *rows, *others]), WHOLE)
    assert rows_of(corpus) == rows_of(read(write(tmp_path, rows, "once.jsonl"), WHOLE))
    for _, split in corpus.splits():
        assert split.targets is not None
        for row, target in zip(split.texts, split.targets, strict=True):
            assert isinstance(row, Window)
            talk = int(row.target.text.split()[-1])
            assert corpus.task.labels[target] == "ba"[talk % 2]  # two of three say so
    other = {**rows[3], "labels": "a"}  # of an annotator who labelled one turn alone
    with pytest.raises(InputError, match=r"row 4: The conversation has other labels here than in .*3\."):
        read(write(tmp_path, [*rows, other], "uneven.jsonl"), WHOLE)


def test_conversations_with_others_between_their_rows_are_counted(tmp_path: Path) -> None:
    rows, unordered = some_turns(), Context("who", "talk", turns=2)
    corpus = read(write(tmp_path, rows), unordered)
    assert corpus.notes["conversations_interrupted"] == 0
    assert rows_of(corpus) == expected_rows(rows)
    again = [
        {**row, "place": row["place"] + 4} for row in rows if row["talk"] in (rows[0]["talk"], rows[-1]["talk"])
    ]
    corpus = read(write(tmp_path, [*rows, *again], "again.jsonl"), unordered)
    assert (
        corpus.notes["conversations_interrupted"] == 2
    )  # the last rows of the file go on where those before ended
    assert "conversations_interrupted" not in read(tmp_path / "rows.jsonl").notes


def test_what_comes_next_is_never_in_a_row(tmp_path: Path) -> None:
    rows = [
        {**row, "labels": "ab"[row["place"] // 2 % 2] if row["who"] == "therapist" else ""} for row in some_turns()
    ]
    following = Context("who", "talk", "place", turns=2, predict="next")
    corpus = read(write(tmp_path, rows), following)
    assert {row.target for row in rows_of(corpus)} == {Turn("therapist", "")}
    assert len(rows_of(corpus)) == 60
    changed = [{**row, "text": "changed" if row["place"] == 2 else row["text"]} for row in rows]
    other = read(write(tmp_path, changed, "changed.jsonl"), following)
    assert rows_of(other) == rows_of(corpus)
    texts = corpus.train.texts
    assert isinstance(texts, Windows)
    assert not any("turn 2" in text or "turn 3" in text for text, _ in texts.said())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"who": "nobody secret"}, r"column 'who' \(`speaker`\) names none of client, therapist"),
        ({"who": ""}, r"column 'who' \(`speaker`\) is empty"),
        ({"place": "secret"}, r"column 'place' \(`order`\) is neither a number nor a date"),
        ({"place": "inf"}, r"column 'place' \(`order`\) is not a finite number"),
        ({"talk": " "}, r"column 'talk' \(`conversation`\) is empty"),
    ],
)
def test_a_turn_that_cannot_be_placed_is_a_bad_row(tmp_path: Path, change: dict[str, str], said: str) -> None:
    named = Context("who", "talk", "place", turns=2, roles={"client": "C", "therapist": "T"})
    rows = some_turns()
    source = write(tmp_path, [*rows[:5], {**rows[5], **change}, *rows[6:]])
    with pytest.raises(InputError, match=f"row 6: {said[:1].upper()}{said[1:]}") as caught:
        read(source, named)
    assert "secret" not in str(caught.value)
    corpus, bad = read_corpus(spec(source, named, on_bad_row="quarantine"), seed=3)
    assert (len(bad), len(rows_of(corpus))) == (1, 59)
    assert corpus.notes["turns_missing"] == 1


def test_odd_conversations_are_counted_and_kept(tmp_path: Path) -> None:
    rows = [row for row in some_turns() if (row["talk"], row["place"]) != ("t4", 2)]
    rows += [{"talk": "alone", "place": "2024-05-06T07:08:09", "who": "client", "text": "hello", "labels": "a"}]
    rows += [{"talk": "t5", "place": 9, "who": "client", "text": " ", "labels": "a"}]
    corpus = read(write(tmp_path, rows))
    notes = corpus.notes
    assert (notes["conversations_of_one_turn"], notes["turns_without_text"], notes["turns_missing"]) == (1, 1, 6)
    assert Window(Turn("client", "hello")) in rows_of(corpus)
    assert len(rows_of(corpus)) == 61  # a turn without a text is context alone


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"turns": 0}, "`turns` is 0, but must be from 1 to 100"),
        ({"conversation": "who"}, "name one column twice"),
        ({"roles": {"client": "[C]"}}, "`roles` must map each speaker to a mark"),
        ({"roles": {f"s{n}": "C" for n in range(21)}}, "`roles` has 21 speakers"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Context(**{"speaker": "who", **values})


def test_pairs_and_single_rows_of_groups_are_no_conversations(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reads pairs, and `context` turns of a conversation"):
        spec(tmp_path, text=("a", "b"), joiner="segments")
    with pytest.raises(InputError, match="`one_per_group` would leave one turn"):
        spec(tmp_path, group="talk", one_per_group=True)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 4), st.booleans(), st.data())
def test_windows_are_built_as_the_slow_way_builds_them(
    sizes: list[int], most: int, silent: bool, data: st.DataObject
) -> None:
    store, rows, starts = TextStore(), [], []
    for size in sizes:
        starts += [len(starts)] * size
    order = data.draw(st.permutations(range(len(starts))))
    for place in order:
        store.append(f"text {place}")
    rows = [order.index(place) for place in range(len(starts))]
    numbers = [np.array(some, dtype=np.int32) for some in (rows, starts)]
    log = Conversations(store, *numbers, np.array([n % 2 for n in range(len(rows))], dtype=np.int8), ("a", "b"))
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    windows = Windows(log, np.array(chosen, dtype=np.int32), most, silent=silent)

    def turn(place: int) -> Turn:
        return Turn("ab"[place % 2], f"text {place}")

    expected = [
        Window(
            Turn(turn(place).speaker, "") if silent else turn(place),
            tuple(map(turn, range(max(starts[place], place - most), place))),
        )
        for place in chosen
    ]
    assert list(windows) == windows[:] == expected
    read_places = {at for place in chosen for at in range(max(starts[place], place - most), place + (not silent))}
    assert sorted(windows.said()) == sorted((f"text {at}", starts[at]) for at in read_places)
