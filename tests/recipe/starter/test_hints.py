"""Comments on what `init` cannot follow, and refusals whose reason was another's."""

import json

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe
from tests.recipe.starter.test_published import MOODS, line, lines, mood, proposed, rows_of, saved, table


def rows(count=120, **more):
    return [
        {**{name: make(i) for name, make in more.items()}, "text": line(i), "label": mood(i)} for i in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("set", lambda i: ("train", "train", "T", "D")[i % 4]),
        ("is_test", lambda i: i % 5 == 0),
        ("train", lambda i: int(i % 5 > 0)),
    ],
)
def test_splits_that_cannot_be_read_are_a_comment(tmp_path, name, cell):
    _, text, _ = proposed(table(tmp_path / "a.csv", rows(**{name: cell})))
    assert f'# "{name}" looks like published splits: write train, validation and test' in text


def test_short_names_of_splits_in_cells(tmp_path):
    corpus, _, read = proposed(table(tmp_path / "a.csv", rows(set=lambda i: ("TRN", "trn", "TST", "VLD")[i % 4])))
    assert (corpus["split"], len(read.train), len(read.test)) == ("set", 60, 30)


@pytest.mark.parametrize(
    ("name", "cell", "comment"),
    [
        ("dialogue_id", lambda i: i // 4 if i % 4 == 0 else "", '# "dialogue_id" has a value in 30 of 120 rows'),
        ("id", lambda i: f"conv{i // 8}_utt{i % 8}", '# the values of "id" begin alike in 15 blocks of rows'),
        ("chunk", lambda i: f"c{i // 8}", '# group = "chunk" would keep rows with the same value together'),
    ],
)
def test_groups_that_no_column_names_are_a_comment(tmp_path, name, cell, comment):
    assert comment in proposed(table(tmp_path / "a.csv", rows(**{name: cell})))[1]


@pytest.mark.parametrize("name", ["id", "chunk"])
def test_numbers_of_rows_are_no_groups(tmp_path, name):
    for cell in (lambda i: i, lambda i: f"t-{i}", lambda i: f"{i * 7919 % 120}-{i % 3}"):
        text = proposed(table(tmp_path / "a.csv", rows(**{name: cell})))[1]
        assert "blocks of rows" not in text
        assert "group =" not in text


def test_misread_characters_are_a_comment(tmp_path):
    broken = [row | {"text": f"{row['text']} für später’s".encode().decode("cp1252")} for row in rows()]
    assert "as UTF-8 looks that was read in another encoding" in proposed(lines(tmp_path / "a.jsonl", broken))[1]
    right = [row | {"text": f"{row['text']} für Â später’s"} for row in rows()]
    assert "as UTF-8 looks" not in proposed(lines(tmp_path / "b.jsonl", right))[1]


@pytest.mark.parametrize("empty", ["", None])
def test_many_rows_without_a_label_are_left_out_and_counted(tmp_path, empty):
    some = [row | {"label": row["label"] if i % 2 else empty} for i, row in enumerate(rows())]
    corpus, text, read = proposed(lines(tmp_path / "a.jsonl", some))
    assert (corpus["missing"], rows_of(read), read.notes["rows_without_gold"]) == ([""], 60, 60)
    assert "# 60 rows have no label and were left out" in text


def test_labels_of_parts_of_a_text_are_refused(tmp_path):
    spans = [{"text": line(i), "spans": [{"start": 0, "end": 4, "label": mood(i)}]} for i in range(80)]
    with pytest.raises(InputError, match=r"'spans\[\].label' are labels of parts of a text"):
        propose_recipe(lines(tmp_path / "a.jsonl", spans))


def test_choices_of_label_studio(tmp_path):
    two = [json.dumps({"choices": [mood(i), MOODS[i % 4]]}) if i % 3 else mood(i) for i in range(120)]
    corpus, _, read = proposed(
        lines(tmp_path / "a.jsonl", [row | {"label": two[i]} for i, row in enumerate(rows())])
    )
    assert (corpus["task"], read.task.labels, rows_of(read)) == ("multi_label", MOODS, 120)


PAIRS = [[line(i), mood(i)] for i in range(80)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"data": PAIRS}, "rows are lists of cells under 'data'. Save this list alone; corpus.columns then"),
        ({"version": 1, "rows": PAIRS}, "rows are lists of cells under 'rows'"),
        ({"data": {"rows": rows()}}, "rows are in a list under 'data.rows'. Save this list alone"),
        ({"text": ["a", "b"], "label_names": ["c"]}, "not columns of one length: 'text' 2, 'label_names' 1"),
        ({"anna": ["a", "b"], "ben": ["c"], "carl": [], "dora": []}, "neither a list of objects nor columns"),
    ],
)
def test_json_that_is_no_table_says_where_its_rows_are(tmp_path, content, reason):
    with pytest.raises(InputError, match=reason):
        propose_recipe(saved(tmp_path / "a.json", json.dumps(content)))


def test_columns_of_one_and_nan_are_refused_as_marks(tmp_path):
    marked = [{"text": line(i), **{m: "1.0" if mood(i) == m else "NaN" for m in MOODS}} for i in range(80)]
    with pytest.raises(InputError, match="anger, fear, joy, sadness hold one value or nothing"):
        propose_recipe(table(tmp_path / "a.csv", marked))


@pytest.mark.parametrize(("form", "told"), [("[{}] {}", True), ("I feel {}: {}", True), ("the {}ness: {}", False)])
def test_texts_that_tell_their_label_are_counted(tmp_path, form, told):
    some = [row | {"text": form.format(row["label"].title(), row["text"])} for row in rows()]
    path = lines(tmp_path / "a.jsonl", some)
    notes = read_corpus(CorpusSpec(str(path), "single_label", ("text",), "label"), seed=1)[0].notes
    assert notes.get("texts_with_their_label", 0) == (notes.get("texts_searched_for_labels", 0) if told else 0)


def test_texts_that_name_all_labels_tell_none(tmp_path):
    asked = [row | {"text": f"{', '.join(MOODS)}? {row['text']}"} for row in rows()]
    path = lines(tmp_path / "a.jsonl", asked)
    notes = read_corpus(CorpusSpec(str(path), "single_label", ("text",), "label"), seed=1)[0].notes
    assert "texts_with_their_label" not in notes
