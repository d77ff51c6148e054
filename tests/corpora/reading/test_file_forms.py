"""Forms of files: each is read right, or refused in one sentence that names the way on."""

import csv
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.reading.encodings import likely_encoding
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import PLAIN, TableForm
from distill.corpora.reading.places.source import open_source
from distill.corpora.reading.places.split_names import split_of
from distill.corpora.reading.rows import BadRow, Record
from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

SINGLE = "single_label"
ROWS = [{"text": f"line {row}", "label": "ab"[row % 2]} for row in range(12)]
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fields(path, form=PLAIN):
    rows = list(read_table(path, form))
    assert all(isinstance(row, Record) for row in rows), [row for row in rows if isinstance(row, BadRow)]
    return [row.fields for row in rows]


def refusal(path, form=PLAIN):
    with pytest.raises(InputError) as caught:
        list(read_table(path, form))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "line " not in message.replace("line feeds", "").replace("(line ", "") or "secret" not in message
    return message


# delimited text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_line_ends_and_byte_order_marks(tmp_path, separator, mark, end):
    content = CSV.replace(",", separator).replace("\n", end)
    assert fields(write(tmp_path / "a.csv", mark + content.encode())) == ROWS


def test_line_breaks_inside_quotation_marks(tmp_path):
    rows = [{"label": "ab"[i % 2], "text": f"one, {i}\ntwo, three\n\nfour"} for i in range(6)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([rows[0], *(row.values() for row in rows)])
    assert fields(write(tmp_path / "a.csv", out.getvalue())) == rows


WIDE = "id,text,label,who,more\n" + "".join(f"{i},line {i},{'ab'[i % 2]},x,\n" for i in range(9))


def stray(*places):
    lines = WIDE.split("\n")
    for place, old, new in places:
        lines[place] = lines[place].replace(old, new)
    return "\n".join(lines)


SWALLOWING = stray((3, "line 2", '"line 2'), (6, "line 5", 'line 5"'))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SWALLOWING, "row 4: A quoted field spans 4 lines that look like rows of 5 fields"),
        (stray((3, "line 2", '"line 2')), "row 4: A quotation mark that opens a field here is not closed"),
    ],
)
def test_a_stray_quotation_mark_stops_and_names_the_key(tmp_path, content, reason):
    path = write(tmp_path / "a.csv", content)
    assert reason in refusal(path)
    assert "`quoting` = false" in refusal(path)
    rows = fields(path, TableForm(quoting=False))
    assert len(rows) == 9
    assert rows[2]["text"] == '"line 2'


def test_a_quoted_field_over_whole_rows_may_be_right(tmp_path):
    assert len(fields(write(tmp_path / "a.csv", SWALLOWING), TableForm(quoting=True))) == 6


def test_two_columns_swallow_too(tmp_path):
    content = 'label,text\na,"one\nb,two\na,three"\n'
    assert "3 lines that look like rows of 2 fields" in refusal(write(tmp_path / "a.csv", content))
    two = "label,text\n" + 20 * "a,so\nb,no\n" + 'a,"hello\nhow are you, then"\n'
    assert fields(write(tmp_path / "b.csv", two))[-1] == {"label": "a", "text": "hello\nhow are you, then"}


def test_a_row_with_a_field_more_is_bad_in_an_unquoted_file(tmp_path):
    rows = list(
        read_table(write(tmp_path / "a.csv", "text,label\none, two,a\nthree,b\n"), TableForm(quoting=False))
    )
    assert [type(row).__name__ for row in rows] == ["BadRow", "Record"]


def test_a_tsv_is_not_quoted_unless_it_says_so(tmp_path):
    content = 'text\tlabel\n"he said ""no"""\ta\n"she ""too"""\tb\n"a\tb"\ta\n'
    path = write(tmp_path / "a.tsv", content.replace('"a\tb"', '"ab"'))
    assert open_source(str(path)).quoted == 1
    assert open_source(str(path), TableForm(quoting=False)).quoted == 0
    assert fields(path, TableForm(quoting=True))[0]["text"] == 'he said "no"'
    assert fields(path, TableForm(quoting=False))[0]["text"] == '"he said ""no"""'
    assert open_source(str(write(tmp_path / "c.tsv", 'text\tlabel\n"yes" "no"\ta\n' * 3))).quoted == 0
    assert fields(write(tmp_path / "b.tsv", 'text\tlabel\n"yes" and "no"\ta\n'))[0]["text"] == '"yes" and "no"'


