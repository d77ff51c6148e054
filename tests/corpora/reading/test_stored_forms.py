"""Forms in which other programs store rows: Arrow, numbered files, quoted fields with blanks or line ends."""

from dataclasses import replace
from decimal import Decimal

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.guessing.columns import has_header
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import PLAIN
from distill.corpora.reading.places.locate import data_files
from distill.corpora.reading.rows import Record
from distill.corpora.reading.streams import DataFile
from distill.corpora.reading.tables.delimited import looks_quoted
from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe
from tests.recipe.starter.test_published import MOODS, line, mood, proposed, rows_of, saved, table

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS, LABELS = [line(i) for i in range(60)], [mood(i) for i in range(60)]


def fields(path):
    return [row.fields for row in read_table(path)]


@pytest.mark.parametrize("binary", [pa.binary(), pa.large_binary()])
def test_bytes_that_are_utf8_are_texts_and_others_stay(tmp_path, binary):
    cells = {"text": pa.array([b"caf\xc3\xa9"], binary), "image": pa.array([b"\xff\xd8"], binary)}
    pq.write_table(pa.table(cells), tmp_path / "a.parquet")
    assert fields(tmp_path / "a.parquet") == [{"text": "café", "image": b"\xff\xd8"}]


def test_decimals_are_ids_and_maps_are_mappings(tmp_path):
    kinds = pa.map_(pa.string(), pa.int32())
    cells = {
        "label": pa.array([Decimal(2)], pa.decimal128(5, 2)),
        "votes": pa.array([[("joy", 1), ("fear", 0)]], kinds),
    }
    pq.write_table(pa.table(cells), tmp_path / "a.parquet")
    assert fields(tmp_path / "a.parquet") == [{"label": 2.0, "votes": {"joy": 1, "fear": 0}}]


@pytest.mark.parametrize("made", [pa.ipc.new_file, pa.ipc.new_stream])
def test_both_kinds_of_arrow_files(tmp_path, made):
    rows = pa.table({"text": TEXTS, "label": LABELS})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as out, made(out, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=7)
    assert [row["text"] for row in fields(tmp_path / "a.arrow")] == TEXTS


def shard(path, start=0, stop=30):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": TEXTS[start:stop], "label": LABELS[start:stop]}), path)


def test_numbered_files_may_have_a_hash_behind_the_numbers(tmp_path):
    shard(tmp_path / "data" / "train-00000-of-00002-a09b74b3ef9c3b56.parquet")
    shard(tmp_path / "data" / "train-00001-of-00002-77ab74b3ef9c3b99.parquet")
    files, _ = data_files(tmp_path)
    assert len(files["train"]) == 2


@pytest.mark.parametrize("there", [(0, 2), (1,), (0,)])
def test_numbered_files_that_lack_one_are_refused(tmp_path, there):
    for number in there:
        shard(tmp_path / f"train-0000{number}-of-00003.parquet")
    with pytest.raises(InputError, match=f"Only {len(there)} of 3 files of the train split are there. Download"):
        data_files(tmp_path)


def test_splits_in_a_folder_of_a_configuration(tmp_path):
    shard(tmp_path / "default" / "train" / "0000.parquet")
    shard(tmp_path / "default" / "test" / "0000.parquet")
    assert data_files(tmp_path)[0].keys() == {"train", "test"}
    shard(tmp_path / "raw" / "train" / "0000.parquet")
    with pytest.raises(InputError, match=r"several folders of data \(default, raw\)"):
        data_files(tmp_path)


@pytest.mark.parametrize("order", [("text", "label"), ("label", "text")])
@pytest.mark.parametrize("separator", [",", ";"])
def test_blanks_between_separators_and_quotation_marks(tmp_path, order, separator):
    row = f'"{{}}"{separator} "{{}}"'
    cells = [{"text": f"{line(i)}{separator} she said", "label": mood(i)} for i in range(40)]
    content = [row.format(*order), *(row.format(*(cell[name] for name in order)) for cell in cells)]
    assert fields(saved(tmp_path / "a.csv", "\n".join(content))) == [
        {name: cell[name] for name in order} for cell in cells
    ]


def test_marks_behind_blanks_in_texts_are_characters(tmp_path):
    path = saved(tmp_path / "a.csv", 'label,text\njoy,well\nfear, "no" he said\njoy,"yes, ""he"" said"')
    assert [row["text"].strip() for row in fields(path)] == ["well", '"no" he said', 'yes, "he" said']


