"""Files and folders that stand under their final names only when they are whole.

Each is written under another name beside it and renamed in one step, and a folder is renamed before it is deleted:
wherever a process is killed, a final name stands for a whole thing or for nothing.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PARTIAL = ".partial"

DISCARDED = ".discarded"


def partial_of(path: Path) -> Path:
    """The name under which a file or folder is written until it is whole."""
    return path.with_name(path.name + PARTIAL)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under its partial name, then put it in the place of `path`."""
    partial = partial_of(path)
    write(partial)
    put_in_place(partial, path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def put_in_place(partial: Path, final: Path) -> None:
    """Rename a whole file, or a whole folder where there is none yet.

    A file's bytes are on the disk before. Of a folder only the names are: its `stage.json` tells by their hashes
    which of its files a power cut took.
    """
    _sync(partial)
    os.replace(partial, final)
    _sync(final.parent)


def discard(folder: Path) -> None:
    """Remove a folder, or a link, if it is there: renamed first, so that no half of it keeps its name."""
    discarded = folder.with_name(folder.name + DISCARDED)
    remove(discarded)
    if os.path.lexists(folder):
        os.replace(folder, discarded)
        remove(discarded)


def remove_leftovers(root: Path) -> None:
    """Remove what a process was killed over while it discarded it, anywhere below `root`."""
    for path in sorted(root.rglob(f"*{DISCARDED}")):
        remove(path)


def remove(path: Path) -> None:
    """Remove whatever stands there, if anything does; what a link points at stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _sync(path: Path) -> None:
    """Have the disk keep a file's bytes, or a folder's names where its system can be asked for that."""
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
