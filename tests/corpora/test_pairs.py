"""Pairs of columns: both texts survive reading, storing and comparing, and other than two columns are refused."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.assembly.splits import normalise_text
from distill.corpora.corpus import Corpus
from distill.corpora.describe import describe
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.corpora.storage.text_store import BLOCK, TextStore
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Pair, Truncate

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def write(path: Path, rows: list[tuple[str, str, str]], name: str = "rows.csv") -> Path:
    with (path / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer", "labels"])
        writer.writerows(rows)
    return path / name


def some_rows(count: int = 40) -> list[tuple[str, str, str]]:
    return [(f"question {row}", f"answer {row % 7}\nof two lines", "ab"[row % 2]) for row in range(count)]


def spec(source: Path, **more: Any) -> CorpusSpec:
    values = {"task": "single_label", "text": ("question", "answer"), "joiner": "segments", "labels": "labels"}
    return CorpusSpec(**{"source": str(source), **values, **more})


def read(source: Path, **more: Any) -> Corpus:
    return read_corpus(spec(source, **more), seed=3)[0]


def rows_of(corpus: Corpus) -> list[Any]:
    return sorted(row for _, split in corpus.splits() for row in split.texts)


def test_both_texts_of_a_pair_survive_reading_and_saving(tmp_path: Path) -> None:
    rows = [*some_rows(), ("only a question", "", "a"), ("", "only an answer", "b")]
    corpus = read(write(tmp_path, rows))
    assert rows_of(corpus) == sorted((first, second) for first, second, _ in rows)
    save_corpus(corpus, tmp_path / "run/corpus")
    again = load_corpus(tmp_path / "run/corpus")
    assert rows_of(again) == rows_of(corpus)
    assert again.fingerprint == corpus.fingerprint
    assert again.train.texts[1:3] == corpus.train.texts[1:3]


def test_the_fingerprint_knows_where_one_text_ends(tmp_path: Path) -> None:
    rows = some_rows()
    moved = [("question 0answer 0", "\nof two lines", "a"), *rows[1:]]
    fingerprints = set()
    for name, some in (("a.csv", rows), ("b.csv", moved)):
        fingerprints.add(read(write(tmp_path, some, name)).fingerprint)
    fingerprints.add(read(tmp_path / "a.csv", joiner="\n").fingerprint)
    assert len(fingerprints) == 3


def test_repeats_and_leaks_compare_both_texts(tmp_path: Path) -> None:
    rows = some_rows()
    again = [("QUESTION  0", "answer 0 of two\tlines", "a"), ("question 0", "another answer", "a")]
    corpus = read(write(tmp_path, rows + again))
    assert corpus.notes["rows_merged"] == 1
    assert sum(len(split) for _, split in corpus.splits()) == len(rows) + 1


@given(PLAIN, PLAIN, PLAIN, PLAIN)
def test_pairs_count_as_the_same_only_where_both_texts_do(a: str, b: str, c: str, d: str) -> None:
    same = (normalise_text(a), normalise_text(b)) == (normalise_text(c), normalise_text(d))
    assert (normalise_text((a, b)) == normalise_text((c, d))) is same


@given(st.lists(st.tuples(PLAIN, PLAIN)), st.data())
def test_a_store_gives_pairs_back(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    store = TextStore()
    store.extend(pairs)
    view = store.view(0, len(pairs))
    assert (len(store), list(view)) == (len(pairs), pairs)
    start, stop = (data.draw(st.integers(-3, len(pairs) + 3)) for _ in range(2))
    assert view[start:stop] == pairs[start:stop]
    if pairs:
        assert view[-1] == pairs[-1]
        with pytest.raises(TypeError, match="texts or pairs, not both"):
            store.append("a text")


def test_many_pairs_are_read_block_by_block() -> None:
    pairs = [(f"first {row}", f"second {row}") for row in range(BLOCK + 3)]
    store = TextStore()
    store.extend(pairs)
    assert list(store.view(0, len(pairs))) == pairs


def test_scrubbing_masks_both_texts(tmp_path: Path) -> None:
    rows = [*some_rows(), ("write to a@b.org", "see https://example.org/x and b@c.org", "a")]
    corpus = read(write(tmp_path, rows), scrub=True)
    assert ("write to [EMAIL]", "see [URL] and [EMAIL]") in rows_of(corpus)
    assert (corpus.notes["scrubbed_emails"], corpus.notes["scrubbed_urls"]) == (2, 1)


def test_lengths_are_those_of_both_texts(tmp_path: Path) -> None:
    corpus = read(write(tmp_path, some_rows()))
    bad = read_corpus(spec(tmp_path / "rows.csv"), seed=3)[1]
    report = describe(corpus, bad.reasons, lambda _, rows: [0] * len(rows), 64)
    words = report.splits[0].words
    assert words is not None
    assert words.longest == 7


def test_a_bad_row_is_named_and_a_file_of_lines_has_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 42: Both texts of the pair are empty"):
        read(write(tmp_path, [*some_rows(), ("", " \t", "a")]))
    write(tmp_path, some_rows())
    (tmp_path / "more.txt").write_text("a text without labels\n")
    with pytest.raises(InputError, match="no column 'question', which `text` asks for"):
        read(tmp_path / "rows.csv", transfer="more.txt")


def test_transfer_rows_are_pairs_too(tmp_path: Path) -> None:
    source = write(tmp_path, some_rows())
    (tmp_path / "more.jsonl").write_text('{"question": "q", "answer": "a"}\n{"question": "q"}\n')
    transfer = read(source, transfer="more.jsonl").transfer
    assert transfer is not None
    assert list(transfer.texts) == [("q", "a"), ("q", "")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"text": ("question",)},
            "`joiner` = 'segments' reads pairs of two different columns, and `text` names",
        ),
        ({"text": ("question", "answer", "labels")}, "names question, answer, labels. Name two"),
        ({"text": ("answer", "answer")}, "two different columns, and `text` names answer, answer"),
        ({"joiner": "\n", "truncate": Truncate("answer")}, "`truncate` says how pairs are cut. Set `joiner`"),
        (
            {"truncate": Truncate("labels")},
            "`truncate` names the column 'labels', which is not of the pair",
        ),
    ],
)
def test_what_makes_no_pair_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        spec(tmp_path, **more)
    assert said in str(caught.value)


def test_the_spec_says_what_is_read(tmp_path: Path) -> None:
    assert spec(tmp_path).reads == Pair(("question", "answer"))
    truncate = Truncate("answer", "start")
    assert spec(tmp_path, truncate=truncate).reads == Pair(("question", "answer"), truncate)
    assert spec(tmp_path, joiner=" ").reads.kind == "text"