@pytest.mark.parametrize("width", [1, 3])
def test_empty_columns_without_a_name_are_dropped(tmp_path, width):
    more = "," * width
    path = write(tmp_path / "a.csv", CSV.replace("\n", f"{more}\n"))
    assert fields(path) == ROWS
    write(path, CSV.replace("\n", f"{more}\n", 3))  # some rows end earlier
    assert fields(path) == ROWS
    rows = list(read_table(write(path, CSV.replace("\n", f"{more}\n") + f"one,a{more[1:]},secret\n")))
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [
        f"field {2 + width} holds something, but the header has no name for it"
    ]


def test_commas_behind_every_row_but_the_header(tmp_path):
    assert fields(write(tmp_path / "a.csv", CSV.replace("\n", ",\n").replace(",\n", "\n", 1))) == ROWS


def test_index_columns_are_dropped(tmp_path):
    numbered = [f"{i},{line}" for i, line in enumerate(CSV.splitlines()[1:])]
    assert fields(write(tmp_path / "pandas.csv", "\n".join([",text,label", *numbered]))) == ROWS
    assert fields(write(tmp_path / "r.csv", "\n".join(["text,label", *numbered]))) == ROWS


def test_a_header_that_repeats_a_name_is_still_refused(tmp_path):
    assert "repeats a column name" in refusal(write(tmp_path / "a.csv", "text,text,\na,b,\n"))
    assert "The header has no name" in refusal(write(tmp_path / "b.csv", ",,\na,b,c\n"))


# encodings

WORDS = {
    "gb18030": "今天我很难过，不知道该怎么办，心里不好受",
    "big5": "今天我很難過，不知道該怎麼辦，心裡不好受",
    "shift_jis": "今日はとても悲しいです。どうすればいいのか分かりません",
    "euc_jp": "今日はとても悲しいです。どうすればいいのか分かりません",
    "cp949": "오늘은 너무 슬프다. 어떻게 해야 할지 모르겠어요",
    "cp1252": "je suis très fâché, ça m'énerve beaucoup",
    "cp1250": "jestem zły i smutny, nie wiem, co zrobić, żeby było lepiej",
    "cp1251": "мне сегодня очень грустно",
    "koi8-r": "мне сегодня очень грустно",
    "cp1253": "σήμερα είμαι πολύ λυπημένος",
    "cp1254": "bugün çok üzgünüm, ne yapacağımı bilmiyorum, ışık yok",
    "utf-16": "plain words",
    "utf-16-le": "plain words",
}


@pytest.mark.parametrize("encoding", WORDS)
def test_other_encodings_are_named_and_read(tmp_path, encoding):
    rows = [{"text": f"{WORDS[encoding]} {i}", "label": "ab"[i % 2]} for i in range(9)]
    content = "text;label\n" + "".join(f"{row['text']};{row['label']}\n" for row in rows)
    path = write(tmp_path / "a.csv", content.encode(encoding))
    assert f'`encoding` = "{encoding}"' in refusal(path)
    assert fields(path, TableForm(encoding=encoding)) == rows
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert fields(write(tmp_path / "a.jsonl", lines.encode(encoding)), TableForm(encoding=encoding)) == rows


def test_a_header_in_another_encoding_is_no_missing_header(tmp_path):
    path = write(tmp_path / "a.csv", f"内容,标签\n{WORDS['gb18030']},好\n".encode("gb18030"))
    assert "gb18030" in refusal(path)
    assert fields(path, TableForm(encoding="gb18030")) == [{"内容": WORDS["gb18030"], "标签": "好"}]


def test_single_broken_bytes_stay_bad_rows_and_other_encodings_refuse_what_is_not_theirs(tmp_path):
    path = write(tmp_path / "a.csv", CSV.encode() + b"caf\xe9,a\nd\xc3\xa9j\xc3\xa0,b\n")
    assert len(list(read_table(path))) == 14
    assert "is not valid ascii" not in str(list(read_table(path, TableForm(encoding="ascii"))))
    assert "is not valid utf-16" in refusal(
        write(tmp_path / "b.csv", b"\xff\xfe\x00\xd8a\x00"), TableForm(encoding="utf-16")
    )
    with pytest.raises(InputError, match="`encoding` = 'rot13' is not an encoding of text"):
        TableForm(encoding="rot13")
    with pytest.raises(InputError, match="`encoding` = 'martian'"):
        TableForm(encoding="martian")


