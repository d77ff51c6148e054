"""Any name on any stdout, and paths with blanks and letters of other scripts."""

import io
import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from distill.cli.layout import print_table
from distill.cli.tables import print_tree
from distill.files.printable import escape_unencodable
from distill.runs.progress import Reporter
from tests.support.command import ROOT, run_cli

NAMES = ("anger \U0001f620", "\u05e4\u05d7\u05d3", "\u60b2\u4f24", "[bold]x[/bold]", 'it\'s "so"', ":smile:")
HOSTILE = ("a\nforged: 1", "b\r\x1b[2Jforged: 1", "c\tforged", "d\u2028forged", "e\u202eforged", "f\x85forged")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_are_lines_of_their_own_on_any_stdout(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    streams = {
        name: io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for name in ("stdout", "stderr")
    }
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    escape_unencodable()
    for name in (*NAMES, *HOSTILE):
        print_table(name, [name, "rows"], [[name, "1"]])
        print_tree({name: {name: name}})
        Reporter().say(name)
    for stream in streams.values():
        stream.flush()
        shown = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        assert not any(line.strip().startswith("forged") for line in shown.splitlines())
        assert not set(shown) & set("\x1b\r\t\x85\u2028\u202e")
        for name in NAMES:
            assert name.encode(encoding, "backslashreplace").decode(encoding) in shown


def test_a_table_without_a_reader_is_a_broken_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):  # rich would end the command with status 1
        print_table("by label", ["label"], [["a"]])


def test_an_error_is_one_line_whatever_it_names() -> None:
    done = run_cli("verify", "no\nerror: such\x1b[31m")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no\\nerror: such\\x1b[31m")
    assert done.stderr.count("\n") == 1


def test_paths_may_have_blanks_and_any_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs \u00fc \u4e2d" / "my run"
    shutil.copytree(ROOT / "tests/golden/static-fp32", folder / "a bundle")
    done = run_cli("predict", str(folder / "a bundle"), "--json", "i feel lonely")
    assert (done.returncode, done.stderr) == (0, "")
    assert "scores" in json.loads(done.stdout)
    rows = folder / "rows \u00e9.csv"
    lines = [f"some people sang no {row},{('joy', 'fear')[row % 2]}" for row in range(60)]
    rows.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    done = run_cli("init", str(rows), "--out", str(folder / "recipe.toml"))
    assert (done.returncode, done.stderr) == (0, "")
    written = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    assert Path(written["corpus"]["source"]).name == rows.name
    (folder / "corpus").mkdir()
    (folder / "corpus" / "train.parquet").write_bytes(b"x")
    done = run_cli("forget", str(folder), "--yes")
    assert done.returncode == 0
    assert not (folder / "corpus").exists()
    assert rows.exists()
