"""Files of users in other encodings and without quoting: the options that a refusal names read them."""

import pytest

from distill.bundles.rows import Columns, read_rows
from distill.export.runtime import InputError
from distill.export.runtime.reading.inputs import ONE_TEXT


def test_another_encoding_is_named_with_the_option_that_reads_it(tmp_path):
    path = tmp_path / "rows.csv"
    texts = [f"今天我觉得很难过，没有人打电话给我 {i}" for i in range(9)]
    path.write_text("text,labels\n" + "".join(f"{text},joy\n" for text in texts), encoding="gb18030")
    with pytest.raises(InputError, match='pass --encoding "gb18030"'):
        list(read_rows(path, Columns(), ONE_TEXT))
    assert list(read_rows(path, Columns(encoding="gb18030"), ONE_TEXT)) == texts


def test_stray_marks_are_named_with_the_option_that_reads_them(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,labels\n"so it is,joy\nit rained,joy\n')
    with pytest.raises(InputError, match="pass --no-quoting"):
        list(read_rows(path, Columns(), ONE_TEXT))
    assert list(read_rows(path, Columns(quoting=False), ONE_TEXT)) == ['"so it is', "it rained"]