def test_bytes_that_are_no_text_have_no_encoding():
    assert likely_encoding(bytes(range(128, 256)) * 4) is None


# JSON


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(map(json.dumps, ROWS)),
        "\n\n".join(map(json.dumps, ROWS)) + "\n",
        json.dumps({key: {str(i): row[key] for i, row in enumerate(ROWS)} for key in ("text", "label")}),
        json.dumps({key: [row[key] for row in ROWS] for key in ("text", "label")}),
        json.dumps(
            {"columns": ["text", "label"], "index": [*range(12)], "data": [[*row.values()] for row in ROWS]}
        ),
        json.dumps({key: [row[key] for row in ROWS] for key in ("text", "label")}, indent=1),
    ],
    ids=["list", "indented", "lines", "blank lines", "columns", "lists", "split", "indented columns"],
)
def test_json_in_every_form_under_any_ending(tmp_path, name, content):
    assert fields(write(tmp_path / name, content)) == ROWS


def test_records_by_key(tmp_path):
    content = json.dumps({f"id{i}": row for i, row in enumerate(ROWS)})
    assert fields(write(tmp_path / "a.json", content)) == [{"key": f"id{i}", **row} for i, row in enumerate(ROWS)]
    content = json.dumps({str(i): row for i, row in enumerate(ROWS)})
    assert [row["text"] for row in fields(write(tmp_path / "b.json", content))] == [row["text"] for row in ROWS]


def test_a_long_list_is_read_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("distill.corpora.reading.json.text.CHUNK_BYTES", 7)
    rows = [*ROWS, {"text": "ü" * 50, "label": 1.5, "more": [True, None, {"a": []}]}, {}]
    assert fields(write(tmp_path / "a.json", json.dumps(rows))) == rows
    assert fields(write(tmp_path / "b.json", json.dumps(rows, indent=1, ensure_ascii=False))) == rows
    assert "(line 3, column 14)" in refusal(write(tmp_path / "c.json", '[\n{"text": "x"},\n{"text": "x" "y"}]'))
    for broken in ('[{"a": 1}', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', '[{"a": "', "[1, 2", "{", '{"a"', "[}"):
        assert "not valid JSON" in refusal(write(tmp_path / "d.json", broken))


def test_an_object_around_rows_names_the_path(tmp_path):
    path = write(tmp_path / "a.json", json.dumps({"version": 1, "data": ROWS}))
    assert '`text` = "data[].text"' in refusal(path)
    assert "The file is neither a list of objects" in refusal(write(tmp_path / "b.json", '{"text": "x"}'))


# nested JSON

TALKS = [
    {
        "id": f"t{talk}",
        "topic": "ab"[talk % 2],
        "talk": [
            {"text": f"line {talk} {turn}", "mood": "xy"[turn % 2], "tags": ["p"] * turn} for turn in range(3)
        ],
    }
    for talk in range(10)
]


def nested(source, *columns):
    tables = open_source(str(source), TableForm(root=columns[0].split("[")[0]), None, columns)
    return list(tables.by_split["train"].rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(TALKS)),
        ("a.jsonl", "\n".join(map(json.dumps, TALKS))),
        ("a.json", json.dumps({f"k{i}": talk for i, talk in enumerate(TALKS)})),
    ],
    ids=["list", "lines", "by key"],
)
def test_a_path_gives_one_row_per_element_and_a_group_per_list(tmp_path, name, content):
    rows = nested(write(tmp_path / name, content), "talk[].text", "talk[].mood", "topic", "talk[].tags[]")
    assert [row.fields["talk[].text"] for row in rows] == [t["text"] for talk in TALKS for t in talk["talk"]]
    assert [row.fields["talk[].mood"] for row in rows] == [t["mood"] for talk in TALKS for t in talk["talk"]]
    assert [row.fields["topic"] for row in rows] == [talk["topic"] for talk in TALKS for _ in range(3)]
    assert rows[2].fields["talk[].tags[]"] == ["p", "p"]
    groups = [row.group for row in rows]
    assert len(set(groups)) == 10
    assert len(set(groups[:3])) == 1


def test_rows_under_a_key_are_read_without_it_and_have_no_group(tmp_path):
    path = write(tmp_path / "a.json", json.dumps({"about": {"x": 1, "y": 2}, "data": ROWS, "end": [1]}))
    rows = nested(path, "data[].text", "data[].label")
    assert [row.fields["data[].label"] for row in rows] == [row["label"] for row in ROWS]
    assert {row.group for row in rows} == {None}
    path = write(tmp_path / "b.json", json.dumps({"data": TALKS}))
    rows = nested(path, "data[].talk[].text", "data[].topic")
    assert len({row.group for row in rows}) == 10
    assert [row.fields["data[].topic"] for row in rows][:4] == ["a", "a", "a", "b"]


def test_conversations_stay_together(tmp_path):
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, TALKS)))
    spec = CorpusSpec(str(path), SINGLE, ("talk[].text",), "talk[].mood")
    corpus, _ = read_corpus(spec, seed=1)
    where = {}
    for name, split in corpus.splits():
        for text in split.texts:
            where.setdefault(text.split()[1], set()).add(name)
    assert all(len(names) == 1 for names in where.values())
    assert sum(len(split) for _, split in corpus.splits()) == 30


