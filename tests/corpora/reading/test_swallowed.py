"""Quoted fields over several lines: rightly quoted files read without a key, swallowed rows never in silence."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import Record
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.delimited import read_delimited
from distill.export.runtime.errors import InputError

MOODS = ("anger", "fear", "joy")

WORD = st.sampled_from("the lift stopped again, between floors; and some sang.".split())

# what people put into a text: commas and line ends in every mixture, quotation marks, numbered lists
PART = st.one_of(
    WORD, st.sampled_from([",", ", ", "\n", "\r\n", '"', '""', "\n\n", "1. ", "- ", " ", ",\n", "我,你"])
)

TEXT = st.lists(PART, min_size=1, max_size=12).map("".join).filter(lambda text: text.strip(' ,"\r\n.-1'))

ORDERS = [
    ("id", "text", "mood"),
    ("text", "mood"),
    ("mood", "text"),
    ("text", "mood", "id"),
    ("mood", "text", "id"),
]


def read(path, quoting=None):
    return list(read_delimited(DataFile(path), TableForm(quoting=quoting)))


def read_or_stopped(path):
    """The rows of a file, or None where it is refused with the key that decides."""
    try:
        return read(path)
    except InputError as error:
        if "`quoting` = false" not in str(error):
            raise
        return None


def rows_of(texts, order):
    cells = [{"id": f"user-{i}", "text": text, "mood": MOODS[i % 3]} for i, text in enumerate(texts)]
    return [{name: row[name] for name in order} for row in cells]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXT, min_size=1, max_size=14),
    order=st.sampled_from(ORDERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    plain=st.integers(0, 30),
)
def test_a_quoted_file_reads_right_or_stops(tmp_path_factory, texts, order, quoting, plain):
    rows = rows_of([*(f"plain line no {i}" for i in range(plain)), *texts], order)
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([order, *(row.values() for row in rows)])
    path = tmp_path_factory.mktemp("quoted") / "a.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    found = read_or_stopped(path)
    assert found is None or [row.fields for row in found] == rows


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 30),
    order=st.sampled_from(ORDERS),
    marks=st.tuples(st.integers(0, 29), st.integers(0, 29)),
    commas=st.sets(st.integers(0, 29), max_size=3),
)
@example(count=2, order=("text", "mood"), marks=(0, 1), commas=set())
@example(count=12, order=("id", "text", "mood"), marks=(3, 4), commas={3, 4})
@example(count=3, order=("id", "text", "mood"), marks=(1, 2), commas={0})
@example(count=6, order=("id", "text", "mood"), marks=(0, 21), commas={0, 4, 5})
def test_an_unquoted_file_with_stray_marks_never_swallows(tmp_path_factory, count, order, marks, commas):
    first, last = (mark % count for mark in marks)
    texts = [f"line{', and' if i in commas else ''} no {'x' * (i % 5)} {i}" for i in range(count)]
    texts[first] = f'"{texts[first]}'
    texts[last] = f'{texts[last]}"'
    rows = rows_of(texts, order)
    content = "\n".join([",".join(order), *(",".join(row.values()) for row in rows)])
    path = tmp_path_factory.mktemp("unquoted") / "a.csv"
    path.write_text(f"{content}\n", encoding="utf-8", newline="")
    found = read_or_stopped(path)
    assert found is None or len(found) == count  # each of them read, or a bad row of its own


def test_texts_with_as_many_commas_as_the_header_are_texts(tmp_path):
    posts = ["well, yes\nI said, then left", "one, two\nthree, four\nfive, six"]
    rows = rows_of([*(f"a line {i}" for i in range(9)), *posts], ("id", "text", "mood"))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([rows[0], *(row.values() for row in rows)])
    (tmp_path / "a.csv").write_text(out.getvalue(), encoding="utf-8", newline="")
    assert [row.fields for row in read(tmp_path / "a.csv")] == rows


@pytest.mark.parametrize("more", ["", ", of all"])
def test_two_swallowed_rows_of_two_fields_stop(tmp_path, more):
    lines = [f"line {i},{MOODS[i % 3]}" for i in range(20)]
    lines[4], lines[5] = f'"line 4{more},joy', 'line 5",fear'
    (tmp_path / "a.csv").write_text("\n".join(["text,mood", *lines]), encoding="utf-8")
    with pytest.raises(InputError, match="row 6: A quoted field spans 2 lines that look like rows of 2 fields"):
        read(tmp_path / "a.csv")
    assert all(isinstance(row, Record) for row in read(tmp_path / "a.csv", quoting=True))
