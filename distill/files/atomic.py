"""Files and folders that have their final names only when they are complete.

Each is written under another name beside it and renamed in one step, and a folder is renamed before it is deleted:
wherever a process is killed, a final name belongs to something complete or to nothing.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PARTIAL = ".partial"

DISCARDED = ".discarded"


def partial_of(path: Path) -> Path:
    """Return the name of a file or folder until it is complete."""
    return path.with_name(path.name + PARTIAL)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under its partial name, then move it to `path`."""
    partial = partial_of(path)
    write(partial)
    put_in_place(partial, path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, completely or not at all."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def put_in_place(partial: Path, final: Path) -> None:
    """Rename a complete file, or a complete folder where none exists yet.

    A file's bytes are on the disk first. Of a folder only the names are: the hashes in its `stage.json` tell which
    of its files a power cut took.
    """
    _sync(partial)
    os.replace(partial, final)
    _sync(final.parent)


def discard(folder: Path) -> None:
    """Remove a folder or a link, if it exists: renamed first, so that no half of it keeps its name."""
    discarded = folder.with_name(folder.name + DISCARDED)
    remove(discarded)
    if os.path.lexists(folder):
        os.replace(folder, discarded)
        remove(discarded)


def remove_leftovers(root: Path) -> None:
    """Remove what a killed process was discarding, anywhere below `root`."""
    for path in sorted(root.rglob(f"*{DISCARDED}")):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, folder or link, if it exists; the target of a link stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _sync(path: Path) -> None:
    """Flush a file's bytes to the disk, or a folder's names where the system can do that."""
    if path.is_dir():
        with suppress(OSError):
            _sync_descriptor(os.open(path, os.O_RDONLY))
    else:
        _sync_descriptor(os.open(path, os.O_RDWR))


def _sync_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