def test_paths_of_other_depths_stand_in_the_same_element(tmp_path):
    talks = [
        {"about": {"topic": "x"},
         "turns": [{"said": f"line {talk} {turn}", "gold": {"by": {"mood": turn}}} for turn in range(3)]}
        for talk in range(4)
    ]  # fmt: skip
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, talks)))
    rows = nested(path, "turns[].said", "turns[].gold.by.mood", "about.topic")
    assert [row.fields["turns[].gold.by.mood"] for row in rows] == [0, 1, 2] * 4
    assert {row.fields["about.topic"] for row in rows} == {"x"}
    posts = [
        {"user": f"u{i}", "posts": [f"post {i} {j}" for j in range(2)], "level": "ab"[i % 2]} for i in range(4)
    ]
    rows = nested(write(tmp_path / "b.json", json.dumps(posts)), "posts[]", "level")
    assert [(row.fields["posts[]"], row.fields["level"]) for row in rows[:3]] == [
        ("post 0 0", "a"),
        ("post 0 1", "a"),
        ("post 1 0", "b"),
    ]


def test_paths_without_lists_and_names_with_dots(tmp_path):
    rows = [{"meta": {"label": "ab"[i % 2]}, "text": f"line {i}", "v.1": i} for i in range(9)]
    read = nested(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))), "text", "meta.label", "v.1")
    assert [(row.fields["meta.label"], row.fields["v.1"]) for row in read][:2] == [("a", 0), ("b", 1)]


# text files


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_called_txt(tmp_path, separator):
    content = "".join(f"{row['text']}, and more{separator}{row['label']}\n" for row in ROWS)
    path = write(tmp_path / "a.txt", content)
    assert [row["text"] for row in fields(path)] == content.splitlines()  # without a name for its columns
    named = fields(path, TableForm(("text", "label")))
    assert named == [{"text": f"{row['text']}, and more", "label": row["label"]} for row in ROWS]
    assert fields(write(path, f"text{separator}label\n{content}")) == named


def test_texts_one_a_line_stay_texts(tmp_path):
    path = write(tmp_path / "a.txt", "Hello; there\nhow are you; today\n\nI said, no\n")
    assert fields(path) == [{"text": "Hello; there"}, {"text": "how are you; today"}, {"text": "I said, no"}]


@pytest.mark.parametrize("gap", ["\t", " "])
@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.conll"])
def test_columns_of_tokens_are_named(tmp_path, name, gap):
    block = f"I{gap}O\nlive{gap}O\nin{gap}O\nParis{gap}B-LOC\n\n"
    assert "holds CoNLL columns" in refusal(write(tmp_path / name, block * 5))


# containers


def compressed(suffix, content, name="a.csv"):
    match suffix:
        case ".gz":
            return gzip.compress(content)
        case ".xz":
            return lzma.compress(content)
        case ".zst":
            out = pa.BufferOutputStream()
            with pa.CompressedOutputStream(out, "zstd") as stream:
                stream.write(content)
            return out.getvalue().to_pybytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
        archive.writestr("__MACOSX/._a.csv", "x")
        archive.writestr("README.md", "x")
    return out.getvalue()


