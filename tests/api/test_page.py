"""docs/python.md, block by block: every public function has an example there, and all of them run."""

import inspect
import re
import shutil
from pathlib import Path

import pytest

import distill
from distill.export.runtime.reading.inputs import Turns
from tests.support.command import ROOT
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.tiny_turns import ROLES, TEMPLATE, make_turns_bundle

PAGE = ROOT / "docs/python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
TRAINS = "distill.train("


def place(folder: Path) -> None:
    make_tiny_bundle(folder / "bundle")
    make_turns_bundle(folder / "talking-bundle", Turns(2, ROLES, ("client",), segments=3, template=TEMPLATE))
    (folder / "lines.txt").write_text("i am happy\nyou feel sad\n")
    (folder / "rows.csv").write_text("message,mood\ni am happy,joy\nyou feel sad,sadness\n")


def test_the_base_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        if TRAINS not in block:
            exec(block, names)


def test_the_block_that_trains_finds_a_finished_run(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs, tmp_path / "runs" / "smoke")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"distill": distill}
    for block in BLOCKS:
        if TRAINS in block:
            exec(block.replace('"smoke"', repr(str(runs / "recipe.toml")), 1), names)
    run = names["run"]
    assert isinstance(run, distill.Run)
    assert run == distill.Run("runs/smoke")
    assert run.quality.macro_f1 == run.report.model("int8-weights").test.macro_f1
    assert all(line.endswith("already done") for line in capsys.readouterr().err.splitlines())
    shutil.rmtree(tmp_path / "runs/smoke/bundle")
    (tmp_path / "runs/smoke/report.json").unlink()
    for look in ("bundle", "report"):
        with pytest.raises(distill.InputError, match="Run its recipe to the end"):
            getattr(run, look)


def test_every_public_name_is_in_an_example_or_in_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    code = "\n".join(BLOCKS)
    for name in set(distill.__all__) - {"__version__"}:
        assert f"`{name}`" in page, name
        if inspect.isfunction(getattr(distill, name)):
            assert f"distill.{name}(" in code, name
    for name, member in vars(distill.Classifier).items():
        if (
            inspect.isfunction(member)
            and not name.startswith("_")
            and name not in ("decide_turns", "logits", "split", "token_ids", "watched_by")
        ):
            assert f"classifier.{name}(" in code, name
