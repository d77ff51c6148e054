"""Files of users in other encodings and without quoting: the options that a refusal names read them."""

import pytest

import distill
from distill.bundles.rows import Columns, read_rows
from distill.export.runtime import InputError
from distill.export.runtime.reading.inputs import ONE_TEXT
from tests.support.command import run_cli
from tests.support.tiny_bundle import make_tiny_bundle


def test_another_encoding_is_named_with_the_option_that_reads_it(tmp_path):
    path = tmp_path / "rows.csv"
    texts = [f"今天我觉得很难过，没有人打电话给我 {i}" for i in range(9)]
    path.write_text("text,labels\n" + "".join(f"{text},joy\n" for text in texts), encoding="gb18030")
    with pytest.raises(InputError, match='set `encoding` = "gb18030"'):
        list(read_rows(path, Columns(), ONE_TEXT))
    assert list(read_rows(path, Columns(encoding="gb18030"), ONE_TEXT)) == texts


def test_stray_marks_are_named_with_the_option_that_reads_them(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,labels\n"so it is,joy\nit rained,joy\n')
    with pytest.raises(InputError, match="set `quoting` = false"):
        list(read_rows(path, Columns(), ONE_TEXT))
    assert list(read_rows(path, Columns(quoting=False), ONE_TEXT)) == ['"so it is', "it rained"]


def test_the_shell_is_told_options_and_python_arguments(tmp_path):
    bundle, stray, other = make_tiny_bundle(tmp_path / "bundle"), tmp_path / "stray.csv", tmp_path / "other.csv"
    stray.write_text('text,labels\n"so it is,joy\nit rained,joy\n')
    other.write_text("text,labels\n" + "今天我觉得很难过，没有人打电话给我,joy\n" * 9, encoding="gb18030")
    for file, option, argument in (
        (stray, "set --no-quoting if", "set quoting=False if"),
        (other, 'set --encoding "gb18030"', 'set encoding="gb18030"'),
    ):
        assert option in run_cli("eval", str(bundle), str(file)).stderr.replace("\n", " ")
        with pytest.raises(InputError, match=argument):
            distill.evaluate(bundle, file)
