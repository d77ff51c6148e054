"""Forms of labels: each is read right, or refused with both readings and the key that decides."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.corpus import ids_from_targets
from distill.corpora.reading.cells.cells import LabelCells, NoLabel
from distill.corpora.reading.cells.labels import LabelError
from distill.corpora.reading.cells.printed import Cut, printed_value
from distill.export.runtime.errors import InputError

ONE, SEVERAL = "single_label", "multi_label"
MOODS = ("anger", "fear", "joy", "sadness")
SETS = [(0,), (1, 2), (3,), (0, 1, 3), (2,), (1,), (0, 3), (2, 3)]


def cells(names=MOODS, several=True, **more):
    return LabelCells(("labels",), several, names=names, **more)


def cell(value, names=MOODS, several=True, **more):
    return cells(names, several, **more).cell({"labels": value})


def refusal(value, names=MOODS, several=True, **more):
    with pytest.raises(LabelError) as caught:
        cell(value, names, several, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['fear' 'joy']", ["fear", "joy"]),
        ("['fear'\n 'joy']", ["fear", "joy"]),
        ("['fear', 'joy']", ["fear", "joy"]),
        ('["fear", "joy"]', ["fear", "joy"]),
        ("['it\\'s' \"it's\"]", ["it's", "it's"]),
        ("['a, b' 'c']", ["a, b", "c"]),
        ("array(['fear', 'joy'], dtype=object)", ["fear", "joy"]),
        ("array(['fear', 'joy'], dtype='<U4')", ["fear", "joy"]),
        ("np.array(['fear'])", ["fear"]),
        ("Index(['fear'], dtype='object')", ["fear"]),
        ("{'fear', 'joy'}", ["fear", "joy"]),
        ("{fear,joy}", ["fear", "joy"]),
        ("deque(['fear', 'joy'])", ["fear", "joy"]),
        ("dict_keys(['fear'])", ["fear"]),
        ("pd.Index(['fear', 'joy'], dtype='object', name='x')", ["fear", "joy"]),
        ("tensor([0, 1, 0])", [0, 1, 0]),
        ("tensor([1., 0.], device='cuda:0')", [1.0, 0.0]),
        ("tensor(3)", [3]),
        ("[np.str_('fear'), np.str_('joy')]", ["fear", "joy"]),
        ("np.str_('fear')", ["fear"]),
        ("[np.int64(0) np.int64(2)]", [0, 2]),
        ("[np.True_, np.False_]", [True, False]),
        ("frozenset({'fear'})", ["fear"]),
        ("('fear',)", ["fear"]),
        ("('fear', 'joy')", ["fear", "joy"]),
        ("[fear, joy]", ["fear", "joy"]),
        ("[1 2]", [1, 2]),
        ("[1, 2]", [1, 2]),
        ("[1. 0.]", [1.0, 0.0]),
        ("array([0, 1, 0])", [0, 1, 0]),
        ("[True False]", [True, False]),
        ("[]", []),
        ("set()", []),
        ("array([], dtype=object)", []),
        ("{'fear': 1, 'joy': 0}", {"fear": 1, "joy": 0}),
        ('{"fear": true}', {"fear": True}),
        ("fear", None),
        ("(none)", None),
        ("[[1]]", None),
        ("fear (array)", None),
        ("['fear'", None),
    ],
)
def test_what_programs_print(text, items):
    assert printed_value(text, words=True) == items


@pytest.mark.parametrize("cell", ["1", "1.0", "1.", "1.000000000000000000e+00", "1e0", "1,0"])
def test_every_spelling_of_an_id_is_the_id(cell):
    assert cells(None, several=False).token(cell) in (1, "1")


@pytest.mark.parametrize("cell", ["1.5", "1e-1", "1e99", "v1.", "01", "1.0.0"])
def test_what_is_no_id_is_a_name(cell):
    assert cells(None, several=False).token(cell) == cell


def test_what_was_cut_is_refused():
    with pytest.raises(Cut):
        printed_value("['a' 'b' ... 'y' 'z']", words=True)
    assert "printed list that was cut" in refusal("['a' ... 'z']")


WAYS = {
    "list": lambda ids: [MOODS[i] for i in ids],
    "tuple": lambda ids: tuple(MOODS[i] for i in ids),
    "ids": list,
    "delimited": lambda ids: ", ".join(MOODS[i] for i in ids),
    "printed list": lambda ids: str([MOODS[i] for i in ids]),
    "printed array": lambda ids: str(np.array([MOODS[i] for i in ids])),
    "repr of an array": lambda ids: repr(np.array([MOODS[i] for i in ids], dtype=object)),
    "printed set": lambda ids: str({MOODS[i] for i in ids}),
    "printed tuple": lambda ids: str(tuple(MOODS[i] for i in ids)),
    "json": lambda ids: json.dumps([MOODS[i] for i in ids]),
    "vector": lambda ids: [int(i in ids) for i in range(4)],
    "vector of floats": lambda ids: [float(i in ids) for i in range(4)],
    "vector of booleans": lambda ids: [i in ids for i in range(4)],
    "printed vector": lambda ids: str([int(i in ids) for i in range(4)]),
    "numpy vector": lambda ids: str(np.array([int(i in ids) for i in range(4)])),
    "bare vector": lambda ids: " ".join(str(int(i in ids)) for i in range(4)),
    "delimited vector": lambda ids: ",".join(str(int(i in ids)) for i in range(4)),
    "mapping": lambda ids: {name: int(i in ids) for i, name in enumerate(MOODS)},
    "printed mapping": lambda ids: str({name: i in ids for i, name in enumerate(MOODS)}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_way_to_write_several_labels(tmp_path, way, suffix):
    rows = [{"text": f"line {i}", "labels": WAYS[way](SETS[i % 8])} for i in range(40)]
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        try:
            pq.write_table(pa.Table.from_pylist(rows), path)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pytest.skip("no such column in parquet")
    elif suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        texts = [str(row["labels"]).replace('"', '""') for row in rows]
        body = "".join(f'line {i},"{text}"\n' for i, text in enumerate(texts))
        path.write_text(f"text,labels\n{body}")
    spec = CorpusSpec(str(path), SEVERAL, ("text",), "labels", label_names=MOODS)
    corpus, bad = read_corpus(spec, seed=1)
    assert len(bad) == 0
    for _, split in corpus.splits():
        for text, ids in zip(split.texts, ids_from_targets(split, corpus.task), strict=True):
            assert tuple(ids) == SETS[int(text.split()[1]) % 8], text


@pytest.mark.parametrize("value", [2, "2", 2.0, "2.0", np.int64(2), np.float64(2.0), [2], "[2]", "2.00"])
def test_one_id_in_every_way(tmp_path, value):
    reader = cells(several=False)
    item = reader.cell({"labels": value})
    item = item[0] if isinstance(item, list) else item
    assert int(reader.token(item if isinstance(item, str) else int(item))) == 2


def corpus_of(tmp_path, values, task=ONE, **more):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": f"line {i}", "labels": v}) for i, v in enumerate(values)))
    return read_corpus(CorpusSpec(str(path), task, ("text",), "labels", **more), seed=1)


def test_ids_as_floats_are_ids_and_not_names(tmp_path):
    values = ["1.0", "0", 2.0, 1, "2"] * 8
    assert corpus_of(tmp_path, values)[0].task.labels == ("0", "1", "2")
    assert corpus_of(tmp_path, values, label_names=("a", "b", "c"))[0].task.labels == ("a", "b", "c")
    rated = corpus_of(tmp_path, ["1.0", "1.5"] * 20, label_names=("1.0", "1.5"))[0]
    assert rated.task.labels == ("1.0", "1.5")


def test_a_single_label_vector_has_one_place_of_one(tmp_path):
    assert cell([0, 0, 1, 0], several=False) == [2]
    corpus, _ = corpus_of(tmp_path, [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 10, label_names=("a", "b", "c"))
    assert sorted(np.bincount(corpus.train.targets)) == [8, 8, 8]


def test_two_readings_name_both_and_the_key(tmp_path):
    two = ("no", "yes")
    assert '`label_form` = "vector" or "ids"' in refusal([0, 1], two)
    assert cell([0, 1], two, form="vector") == [1]
    assert cell([0, 1], two, form="ids") == [0, 1]
    assert cell([0, 0], two) == []
    assert cell([True, False], two) == [0]
    assert cell([0, 1]) == [0, 1]  # of four labels these are ids
    with pytest.raises(InputError, match="`label_form` = .vector. or .ids."):
        corpus_of(tmp_path, [[0, 1], [1, 0], [1, 1]] * 10, SEVERAL)
    assert corpus_of(tmp_path, [[0, 1], [2], [1, 2]] * 10, SEVERAL)[0].task.num_labels == 3
    with pytest.raises(InputError, match="`label_form` = .vector. or .names."):
        corpus_of(tmp_path, ["0110", "1000", "0001"] * 10, SEVERAL)
    assert corpus_of(tmp_path, ["011", "100", "001"] * 10, SEVERAL, label_form="vector")[0].task.num_labels == 3
    assert "its parts are names too; set `delimiter`" in refusal("a,b", ("a", "b", "a,b"))
    assert cell("a,b", ("a,b", "c")) == ["a,b"]


@pytest.mark.parametrize(
    "value",
    [[0.7, 0.1, 0.1, 0.1], "[0.7 0.3]", [3, 0, 1, 0], {"anger": 0.5, "joy": 0.5}, {"anger": 2, "joy": 1}],
)
def test_distributions_are_refused_with_the_reason(value):
    assert "here a row either has a label or does not" in refusal(value)


def test_vectors_of_another_length_are_refused():
    assert "a vector of 3 places where there are 4 labels" in refusal([0, 1, 1])


@pytest.mark.parametrize("value", [None, float("nan"), np.float64("nan")])
def test_no_label_is_no_label(value):
    with pytest.raises(NoLabel, match="the label is missing"):
        cell(value)


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "null", "n/a", "NA", "<NA>"])
def test_missing_values_that_are_spelt_out(tmp_path, text):
    assert f"the label is spelt '{text}'" in refusal(text, None, several=False)
    assert "`missing` = []" in refusal(text)
    assert cell(text, (*MOODS, text), several=False) == text
    assert cell(text, None, several=False, missing=()) == text
    values = ["a", "b", text, "a"] * 10
    with pytest.raises(InputError, match="row 3: The label is spelt"):
        corpus_of(tmp_path, values)
    corpus, bad = corpus_of(tmp_path, values, missing=(text,))
    assert (corpus.task.labels, corpus.notes["rows_without_gold"], len(bad)) == (("a", "b"), 10, 0)
    assert corpus_of(tmp_path, values, missing=())[0].task.num_labels == 3


# a column for each label


def table(tmp_path, rows, suffix=".jsonl"):
    path = tmp_path / f"table{suffix}"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("no", "yes"), [(0, 1), ("0", "1"), (False, True), ("False", "TRUE"), (0.0, "1.0"), ("no", "yes"), ("N", "Y")]
)
def test_a_column_of_zero_and_one_for_each_label(tmp_path, no, yes):
    rows = [
        {"text": f"line {i}", **{name: yes if j in SETS[i % 8] else no for j, name in enumerate(MOODS)}}
        for i in range(40)
    ]
    spec = CorpusSpec(str(table(tmp_path, rows)), SEVERAL, ("text",), MOODS)
    corpus, _ = read_corpus(spec, seed=1)
    assert corpus.task.labels == MOODS
    for text, ids in zip(corpus.train.texts, ids_from_targets(corpus.train, corpus.task), strict=True):
        assert tuple(ids) == SETS[int(text.split()[1]) % 8]


def test_columns_of_one_label_and_names_for_them(tmp_path):
    rows = [{"text": f"line {i}", **{n: int(j == i % 3) for j, n in enumerate("abc")}} for i in range(30)]
    path = table(tmp_path, rows)
    corpus, _ = read_corpus(
        CorpusSpec(str(path), ONE, ("text",), tuple("abc"), label_names=("x", "y", "z")), seed=1
    )
    assert corpus.task.labels == ("x", "y", "z")
    with pytest.raises(InputError, match="`label_names` has 2 names for the 3 columns of `labels`"):
        read_corpus(CorpusSpec(str(path), ONE, ("text",), tuple("abc"), label_names=("x", "y")), seed=1)
    with pytest.raises(InputError, match="no column 'd', which `labels` asks for"):
        read_corpus(CorpusSpec(str(path), SEVERAL, ("text",), tuple("abd")), seed=1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x", "Column 'b' holds something else than 0 or 1"),
        (3, "Column 'b' holds another number than 0 and 1, as shares or votes"),
        (0.4, "Column 'b' holds another number than 0 and 1, as shares or votes"),
        ("", "Column 'b' is empty where 0 or 1 is expected"),
    ],
)
def test_what_is_no_flag_is_a_bad_row(tmp_path, value, reason):
    rows = [{"text": f"line {i}", "a": i % 2, "b": 1} for i in range(20)] + [{"text": "last", "a": 0, "b": value}]
    with pytest.raises(InputError, match=f"row 21: {reason}"):
        read_corpus(CorpusSpec(str(table(tmp_path, rows)), SEVERAL, ("text",), ("a", "b")), seed=1)


# labels that a data set names itself


@pytest.mark.parametrize("listed", [False, True])
def test_class_labels_of_a_parquet_file(tmp_path, listed):
    feature = {"_type": "ClassLabel", "names": ["calm", "cross"]}
    features = {"labels": {"_type": "Sequence", "feature": feature} if listed else feature}
    rows = [{"text": f"line {i}", "labels": [i % 2] if listed else i % 2} for i in range(30)]
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(meta), tmp_path / "a.parquet")
    spec = CorpusSpec(str(tmp_path / "a.parquet"), SEVERAL if listed else ONE, ("text",), "labels")
    assert read_corpus(spec, seed=1)[0].task.labels == ("calm", "cross")


# files to predict


def test_minus_one_may_be_a_label(tmp_path):
    for split in ("train", "dev", "test"):
        rows = [{"text": f"{split} {i}", "labels": (-1 if i < 9 else 1)} for i in range(18)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows[: 9 if split == "test" else 18])))
    corpus, _ = read_corpus(CorpusSpec(str(tmp_path), ONE, ("text",), "labels"), seed=1)
    assert (corpus.task.labels, len(corpus.test)) == (("-1", "1"), 9)


@pytest.mark.parametrize("gold", [{}, {"labels": None}, {"labels": ""}, {"labels": -1}, {"labels": "nan"}])
def test_a_test_file_without_labels_is_left_out_and_counted(tmp_path, gold):
    train = [{"text": f"line {i}", "labels": "ab"[i % 2]} for i in range(40)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, train)))
    test = [{"text": f"test {i}", **gold} for i in range(7)]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, test)))
    names = ("a", "b") if gold == {"labels": -1} else None
    corpus, bad = read_corpus(CorpusSpec(str(tmp_path), ONE, ("text",), "labels", label_names=names), seed=1)
    assert (corpus.notes["rows_without_gold"], len(bad)) == (7, 0)
    assert sum(len(split) for _, split in corpus.splits()) == 40
    assert corpus.task.labels == ("a", "b")


def test_ids_with_a_comma_are_ids_where_a_cell_has_one_label():
    reader = cells(names=None, several=False)
    assert [reader.token(token) for token in ("1,0", "2,00", "1.0", "1,5", "a,0")] == [1, 2, 1, "1,5", "a,0"]
    assert cells(names=None).token("1,0") == "1,0"


def test_a_split_without_gold_may_spell_it_in_each_column():
    reader = LabelCells(MOODS, True)
    assert not reader.has_label(dict.fromkeys(MOODS, "NONE"))
    assert reader.has_label(dict.fromkeys(MOODS, "0"))
    with pytest.raises(NoLabel):
        reader.cell(dict.fromkeys(MOODS, "NONE"))
    with pytest.raises(LabelError, match="column 'fear' is empty where 0 or 1 is expected; write 0 where nothing"):
        reader.cell({**dict.fromkeys(MOODS, "1"), "fear": ""})
