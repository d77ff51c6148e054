"""Stages: done once, redone when anything changed, never trusted half-written."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distill.files.atomic import partial_of, remove_leftovers, write_text
from distill.runs.stage import STAGE_FILE, UNFINISHED, Stage, execute


def stage(folder: Path, log: list[str], inputs: dict[str, object] | None = None, **kwargs: object) -> Stage:
    def work(place: Path) -> None:
        log.append("ran")
        (place / "out.txt").write_text("result")

    return Stage("demo", folder, inputs or {"a": 1}, 1, work, **kwargs)  # type: ignore[arg-type]


def test_a_stage_runs_once(tmp_path: Path) -> None:
    log: list[str] = []
    first, second = (execute(stage(tmp_path / "s", log)) for _ in range(2))
    assert log == ["ran"]
    assert (first.skipped, second.skipped) == (False, True)
    assert first.digest == second.digest


@pytest.mark.parametrize("damage", ["input", "output", "record", "deleted", "stray"])
def test_whatever_changed_it_runs_again(tmp_path: Path, damage: str) -> None:
    log: list[str] = []
    folder = tmp_path / "s"
    execute(stage(folder, log))
    inputs = {"a": 2} if damage == "input" else None
    if damage == "output":
        (folder / "out.txt").write_text("tampered")
    elif damage == "record":
        (folder / STAGE_FILE).write_text("{")
    elif damage == "deleted":
        (folder / "out.txt").unlink()
    elif damage == "stray":
        (folder / "more.txt").write_text("x")
    execute(stage(folder, log, inputs))
    assert log == ["ran", "ran"]
    assert (folder / "out.txt").read_text() == "result"


@pytest.mark.parametrize("resumable", [True, False])
def test_an_interrupted_stage_is_resumed_or_redone(tmp_path: Path, resumable: bool) -> None:
    folder = tmp_path / "s"

    def die(place: Path) -> None:
        (place / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(Stage("demo", folder, {"a": 1}, 1, die, resumable=resumable))
    assert not folder.exists()
    execute(stage(folder, [], resumable=resumable))
    assert (folder / "half.txt").exists() is resumable
    assert not (folder / UNFINISHED).exists()
    assert not partial_of(folder).exists()


def test_files_outside_the_folder_count_too(tmp_path: Path) -> None:
    log: list[str] = []
    other = tmp_path / "other.txt"

    def work(_: Path) -> None:
        log.append("ran")
        other.write_text("x")

    made = Stage("demo", tmp_path / "s", {}, 1, work, extra_outputs=(other,))
    execute(made)
    other.unlink()
    execute(made)
    execute(made)
    assert log == ["ran", "ran"]


def test_what_people_add_or_edit_in_what_ships_makes_nothing_undone(tmp_path: Path) -> None:
    log: list[str] = []
    shipped = tmp_path / "bundle"

    def work(_: Path) -> None:
        log.append("ran")
        shipped.mkdir(exist_ok=True)
        (shipped / "model").write_text("weights")
        (shipped / "README.md").write_text("card")

    made = Stage("demo", tmp_path / "s", {}, 1, work, extra_outputs=(shipped,), editable=(shipped / "README.md",))
    execute(made)
    (shipped / "README.md").write_text("ours")
    (shipped / ".DS_Store").write_text("x")
    execute(made)
    assert log == ["ran"]
    (shipped / "model").write_text("other weights")
    execute(made)
    assert log == ["ran", "ran"]


KILLED = 77
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}


def dies_at(count: int, act: Callable[[], object]) -> bool:
    """Run in a child that ends, as if by SIGKILL, before its `count`-th change to the disk; tell if it did."""
    child = os.fork()
    if child == 0:
        left = [count]

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(KILLED)

        sys.addaudithook(watch)
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def tree_of(root: Path) -> dict[str, bytes]:
    """Every file but for the seconds that a stage took."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.endswith(STAGE_FILE)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("before", ["nothing", "another", "unfinished"])
def test_killed_at_any_change_to_the_disk_it_ends_the_same(tmp_path: Path, before: str, resumable: bool) -> None:
    def made(root: Path, value: int) -> Stage:
        def work(place: Path) -> None:
            (place / "deep").mkdir(exist_ok=True)
            (place / UNFINISHED / "state").write_text("kept for going on")
            for name in ("one.bin", "deep/two.bin"):
                with (place / name).open("w") as stream:
                    stream.write(f"{name} of {value}")
            write_text(root / "beside.txt", f"beside {value}")

        return Stage(
            "demo", root / "s", {"a": value}, 1, work, resumable=resumable, extra_outputs=(root / "beside.txt",)
        )

    def go(root: Path, value: int = 2) -> None:
        remove_leftovers(root)
        execute(made(root, value))

    whole = tmp_path / "whole"
    whole.mkdir()
    go(whole)
    count, killed = 0, True
    while killed:
        count += 1
        root = tmp_path / str(count)
        root.mkdir()
        if before == "another":
            go(root, 1)
        elif before == "unfinished":
            assert dies_at(8, lambda root=root: go(root))
        killed = dies_at(count, lambda root=root: go(root))
        if (root / "s").exists():
            assert made(root, 1).done() or made(root, 2).done()
        go(root)
        assert tree_of(root) == tree_of(whole), count
        assert {path.name for path in root.iterdir()} == {"s", "beside.txt"}
        shutil.rmtree(root)
    assert count > 12


def test_a_training_is_not_lost_between_its_record_and_its_name(tmp_path: Path) -> None:
    log: list[str] = []
    made = stage(tmp_path / "s", log, resumable=True)
    execute(made)
    (tmp_path / "s").rename(partial_of(tmp_path / "s"))
    record = execute(made)
    assert log == ["ran"]
    assert record.skipped
    assert made.done()