def test_a_tsv_whose_quoted_fields_hold_line_ends_is_quoted(tmp_path):
    rows = "\n".join(f'"{line(i)}\n and more"\t"{mood(i)}"' for i in range(60))
    path = saved(tmp_path / "a.tsv", f'"text"\t"label"\n{rows}')
    assert looks_quoted(DataFile(path), PLAIN)
    corpus, _, read = proposed(path)
    assert (corpus["quoting"], read.task.labels, rows_of(read)) == (True, MOODS, 60)
    plain = saved(tmp_path / "b.tsv", "\n".join(["text\tlabel", *(f'"{line(i)}\t{mood(i)}' for i in range(60))]))
    assert not looks_quoted(DataFile(plain), PLAIN)


def test_lines_of_json_may_end_with_a_comma(tmp_path):
    path = saved(tmp_path / "a.jsonl", '{"text": "a"},\n{"text": "b,"} , \n{"text": "c"}\n')
    assert [row["text"] for row in fields(path)] == ["a", "b,", "c"]


def test_two_byte_order_marks(tmp_path):
    assert fields(saved(tmp_path / "a.csv", "\ufeff\ufefftext,label\nhi,joy")) == [{"text": "hi", "label": "joy"}]


LONG = "Please describe what happened last week and how you felt about it."


def records(names, count=40):
    return [Record("", i, dict(zip(names, (line(i), mood(i)), strict=True))) for i in range(count)]


@pytest.mark.parametrize(
    ("names", "is_header"), [((LONG, "Which emotion?"), True), ((LONG, "joy"), False), ((line(99), "fear"), False)]
)
def test_a_long_name_is_a_header_where_labels_do_not_repeat_theirs(names, is_header):
    assert has_header(records(names)) == is_header


def test_a_table_in_a_txt_whose_names_have_blanks(tmp_path):
    rows = "\n".join(f"{i}\t{line(i)}\t{mood(i)}" for i in range(60))
    corpus, _, read = proposed(saved(tmp_path / "a.txt", f"Tweet ID\tThe tweet\tIntensity class\n{rows}"))
    assert (corpus["text"], corpus["labels"], rows_of(read)) == ("The tweet", "Intensity class", 60)
    corpus, _, read = proposed(saved(tmp_path / "b.txt", rows))
    assert (corpus["text"], rows_of(read)) == ("column2", 60)


def split_files(folder, **rows):
    for name, cells in rows.items():
        table(folder / f"{name}.csv", cells)
    return folder


def row(number, label=mood):
    return {"text": line(number), "label": label(number) if callable(label) else label}


@pytest.mark.parametrize("other", ["a_test", "test"])
@pytest.mark.parametrize("count", [1, 20])
def test_a_label_that_train_lacks_names_its_row(tmp_path, other, count):
    odd = [row(i, mood(i).title()) for i in range(120, 120 + count)]
    rest = {other: [*(row(i) for i in range(100, 120)), *odd]}
    folder = split_files(tmp_path, train=[row(i) for i in range(100)], **rest)
    spec = CorpusSpec(source=str(folder), task="single_label", text=("text",), labels="label")
    name = mood(120)
    with pytest.raises(
        InputError, match=f"{other}.csv, row 22: .*train has '{name}', which is nearly the same name"
    ):
        read_corpus(spec, seed=1)
    corpus, _ = read_corpus(replace(spec, min_rows=2), seed=1)
    assert (len(corpus.test), corpus.notes["held_out_rows_with_unknown_labels"]) == (20, count)


def test_a_test_file_with_other_labels_alone_is_refused_by_its_first_row(tmp_path):
    split_files(
        tmp_path, train=[row(i) for i in range(100)], test=[row(i, MOODS.index(mood(i))) for i in range(100, 130)]
    )
    with pytest.raises(
        InputError, match=r"test.csv, row 2: The row has a label that no row of train has \(29 more"
    ):
        propose_recipe(tmp_path)


def test_a_test_file_without_header_is_not_one_without_labels(tmp_path):
    split_files(tmp_path, train=[row(i) for i in range(100)])
    saved(tmp_path / "test.csv", "\n".join(f"{line(i)},{mood(i)}" for i in range(100, 140)))
    with pytest.raises(
        InputError, match="There is no column 'text', which corpus.text asks for. The first row does"
    ):
        propose_recipe(tmp_path)