def parquet_bytes():
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out)
    return out.getvalue()


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst", ".zip"])
@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_compressed_files(tmp_path, kind, suffix):
    content = {
        "csv": CSV.encode(),
        "json": json.dumps(ROWS).encode(),
        "jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
        "parquet": parquet_bytes(),
    }[kind]
    end = f"a.{kind}.zip" if suffix == ".zip" else f"a.{kind}{suffix}"
    path = write(tmp_path / end, compressed(suffix, content, f"a.{kind}"))
    rows = open_source(str(path)).by_split["train"].rows
    assert [row.fields for row in rows] == ROWS
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / path.name)
    assert [row.fields for row in open_source(str(tmp_path / "folder")).by_split["train"].rows] == ROWS


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_compressed_file_cut_short_is_refused(tmp_path, suffix):
    path = write(tmp_path / f"a.csv{suffix}", compressed(suffix, CSV.encode() * 50)[:-20])
    assert "cannot be unpacked" in refusal(path)
    assert "cannot be" in refusal(write(path, b"no such thing"))


def test_an_archive_of_splits(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for split in ("train", "dev", "test"):
            archive.writestr(f"data/corpus-{split}.csv", CSV.replace("line", split))
        archive.writestr("notes.txt", "x")
    tables = open_source(str(tmp_path / "a.zip"))
    assert {name: next(table.rows).fields["text"] for name, table in tables.by_split.items()} == {
        "train": "train 0",
        "validation": "dev 0",
        "test": "test 0",
    }
    with pytest.raises(InputError, match="The zip archive cannot be read"):
        open_source(str(write(tmp_path / "b.zip", b"no archive")))


# spreadsheets


def test_xlsx(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the xlsx extra is not installed")
    book = openpyxl.Workbook()
    book.active.append([*ROWS[0], None, None])
    for row in ROWS:
        book.active.append([*row.values()])
    book.save(tmp_path / "a.xlsx")
    assert fields(tmp_path / "a.xlsx") == ROWS
    assert "cannot be read as .xlsx" in refusal(write(tmp_path / "b.xlsx", b"no book"))


@pytest.mark.parametrize("name", ["a.xls", "a.ods", "a.pkl"])
def test_what_is_not_read_names_what_is(tmp_path, name):
    assert "save it as ." in refusal(write(tmp_path / name, b"x")).lower()


# folders


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("train", "train"),
        ("set_train_v2", "train"),
        ("corpus-dev", "validation"),
        ("val.clean", "validation"),
        ("emotionTest", "test"),
        ("2018-E-c-En-test", "test"),
        ("train-00000-of-00003", "train"),
        ("contest", None),
        ("trainer", None),
        ("latest", None),
        ("train_test_all", None),
        ("values", None),
        ("unlabeled", "transfer"),
        ("devel", "validation"),
        ("Train", "train"),
        ("TRAIN", "train"),
        ("testé", None),
        ("тест_test", "test"),
        ("corpusDevSet", "validation"),
    ],
)
def test_splits_stand_in_names_as_words(stem, split):
    assert split_of(stem) == split


def splits_of(folder):
    return {name: table.where for name, table in open_source(str(folder)).by_split.items()}


def test_splits_in_folders_beside_files_are_read_or_refused(tmp_path):
    write(tmp_path / "train.csv", CSV)
    for name in ("test_set", "unlabelled", "notes"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "part.csv", CSV)
    assert splits_of(tmp_path).keys() == {"train", "test", "transfer"}
    (tmp_path / "Testing").mkdir()
    write(tmp_path / "Testing" / "part.csv", CSV)
    with pytest.raises(InputError, match=r"Several folders are for the test split \(Testing, test_set\)"):
        splits_of(tmp_path)
    write(tmp_path / "test.csv", CSV)
    (tmp_path / "Testing" / "part.csv").unlink()
    with pytest.raises(InputError, match=r"The test split is both test\.csv and a folder"):
        splits_of(tmp_path)


