"""Final names belong to something complete, and what is discarded leaves nothing behind."""

import os
from pathlib import Path

import pytest

from distill.files.atomic import discard, partial_of, remove_leftovers, write_text, write_whole


def test_a_file_that_was_not_completed_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "earlier")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError("killed here")

    with pytest.raises(OSError, match="killed here"):
        write_whole(path, fail)
    assert path.read_text() == "earlier"
    write_text(path, "\u00e9\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert not partial_of(path).exists()


def test_what_a_kill_left_of_a_discarded_folder_is_removed(tmp_path: Path) -> None:
    half = tmp_path / "export/fp32.discarded/deep"
    half.mkdir(parents=True)
    (half / "model").write_text("x")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["export"]


def test_a_folder_that_is_a_link_is_discarded_and_what_it_points_at_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine.txt").write_text("mine")
    for name, target in (("corpus", "elsewhere"), ("teacher", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
        discard(tmp_path / name)
        assert not os.path.lexists(tmp_path / name)
    (tmp_path / "student.discarded").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere"]
    assert (tmp_path / "elsewhere/mine.txt").read_text() == "mine"
