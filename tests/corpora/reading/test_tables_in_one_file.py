"""Files that hold several tables or groups: splits and dialogues in one JSON object, sheets, lines of fastText."""

import bz2
import json

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.places.locate import data_files
from distill.corpora.reading.places.source import open_source
from distill.corpora.reading.places.split_names import split_of
from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe

MOODS = ("anger", "fear", "joy")


def turns(talk, count=4):
    return [{"said": f"talk {talk} turn {i}", "mood": MOODS[(talk + i) % 3]} for i in range(count)]


def saved(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def rows_of(path, columns=("text", "label"), root=None):
    table = open_source(str(path), TableForm(root=root), columns=columns).by_split["train"]
    return [row.fields for row in table.rows]


def test_keys_that_name_splits_are_splits(tmp_path):
    path = saved(tmp_path / "a.json", {"version": "1", "train": turns(1), "dev": turns(2), "Test": turns(3)})
    tables = open_source(str(path)).by_split
    assert {split: len(list(table.rows)) for split, table in tables.items()} == {
        "train": 4, "validation": 4, "test": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    "table",
    [
        {"said": ["a", "b"], "mood": ["x", "y"]},
        {"k1": {"said": "a", "mood": "x"}, "k2": {"said": "b", "mood": "y"}},
    ],
)
def test_a_split_under_a_key_may_have_any_form(tmp_path, table):
    path = saved(tmp_path / "a.json", {"train": table, "test": turns(1)})
    assert [row["said"] for row in rows_of(path)] == ["a", "b"]


def test_a_named_root_keeps_the_file_one_table(tmp_path):
    path = saved(tmp_path / "a.json", {"train": turns(1), "test": turns(2)})
    assert list(data_files(path, TableForm(root="train"))[0]) == ["train"]
    assert len(rows_of(path, ("train[].said", "train[].mood"), root="train")) == 4


def test_two_keys_of_one_split_are_refused(tmp_path):
    path = saved(tmp_path / "a.json", {"train": turns(1), "dev": turns(2), "validation": turns(3)})
    with pytest.raises(InputError, match=r"Several tables are for the validation split \(dev, validation\)"):
        data_files(path)


def test_other_lists_beside_a_split_leave_the_file_one_table(tmp_path):
    path = saved(tmp_path / "a.json", {"train": turns(1), "speakers": [{"name": "x"}]})
    assert [file.key for file in data_files(path)[0]["train"]] == [None]


def test_dialogues_by_key_are_groups(tmp_path):
    path = saved(tmp_path / "a.json", {f"dialogue_{d}": turns(d) for d in range(30)})
    spec = CorpusSpec(str(path), "single_label", ("value[].said",), "value[].mood", duplicates="keep")
    for group in (None, "key"):
        corpus, _ = read_corpus(CorpusSpec(**{**vars(spec), "group": group}), seed=1)
        assert sum(len(split) for _, split in corpus.splits()) == 120
        assert len({*corpus.train.groups, *corpus.validation.groups, *corpus.test.groups}) == 30
    assert 'text = "value[].said"' in propose_recipe(path)


def test_objects_without_a_list_around_them(tmp_path):
    pretty = "\n".join(json.dumps(row, indent=1) for row in turns(1))
    assert rows_of(saved(tmp_path / "a.json", pretty)) == turns(1)
    commas = ",\n".join(json.dumps(row) for row in turns(1))
    assert rows_of(saved(tmp_path / "b.json", f"{commas},\n")) == turns(1)


def test_lines_of_json_in_a_txt(tmp_path):
    assert rows_of(saved(tmp_path / "a.txt", "\n".join(map(json.dumps, turns(1))))) == turns(1)


def test_sheets_named_like_splits(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    for names, splits, ignored in (("train", "Test", "notes"), {"train", "test"}, 1), (("a", "b"), {"train"}, 1):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name in names:
            sheet = book.create_sheet(name)
            for row in (("said", "mood"), (f"in {name}", "joy")):
                sheet.append(row)
        book.save(tmp_path / "a.xlsx")
        tables = open_source(str(tmp_path / "a.xlsx"))
        assert (tables.by_split.keys(), tables.ignored) == (splits, ignored)
        assert [row.fields["said"] for row in tables.by_split["train"].rows] == [f"in {names[0]}"]


def test_a_larger_sheet_than_the_first_is_refused(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "codes"
    book.active.append(["label", "meaning"])
    for number in range(5):
        (book["data"] if number else book.create_sheet("data")).append([f"a line no {number}", "joy"])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="The first sheet, 'codes', has 1 rows, and 'data' has 5. Put the sheet"):
        open_source(str(tmp_path / "a.xlsx"))


def test_fasttext_lines(tmp_path):
    lines = "__label__joy __label__love so glad, today\n__label__fear , it is dark\n\nand late __label__fear\n"
    assert rows_of(saved(tmp_path / "a.txt", lines)) == [
        {"text": "so glad, today", "labels": ["joy", "love"]},
        {"text": "it is dark", "labels": ["fear"]},
        {"text": "and late", "labels": ["fear"]},
    ]
    saved(tmp_path / "b.txt", "".join(f"__label__{MOODS[i % 3]} a line no {i}\n" for i in range(60)))
    recipe = propose_recipe(tmp_path / "b.txt")
    assert 'task = "single_label"' in recipe
    assert 'labels = "labels"' in recipe


def test_bz2_and_archives_that_are_not_read(tmp_path):
    (tmp_path / "a.csv.bz2").write_bytes(bz2.compress(b"text,label\nso,a\n"))
    assert rows_of(tmp_path / "a.csv.bz2") == [{"text": "so", "label": "a"}]
    (tmp_path / "cut.csv.bz2").write_bytes(bz2.compress(b"text,label\nso,a\n" * 99)[:-9])
    with pytest.raises(InputError, match="cannot be unpacked"):
        rows_of(tmp_path / "cut.csv.bz2")
    for name, remedy in (("a.tar.gz", "Unpack it"), ("a.7z", "Unpack it"), ("a.csv.lz4", "compress it as .gz")):
        with pytest.raises(InputError, match=remedy):
            read_table(saved(tmp_path / name, "x"))


@pytest.mark.parametrize(
    ("name", "split"), [("traindata", "train"), ("devset", "validation"), ("TestSet", "test"), ("datasets", None)]
)
def test_split_names_written_together(name, split):
    assert split_of(name) == split


@pytest.mark.parametrize("lines", [False, True])
def test_lists_of_lists_are_groups(tmp_path, lines):
    talks = [turns(talk) for talk in range(30)]
    path = tmp_path / f"a.json{'l' if lines else ''}"
    saved(path, "\n".join(map(json.dumps, talks)) if lines else json.dumps(talks))
    spec = CorpusSpec(str(path), "single_label", ("value[].said",), "value[].mood", duplicates="keep")
    corpus, _ = read_corpus(spec, seed=1)
    assert len({*corpus.train.groups, *corpus.validation.groups, *corpus.test.groups}) == 30
    assert 'text = "value[].said"' in propose_recipe(path)


def test_the_longest_of_several_lists_has_the_rows(tmp_path):
    viewer = {
        "features": [{"name": "said"}, {"name": "mood"}],
        "rows": [{"row_idx": i, "row": {"said": f"a line no {i}", "mood": MOODS[i % 3]}} for i in range(60)],
    }
    recipe = propose_recipe(saved(tmp_path / "a.json", viewer))
    assert 'text = "rows[].row.said"' in recipe


def test_a_comma_ends_a_label_of_fasttext(tmp_path):
    assert rows_of(saved(tmp_path / "a.txt", "__label__joy,so glad\n"))[0]["labels"] == ["joy"]


def test_parallel_lists_are_rows(tmp_path):
    talks = [
        {"id": f"t{t}", "tags": ["p", "q"], "said": [turn["said"] for turn in turns(t, 3)],
         "moods": [turn["mood"] for turn in turns(t, 3)]}
        for t in range(20)
    ]  # fmt: skip
    path = saved(tmp_path / "a.jsonl", "\n".join(map(json.dumps, talks)))
    rows = list(open_source(str(path), columns=("said[]", "moods[]", "id", "tags")).by_split["train"].rows)
    wanted = [(turn["said"], turn["mood"]) for talk in range(20) for turn in turns(talk, 3)]
    assert [(row.fields["said[]"], row.fields["moods[]"]) for row in rows] == wanted
    assert {row.group for row in rows[:3]} == {f"{path}/1"}
    assert (rows[4].fields["id"], rows[4].fields["tags"]) == ("t1", ["p", "q"])


def test_parallel_lists_in_elements(tmp_path):
    parts = [{"parts": [{"said": ["a", "b"], "mood": ["x", "y"]}, {"said": ["c"], "mood": ["z"]}]}]
    path = saved(tmp_path / "a.json", parts)
    assert [row["parts[].mood[]"] for row in rows_of(path, ("parts[].said[]", "parts[].mood[]"))] == [
        "x",
        "y",
        "z",
    ]
    by_turn = [{"turns": [{"said": "a"}, {"said": "b"}], "moods": ["x", "y"]}]
    path = saved(tmp_path / "b.json", by_turn)
    assert [row["moods[]"] for row in rows_of(path, ("turns[].said", "moods[]"))] == ["x", "y"]


def test_lists_of_other_lengths_are_not_parallel(tmp_path):
    path = saved(tmp_path / "a.jsonl", '{"said": ["a", "b"], "moods": ["x"]}\n{"said": ["a"], "moods": ["x"]}\n')
    bad, good = open_source(str(path), columns=("said[]", "moods[]")).by_split["train"].rows
    assert bad.reason.startswith("the lists of 'moods[]' have 1 elements where those of 'said[]' have 2")
    assert good.fields["moods[]"] == "x"


def test_parallel_lists_under_the_key_of_a_file(tmp_path):
    path = saved(tmp_path / "a.json", {"about": 1, "data": [{"said": ["a", "b"], "mood": ["x", "y"]}] * 2})
    rows = rows_of(path, ("data[].said[]", "data[].mood[]"), root="data")
    assert [(row["data[].said[]"], row["data[].mood[]"]) for row in rows] == [("a", "x"), ("b", "y")] * 2
