"""A user's script under mypy strict and pyright: the package is typed, and a typo is found."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.tiny_bundle import make_tiny_bundle

SCRIPT = ROOT / "examples/triage.py"
WRONG = """
import distill

prediction = distill.load("bundle")("text")
print(prediction.scors)
distill.load("bundle").predict(["text"], top_k="3")
distill.evaluate("bundle").rows
"""


@pytest.fixture(scope="module")
def tree() -> Path:
    """The package as a wheel has it, as links: checkers know nothing of package-dir."""
    if not (ROOT / "build/tree/distill/api").exists():
        subprocess.run(["make", "-s", "tree"], cwd=ROOT, check=True)
    return ROOT / "build/tree"


def mypy(tree: Path, *scripts: Path) -> list[tuple[str, str]]:
    """The scripts and lines with errors, under the settings of `make lint`, whose cache saves a minute."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *map(str, scripts)],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "MYPYPATH": str(tree)},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return re.findall(r"(\w+)\.py:(\d+): error", done.stdout)


@pytest.mark.slow
def test_mypy_strict_accepts_a_users_script_and_finds_mistakes(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    assert mypy(tree, SCRIPT, tmp_path / "wrong.py") == [("wrong", line) for line in "567"]


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright_accepts_it_too(tree: Path, tmp_path: Path) -> None:
    settings = {"extraPaths": [str(tree)], "typeCheckingMode": "strict", "include": ["."]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    shutil.copy(SCRIPT, tmp_path)
    done = subprocess.run(
        ["pyright", "-p", str(tmp_path), "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_script_runs(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    (tmp_path / "rows.csv").write_text("message\ni am happy\nyou feel sad\n")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "bundle"), str(tmp_path / "rows.csv"), "message"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()) == ["1", "2"]