def test_a_lone_file_beside_a_hub_folder_is_no_guess(tmp_path):
    write(tmp_path / "extra.csv", CSV)
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.csv", CSV)
    with pytest.raises(InputError, match=r"has data in extra\.csv and in data/. Set `source` to one"):
        splits_of(tmp_path)


def test_splits_by_a_word_in_the_name(tmp_path):
    for name in ("set_train_v2.csv", "set_valid_v2.csv", "set_test_v2.csv", "labels.txt", "train_notes.txt"):
        write(tmp_path / name, CSV)
    assert splits_of(tmp_path) == {
        "train": str(tmp_path / "set_train_v2.csv"),
        "validation": str(tmp_path / "set_valid_v2.csv"),
        "test": str(tmp_path / "set_test_v2.csv"),
    }
    write(tmp_path / "set_train_v1.csv", CSV)
    with pytest.raises(
        InputError, match=r"Several files are for the train split \(set_train_v1.csv, set_train_v2.csv\)"
    ):
        splits_of(tmp_path)
    write(tmp_path / "train.csv", CSV)  # the bare name wins
    assert splits_of(tmp_path)["train"] == str(tmp_path / "train.csv")


def test_a_hub_clone_and_folders_of_splits(tmp_path):
    hub = tmp_path / "hub"
    write(hub / "README.md", "x")
    write(hub / ".git" / "config.json", "{}")
    for shard in range(2):
        write(hub / "data" / f"train-0000{shard}-of-00002.parquet", parquet_bytes())
    write(hub / "data" / "test-00000-of-00001.parquet", parquet_bytes())
    assert splits_of(hub).keys() == {"train", "test"}
    assert len(list(open_source(str(hub)).by_split["train"].rows)) == 24
    parts = tmp_path / "parts"
    write(parts / "train" / "one.csv", CSV)
    write(parts / "train" / "two.csv", CSV)
    write(parts / "test" / "one.csv", CSV)
    assert len(list(open_source(str(parts)).by_split["train"].rows)) == 24
    several = tmp_path / "several"
    for config in ("raw", "simplified"):
        write(several / config / "train.csv", CSV)
    with pytest.raises(
        InputError, match=r"several folders of data \(raw, simplified\). Set `source` to one of them"
    ):
        splits_of(several)


def save_to_disk(folder, rows, batches=1):
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as out,
        pa.ipc.new_stream(out, table.schema) as to,
    ):
        for batch in table.to_batches(max_chunksize=len(rows) // batches):
            to.write_batch(batch)
    features = {"text": {"_type": "Value"}, "label": {"_type": "ClassLabel", "names": ["no", "yes"]}}
    write(folder / "dataset_info.json", json.dumps({"features": features}))
    write(folder / "state.json", json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))


def test_folders_of_save_to_disk(tmp_path):
    rows = [{"text": f"line {i}", "label": i % 2} for i in range(30)]
    save_to_disk(tmp_path / "one", rows, batches=4)
    for split in ("train", "test"):
        save_to_disk(tmp_path / "two" / split, [{**row, "text": f"{split} {row['text']}"} for row in rows])
    write(tmp_path / "two" / "dataset_dict.json", json.dumps({"splits": ["train", "test"]}))
    assert [row.fields for row in open_source(str(tmp_path / "one")).by_split["train"].rows] == rows
    corpus, _ = read_corpus(CorpusSpec(str(tmp_path / "two"), SINGLE, ("text",), "label"), seed=1)
    assert corpus.task.labels == ("no", "yes")
    assert len(corpus.test) == 30
    (tmp_path / "one" / "data-00000-of-00001.arrow").write_bytes(b"cut")
    with pytest.raises(InputError, match="cannot be read as Arrow"):
        list(open_source(str(tmp_path / "one")).by_split["train"].rows)
    (tmp_path / "one" / "state.json").write_text('{"_data_files": [{"filename": "../../x"}]}')
    with pytest.raises(InputError, match="names no Arrow file"):
        open_source(str(tmp_path / "one"))


def test_a_member_of_an_archive_names_itself():
    from pathlib import Path

    file = DataFile(Path("a/b.zip"), "data/train.csv")
    assert (str(file), file.name, file.suffix, file.stem) == (
        f"{Path('a/b.zip')}, data/train.csv",
        "train.csv",
        ".csv",
        "train",
    )
    assert DataFile(Path("train.JSON.gz")).suffix == ".json"
