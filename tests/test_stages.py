"""Stages: done once, redone when anything changed, never trusted half-written."""

from pathlib import Path

import pytest

from distill.stages import MARK_FILE, STAGE_FILE, Stage, execute


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
    assert not (folder / STAGE_FILE).exists()
    execute(stage(folder, [], resumable=resumable))
    assert (folder / "half.txt").exists() is resumable
    assert not (folder / MARK_FILE).exists()


def test_files_outside_the_folder_count_too(tmp_path: Path) -> None:
    log: list[str] = []
    other = tmp_path / "other.txt"

    def work(_: Path) -> None:
        log.append("ran")
        other.write_text("x")

    made = Stage("demo", tmp_path / "s", {}, 1, work, also=(other,))
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

    made = Stage("demo", tmp_path / "s", {}, 1, work, also=(shipped,), edited=(shipped / "README.md",))
    execute(made)
    (shipped / "README.md").write_text("ours")
    (shipped / ".DS_Store").write_text("x")
    execute(made)
    assert log == ["ran"]
    (shipped / "model").write_text("other weights")
    execute(made)
    assert log == ["ran", "ran"]
