"""The counters of `make house`, on houses of a few lines."""

import subprocess
from pathlib import Path

import pytest

from tests.house import LONG, ROOT, TASK, circles_of, code_lines, fill, longest_chain, static_numbers


def test_chains_and_circles_are_counted() -> None:
    chain = {"a": {"b"}, "b": {"c"}, "c": set[str](), "d": {"c"}}
    assert (longest_chain(chain), circles_of(chain)) == (3, [])
    round_trip = {**chain, "c": {"b"}}
    assert circles_of(round_trip) == [frozenset("bc")]
    assert longest_chain(round_trip) == 2


def test_comments_and_docstrings_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""On TaskKind.SINGLE."""\nx = 1  # multi_label\nif kind is TaskKind.SINGLE:  # "x"\n    pass\n'
    )
    assert [line for line in code_lines(path) if TASK.search(line)] == ["if kind is TaskKind.SINGLE:  "]


def test_a_small_house_is_counted(tmp_path: Path) -> None:
    for folder in ("distill/cli", "distill/runs", "export", "docs/browser"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "docs/browser/page.js").touch()
    (tmp_path / "distill/cli/app.py").write_text("from distill.runs import job\n\ndef f(job: 'job.Job'): ...\n")
    (tmp_path / "distill/runs/job.py").write_text("import distill.export.gate\nx: dict[str, Any] = {}\n")
    (tmp_path / "export/gate.py").write_text("def g(): import distill.runs.job\n")
    numbers = static_numbers(tmp_path)
    assert numbers["circles"] == "1"
    assert numbers["floors of packages in distill/"] == "2"
    assert numbers["functions with `Job` or `Run` as a parameter"] == "1"
    assert numbers["`dict[str, Any]` in distill/"] == "1"
    page = fill("| what | before | after |\n| circles | 2 | |\n| other | 1 | |\n", numbers)
    assert page == "| what | before | after |\n| circles | 2 | 1 |\n| other | 1 | |\n"


# what each may be at most; docs/ARCHITECTURE.md has what it is
AIMS = {
    "circles": 0,
    "functions with `Job` or `Run` as a parameter": 24,
    "`dict[str, Any]` in distill/": 19,
    "branches on a task kind": 5,
    "branches on a student family": 3,
    f"files over {LONG} lines": 0,
}


def test_the_house_keeps_its_aims() -> None:
    numbers = static_numbers(ROOT)
    assert {name: int(numbers[name]) for name in AIMS if int(numbers[name]) > AIMS[name]} == {}


def test_no_large_file_is_committed() -> None:
    """A clone stays small: no wheel, model or picture that a command left in the checkout comes in by accident."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in paths if path.is_file()}
    assert {name: size for name, size in large.items() if size > 2_000_000} == {}
    assert [name for name in large if name.endswith((".whl", ".safetensors", ".bin"))] == []
