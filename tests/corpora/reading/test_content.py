"""What a file holds decides, where its name says something else."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.corpora.reading.files import read_table
from distill.export.runtime.errors import InputError

ROWS = [{"text": f"a text, no {i}", "label": ("joy", "fear")[i % 2]} for i in range(9)]
LINES = "\n".join(map(json.dumps, ROWS))
CSV = b"text,label\nit rained,joy\n"


def zipped(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("rows.csv", content)
    return out.getvalue()


def parquet():
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out)
    return out.getvalue()


JSON = {
    "lines": LINES,
    "list": json.dumps(ROWS),
    "indented list": json.dumps(ROWS, indent=1),
    "objects over lines": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "columns": json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}),
    "mark": "\ufeff" + LINES,
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "json", "jsonl", "ndjson"])
@pytest.mark.parametrize("form", JSON)
def test_json_is_read_under_any_ending(tmp_path, form, ending):
    if form == "objects over lines" and ending.endswith(("jsonl", "ndjson")):
        pytest.skip("lines are what the ending says")
    path = tmp_path / f"rows.{ending}"
    path.write_text(JSON[form], encoding="utf-8")
    assert [row.fields for row in read_table(path)] == ROWS


@pytest.mark.parametrize("text", ["[laughs] it rained", "{so} it goes", '"{" is a mark', "[{(", "{"])
def test_texts_that_begin_with_brackets_are_no_json(tmp_path, text):
    path = tmp_path / "rows.txt"
    path.write_text(f"it rained\n{text}\n")
    assert [row.fields["text"] for row in read_table(path)][1] == text


def test_a_cell_of_json_is_no_json_file(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text('{"joy": 1}\tit rained\n{"fear": 1}\tit snowed\n')
    assert len(list(read_table(path))) == 1  # a header and a row


DRAWN = {
    "Markdown": "| text | label |\n|:---|---|\n| it rained | joy |\n| it snowed | fear |\n",
    "Markdown without ends": "text | label\n--- | ---\nit rained | joy\nit snowed | fear\n",
    "without a rule": "| text | label |\n| it rained | joy |\n| it snowed | fear |\n",
    "psql": " text      | label\n-----------+-------\n it rained | joy\n it snowed | fear\n",
    "mysql": "+---+---+\n| text | label |\n+---+---+\n| it rained | joy |\n| it snowed | fear |\n+---+---+\n",
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("form", DRAWN)
def test_tables_that_are_drawn_are_refused(tmp_path, form, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_text(DRAWN[form])
    with pytest.raises(InputError, match="a table drawn with bars, as in Markdown. Save it as .csv"):
        list(read_table(path))


@pytest.mark.parametrize(
    "content", ["text|label\na|b\nc|d\n", "---\nit rained\n", "a + b | c\nd\n", "|\n", "| alone |\n"]
)
def test_bars_and_dashes_in_texts_are_no_table(tmp_path, content):
    path = tmp_path / "rows.txt"
    path.write_text(content)
    assert list(read_table(path))


@pytest.mark.parametrize("ending", ["csv", "txt", "json", "jsonl"])
@pytest.mark.parametrize("content", ["\n".join(map(repr, ROWS)), repr(ROWS)])
def test_dictionaries_of_python_are_refused(tmp_path, content, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_text(content)
    with pytest.raises(InputError, match=r"dictionaries as Python prints them.*json\.dumps"):
        list(read_table(path))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(CSV), "compressed with gzip"),
        (bz2.compress(CSV), "compressed with bzip2"),
        (lzma.compress(CSV), "compressed with xz"),
        (zipped(CSV), r"a zip archive or an \.xlsx workbook"),
        (parquet(), "a parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>", "a web page"),
        (b'<?xml version="1.0"?>\n<rows/>', "is XML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
    ],
    ids=["gzip", "bzip2", "xz", "zip", "parquet", "lfs", "html", "xml", "xls"],  # bytes hold the time of day
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_other_content_is_named(tmp_path, content, what, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        list(read_table(path))


def test_a_pointer_in_place_of_a_parquet_file_is_named(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(InputError, match="git lfs pull"):
        list(read_table(path))


def test_a_packed_file_in_an_archive_is_named(tmp_path):
    path = tmp_path / "rows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv.gz", gzip.compress(CSV))
    from distill.corpora.reading.streams import DataFile

    with pytest.raises(InputError, match="compressed with gzip"):
        list(read_table(DataFile(path, "rows.csv.gz")))
