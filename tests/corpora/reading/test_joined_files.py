"""Delimited files as exports leave them: comments, titles, repeated headers, mixed line ends, rare separators."""

import json

import pytest

from distill.corpora.reading.encodings import likely_encoding
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import PLAIN, TableForm
from distill.corpora.reading.rows import BadRow, Record
from distill.corpora.reading.streams import DataFile
from distill.export.runtime.errors import InputError

ROWS = [
    {"text": f"line {row}{', and more' * (row % 3)}", "label": "ab"[row % 2], "who": f"p{row}"}
    for row in range(12)
]
HEADER, *LINES = ["text\tlabel\twho", *("\t".join(row.values()) for row in ROWS)]
TSV = "\n".join([HEADER, *LINES, ""])
NAMED = TableForm(columns=("text", "label"))


def saved(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, form=PLAIN):
    return list(read_table(path, form))


def fields(path, form=PLAIN):
    rows = read(path, form)
    assert all(isinstance(row, Record) for row in rows), [row for row in rows if isinstance(row, BadRow)]
    return [row.fields for row in rows]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
@pytest.mark.parametrize(
    "above", ["# exported by X\n", "# from 2020, in three parts\n#\n# licence\n\n", '#"a stray mark\n']
)
def test_comments_above_a_header_are_no_rows(tmp_path, name, above):
    path = saved(tmp_path / name, above + TSV)
    assert fields(path) == ROWS
    assert read(path)[0].row == above.count("\n") + 2


def test_a_header_may_begin_with_a_number_sign(tmp_path):
    rows = fields(saved(tmp_path / "a.tsv", f"# licence\n#{TSV}"))
    assert [list(row.values()) for row in rows] == [list(row.values()) for row in ROWS]
    assert list(rows[0]) == ["#text", "label", "who"]


def test_texts_that_begin_with_a_number_sign_are_rows(tmp_path):
    content = "#sad so tired\ta\n#happy at last\tb\nno sign here\ta\n"
    assert len(fields(saved(tmp_path / "a.tsv", content), NAMED)) == 3
    assert len(fields(saved(tmp_path / "b.tsv", f"text\tlabel\n{content}"))) == 3


@pytest.mark.parametrize("title", ["Results of 2020", "Results of 2020\n\nMade by X", "Results of 2020\t\t"])
def test_a_title_above_the_header_is_refused(tmp_path, title):
    path = saved(tmp_path / "a.tsv", f"{title}\n{TSV}")
    with pytest.raises(
        InputError, match=r"row 1: The row has one field where the rows below have 3. Remove the lines above"
    ):
        read(path)


def test_one_column_has_no_title(tmp_path):
    assert len(fields(saved(tmp_path / "a.csv", "text\none\ntwo\nthree\nfour\n"))) == 4
    indexed = '"text"\n' + "".join(f'"{row}","line"\n' for row in range(9))
    assert fields(saved(tmp_path / "r.csv", indexed)) == [{"text": "line"}] * 9


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_comes_again_is_no_row(tmp_path, name, mark):
    assert fields(saved(tmp_path / name, mark + TSV + mark + TSV)) == ROWS * 2


def test_a_header_that_comes_again_in_another_order_is_refused(tmp_path):
    path = saved(tmp_path / "a.tsv", f"{TSV}who\ttext\tlabel\n")
    with pytest.raises(InputError, match="row 14: The row repeats the header in another order"):
        read(path)


def test_a_word_that_names_its_column_may_be_a_text(tmp_path):
    assert fields(saved(tmp_path / "a.csv", "text\ntext\n")) == [{"text": "text"}]
    assert len(fields(saved(tmp_path / "b.csv", "text,label\ntext,a\nlabel,b\n"))) == 2


