"""Forgetting a corpus: no copy stays in the run, everything else does, and the run can be made again."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from distill.export.runtime.errors import InputError
from distill.files.lock import exclusive
from distill.runs.forget import find_copies, left_outside, remove_copies
from tests.support.command import ROOT, command_of, run_cli


def made(folder: Path, source: str = "sample") -> Path:
    """What looks like a run that was killed and begun again."""
    for name in (
        "corpus/train.parquet",
        "corpus.partial/a/b.parquet",
        "corpus.discarded/quarantine.jsonl",
        "keep",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1234")
    (folder / "recipe.toml").write_text(f'name = "mine"\n[corpus]\nsource = "{source}"\n')
    return folder


def test_every_copy_goes_and_all_else_stays(tmp_path: Path) -> None:
    run = made(tmp_path / "mine")
    copies = find_copies(run)
    assert (copies.files, copies.bytes) == (3, 12)
    remove_copies(copies)
    assert sorted(path.name for path in run.iterdir()) == ["keep", "recipe.toml"]
    assert find_copies(run).paths == ()


def test_a_link_is_removed_and_its_target_named(tmp_path: Path) -> None:
    run = made(tmp_path / "mine")
    shutil.move(run / "corpus", tmp_path / "elsewhere")
    (run / "corpus").symlink_to(tmp_path / "elsewhere")
    copies = find_copies(run)
    left = left_outside(run, copies)
    remove_copies(copies)
    assert not (run / "corpus").is_symlink()
    assert (tmp_path / "elsewhere/train.parquet").is_file()
    assert str(tmp_path / "elsewhere") in left[0]


def test_what_is_not_the_runs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path / "mine", "~/rows.csv")
    assert str(Path.home() / "rows.csv") in left_outside(run, find_copies(run))[0]
    made(run, "hub:org/name:part@main")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert "in no cache" in left_outside(run, find_copies(run))[0]
    for name in ("hub/datasets--org--name", "datasets/org___name"):
        (tmp_path / "hf" / name).mkdir(parents=True)
    first, second = left_outside(run, find_copies(run))
    assert f"rm -r '{tmp_path / 'hf/hub/datasets--org--name'}'" in first
    assert f"rm -r '{tmp_path / 'hf/datasets/org___name'}'" in second


@pytest.mark.parametrize("recipe", [b"corpus = 3", b"\xff\xfe", b"[corpus", b"corpus = " + b"[" * 100_000])
def test_a_damaged_recipe_is_no_hindrance(recipe: bytes, tmp_path: Path) -> None:
    run = made(tmp_path / "mine")
    (run / "recipe.toml").write_bytes(recipe)
    copies = find_copies(run)
    assert copies.files == 3
    assert left_outside(run, copies) == []


@pytest.mark.parametrize("given", ["runs/mine/corpus", "runs/mine/bundle", "mine", "runs/mime"])
def test_what_is_no_run_is_refused_with_the_one_that_was_meant(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "runs/mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Did you mean .*runs/mine"):
        find_copies(Path(given))
    with pytest.raises(InputError, match="is not a run"):
        find_copies(tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_it_asks_and_without_a_terminal_refuses(tmp_path: Path) -> None:
    run = made(tmp_path / "mine")
    refused = run_cli("forget", str(run), stdin="y\n")
    assert refused.returncode == 2
    assert "Pass --yes" in refused.stderr
    assert (run / "corpus").is_dir()
    for answer, stays in ((b"n\n", True), (b"y\n", False)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            command_of("forget", str(run)), cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE
        ) as asked:
            os.write(ours, answer)
            said, _ = asked.communicate()
        os.close(ours)
        os.close(theirs)
        assert asked.returncode == 0
        assert (run / "corpus").is_dir() is stays, said


def test_it_never_works_under_a_running_command(tmp_path: Path) -> None:
    run = made(tmp_path / "mine")
    with exclusive(run):
        done = run_cli("forget", str(run), "--yes")
    assert done.returncode == 2
    assert "Another distill command" in done.stderr
    assert (run / "corpus/train.parquet").is_file()


def test_a_forgotten_run_still_answers_and_comes_back_the_same(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "smoke"
    shutil.copytree(runs, run)
    done = run_cli("forget", str(run), "--yes")
    assert done.returncode == 0, done.stderr
    assert f"removed: {run / 'corpus'}" in done.stdout
    assert not list(run.glob("corpus*"))
    assert run_cli("predict", str(run / "bundle"), "hello").returncode == 0
    assert (run / "report.html").is_file()
    again = run_cli("run", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    assert again.returncode == 0, again.stderr
    redone = [line.split(":")[0] for line in again.stderr.splitlines() if not line.endswith("already done")]
    # The report tells how long each stage took: it stays when the corpus took as long as before, to the hundredth.
    assert redone in (["corpus"], ["corpus", "report"]), again.stderr
    for file in (runs / "bundle").rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (run / "bundle" / file.relative_to(runs / "bundle")).read_bytes(), file
