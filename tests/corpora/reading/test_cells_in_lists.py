"""Rows of JSON that are lists of cells: named by `columns`, with a header or without."""

import json

import pytest

from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import BadRow
from tests.recipe.starter.test_published import MOODS, line, mood, proposed, rows_of, saved

ROWS = [[line(i), mood(i)] for i in range(80)]
NAMED = TableForm(columns=("said", "mood"))

FORMS = {
    "json": json.dumps,
    "jsonl": lambda rows: "\n".join(map(json.dumps, rows)),
    "one line.jsonl": json.dumps,
    "indented.json": lambda rows: json.dumps(rows, indent=1),
    "lines.json": lambda rows: "\n".join(map(json.dumps, rows)),
    "lines.txt": lambda rows: "\n".join(map(json.dumps, rows)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("header", [[], [["said", "mood"]]])
def test_columns_name_the_cells(tmp_path, form, header):
    path = saved(tmp_path / f"a.{form.rpartition('.')[2]}", FORMS[form](header + ROWS))
    expected = [{"said": text, "mood": label} for text, label in ROWS]
    assert [row.fields for row in read_table(path, NAMED)] == expected
    corpus, _, read = proposed(path)
    assert corpus["columns"] == (header[0] if header else ["column1", "column2"])
    assert (read.task.labels, rows_of(read)) == (MOODS, 80)


def test_without_names_each_row_says_which_key_gives_them(tmp_path):
    rows = list(read_table(saved(tmp_path / "a.json", json.dumps(ROWS))))
    assert {row.reason for row in rows if isinstance(row, BadRow)} == {
        "a list of cells, which have no names; name them in `columns`"
    }
    assert len(rows) == 80


def test_another_number_of_cells_is_a_bad_row(tmp_path):
    path = saved(tmp_path / "a.json", json.dumps([*ROWS, ["a", "b", "c"]]))
    *_, last = read_table(path, NAMED)
    assert isinstance(last, BadRow)
    assert last.reason == "3 cells where `columns` has 2 names"


@pytest.mark.parametrize("entities", [{}, {"entities": []}])
def test_the_format_of_spacy_is_read(tmp_path, entities):
    rows = [[text, {"cats": {m: float(m == label) for m in MOODS}, **entities}] for text, label in ROWS]
    corpus, _, read = proposed(saved(tmp_path / "a.json", json.dumps(rows)))
    assert corpus["labels"] == [f"column2.cats.{m}" for m in MOODS]
    assert (read.task.labels, rows_of(read)) == (MOODS, 80)