def test_sheets_repeat_headers_too(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the xlsx extra is not installed")
    book = openpyxl.Workbook()
    for _ in range(2):
        for row in (list(ROWS[0]), *(list(row.values()) for row in ROWS)):
            book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert fields(tmp_path / "a.xlsx") == ROWS * 2


@pytest.mark.parametrize("end", ["\r", "\r\r\n"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
def test_rare_line_ends(tmp_path, name, end):
    assert fields(saved(tmp_path / name, TSV.replace("\n", end))) == ROWS


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
def test_mixed_line_ends(tmp_path, name):
    ends = ["\n", "\r\n", "\r"]
    content = "".join(line + ends[row % 3] for row, line in enumerate([HEADER, *LINES]))
    assert fields(saved(tmp_path / name, content)) == ROWS


def test_a_carriage_return_inside_a_text_stays(tmp_path):
    content = TSV.replace("line 4, and", "line 4,\rand")
    assert fields(saved(tmp_path / "a.tsv", content))[4]["text"] == "line 4,\rand more"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r"])
def test_lines_of_json_end_anyhow(tmp_path, end):
    assert fields(saved(tmp_path / "a.jsonl", end.join(map(json.dumps, ROWS)))) == ROWS


def test_footers_are_bad_rows(tmp_path):
    rows = read(saved(tmp_path / "a.tsv", f"{TSV}\n(12 rows)\n"))
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [
        "too few fields: 1 where there are 3 columns"
    ]


@pytest.mark.parametrize("separator", ["###", " +++$+++ ", " ||| ", "||", ":::", "::", "[SEP]", "<sep>"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_separators_of_several_characters(tmp_path, name, separator):
    content = "\n".join(separator.join(list(row.values())[:2]) for row in ROWS)
    wanted = [{"text": row["text"], "label": row["label"]} for row in ROWS]
    assert fields(saved(tmp_path / name, content), NAMED) == wanted
    assert fields(saved(tmp_path / f"with-{name}", f"text{separator}label\n{content}")) == wanted


def test_marks_in_some_texts_separate_nothing(tmp_path):
    content = "text,label\nso :: what,a\nno,b\nyes,a\n"
    assert len(fields(saved(tmp_path / "a.csv", content))) == 3
    assert fields(saved(tmp_path / "a.txt", "why :: not\nno\nyes\n"))[0] == {"text": "why :: not"}


def test_empty_fields_behind_the_named_ones_are_dropped(tmp_path):
    content = "".join(f"line {row}\t{'ab'[row % 2]}\t\t\n" for row in range(5))
    assert fields(saved(tmp_path / "a.tsv", content), NAMED)[0] == {"text": "line 0", "label": "a"}
    assert isinstance(read(saved(tmp_path / "b.tsv", content + "line\ta\tx\t\n"), NAMED)[-1], BadRow)


WORDS = {
    "today": "plain words",
    "heute": "мне сегодня очень грустно",
    "今天": "我很难过不知道怎么办",
    "오늘": "너무 슬프다 어떻게",
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", WORDS)
def test_wide_encodings_without_a_mark(tmp_path, name, encoding):
    rows = [{name: f"{WORDS[name]} {row}", "label": "ab"[row % 2]} for row in range(9)]
    content = f"{name};label\n" + "".join(f"{row[name]};{row['label']}\n" for row in rows)
    path = saved(tmp_path / "a.csv", content.encode(encoding))
    with pytest.raises(InputError, match=f'`encoding` = "{encoding}"'):
        read(path)
    assert fields(path, TableForm(encoding=encoding)) == rows


def test_zero_bytes_among_text_are_no_encoding():
    assert likely_encoding(b"text,label\nso\0,a\n") is None


def test_dumps_of_forums(tmp_path):
    import pyarrow as pa

    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write("\n".join(map(json.dumps, ROWS)).encode())
    assert fields(saved(tmp_path / "RC_2019-01.zst", out.getvalue().to_pybytes())) == ROWS
    assert fields(saved(tmp_path / "RS_2019-01", "\n".join(map(json.dumps, ROWS)))) == ROWS
    with pytest.raises(InputError, match="The kind of file"):
        read(saved(tmp_path / "notes", "no lines of JSON"))


def test_a_long_window_of_zstd_names_the_command(tmp_path):
    content = b'{"text": "so"}\n' * 2
    # a frame as `zstd --long=31` writes it: its window, then one raw block
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + (1 | len(content) << 3).to_bytes(3, "little") + content
    with pytest.raises(
        InputError, match=r"needs more than 128 MB to unpack. Unpack it first with zstd -d --long=31"
    ):
        DataFile(saved(tmp_path / "a.jsonl.zst", frame)).head()


def test_commas_in_a_tsv_are_named(tmp_path):
    with pytest.raises(InputError, match=r"has no tab, and its header has ',' between names\. Name it \.csv"):
        read(saved(tmp_path / "a.tsv", "text,label\nso,a\n"))
    assert fields(saved(tmp_path / "b.tsv", "text\nso, a\n")) == [{"text": "so, a"}]
