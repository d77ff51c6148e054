"""One command at a time in a run's folder."""

import errno
from pathlib import Path

import pytest

from distill.export.runtime.errors import InputError
from distill.files import lock
from distill.files.lock import exclusive
from tests.support.command import run_cli


def test_a_second_command_in_the_same_run_says_so_and_stops(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    with exclusive(tmp_path / "smoke"):
        done = run_cli("run", "smoke", "--runs", str(tmp_path))
    assert done.returncode == 2
    assert "Another distill command" in done.stderr
    assert [path.name for path in (tmp_path / "smoke").iterdir()] == [".lock"]


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_disk_without_locks_is_one_sentence(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(lock.FileLock, "acquire", refuse)
    match = r"cannot be written or locked \(.*locks.*\). Choose"
    with pytest.raises(InputError, match=match), exclusive(tmp_path):
        pass
