"""The examples: notebooks without outputs that run, a recipe that is one, and an index with all of them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from distill.recipe.load import load_recipe
from tests.support.command import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
GOLDEN = "tests/golden/static-int8-static"


def cells(notebook: Path) -> list[dict[str, Any]]:
    return list(json.loads(notebook.read_text(encoding="utf-8"))["cells"])


def code(notebook: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells(notebook) if cell["cell_type"] == "code"]


def execute(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook's cells in a folder, one after the other; return the names that they define."""
    matplotlib.use("agg")
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in code(EXAMPLES / "notebooks" / name):
        exec(cell, names)
    return names


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_has_no_outputs(notebook: Path) -> None:
    lines = [line for cell in code(notebook) for line in cell.splitlines() if line.strip()]
    assert len(lines) <= 40
    assert [cell for cell in cells(notebook) if cell.get("outputs") or cell.get("execution_count")] == []
    assert re.findall(r"(?<![.\w])/(?:home|tmp|work|Users)/", notebook.read_text(encoding="utf-8")) == []


@pytest.mark.slow
def test_from_a_csv_to_a_bundle_to_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = execute("csv_to_bundle.ipynb", tmp_path, monkeypatch)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "unseen.csv", "runs", "notebook.png"}
    assert {epoch.model for epoch in names["epochs"]} == {"teacher", "student"}
    assert [len(axes.patches) for axes in names["figure"].axes] == [0, len(names["classifier"].labels)]
    said = capsys.readouterr()
    assert f"on {names['unseen'].rows} rows" in said.out
    assert said.err == ""


def test_decide_explain_and_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / GOLDEN, tmp_path / GOLDEN)
    folder = tmp_path / "examples/notebooks"
    folder.mkdir(parents=True)
    names = execute("decide_explain_watch.ipynb", folder, monkeypatch)
    state = json.loads((folder / "watch.json").read_text())
    assert [window["counts"]["texts"] for window in state["windows"]] == [len(names["sample"])]
    said = capsys.readouterr().out
    assert f"texts counted: {len(names['sample'])} written: True" in said
    assert names["sample"][0].split("\t")[1] not in said


def test_the_recipe_of_an_endpoint_is_one() -> None:
    recipe = load_recipe(str(EXAMPLES / "endpoint.toml"))
    assert (recipe.teacher.kind, recipe.student.kind) == ("endpoint", "layers")


def test_the_index_has_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[([^\]]+)\]\(\1\)", page, re.MULTILINE)
    found = subprocess.run(["git", "ls-files"], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("not a git checkout")
    examples = {name for name in found.stdout.split() if Path(name).name not in ("README.md", ".gitignore")}
    assert sorted(listed) == sorted(examples)
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (EXAMPLES / target).exists(), target
