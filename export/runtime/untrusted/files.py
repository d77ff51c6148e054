"""A bundle's files, each read once: the bytes that are hashed are the bytes that are used."""

import os
import stat
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from distill.export.runtime.errors import BundleError

# what one read gives at most on Linux, a page less than the 2 GiB at which protobuf ends
MAX_MODEL_BYTES = 0x7FFFF000

# the largest published tokenizer file has some 35 MB
MAX_SMALL_BYTES = 64 * 2**20


def most_bytes(name: str) -> int:
    """How large a file of this name may be."""
    return MAX_MODEL_BYTES if name.startswith("onnx/") else MAX_SMALL_BYTES


def read_file(folder: Path, name: str, *, most: int, expected: int | None = None) -> bytes:
    """The bytes of one regular file inside `folder`, its size held to the bounds before it is read.

    Args:
        folder: the bundle.
        name: relative, with '/'.
        most: bytes that it may have.
        expected: bytes that it must have, where that is known.

    Raises:
        BundleError: it is missing, a link, something else than a file, too large, or unreadable.
    """
    path = folder / name
    try:
        _refuse_links(folder, name)
        # before `open` too: opening alone makes some devices act
        _check_kind(path, os.lstat(path))
        with open(path, "rb", buffering=0, opener=_open) as stream:
            status = os.fstat(stream.fileno())
            _check_kind(path, status)
            _check_size(path, status.st_size, most, expected)
            content = stream.read(status.st_size + 1)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: is missing; copy the whole bundle again") from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise BundleError(f"{path}: cannot be read ({reason}); check the file and its permissions") from error
    if len(content) != status.st_size:
        raise BundleError(f"{path}: changed while it was read; try again once nobody writes to it")
    return bytes(content)


def refuse_unlisted(folder: Path, name: str, listed: Collection[str]) -> None:
    """Refuse any file or link in the subfolder `name` that is not listed, and any folder with nothing listed.

    Raises:
        BundleError: there is one, or the subfolder cannot be read.
    """
    try:
        places = {parent.as_posix() for path in listed for parent in PurePosixPath(path).parents}
        for parent, folders, files in os.walk(folder / name, onerror=_raise):
            for entries, known in ((folders, places), (files, listed)):
                for entry in entries:
                    path = Path(parent, entry)
                    if path.is_symlink() or path.relative_to(folder).as_posix() not in known:
                        raise BundleError(f"{path}: stands under {name}/ but not in the manifest; remove it")
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name}: cannot be listed; check its permissions") from error


def _refuse_links(folder: Path, name: str) -> None:
    """A link may point out of the folder, and what it points at can be exchanged unseen."""
    path = folder
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            raise BundleError(
                f"{path}: is a symbolic link; copy real files (from the Hub: `hf download --local-dir`)"
            )


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{path}: is not a regular file; copy the whole bundle again")


def _check_size(path: Path, size: int, most: int, expected: int | None) -> None:
    if size > most:
        raise BundleError(f"{path}: has {size} bytes, must have at most {most}")
    if expected is not None and size != expected:
        raise BundleError(f"{path}: has {size} bytes, the manifest says {expected}; copy it again")


def _open(path: str, flags: int) -> int:
    """A FIFO put there since the check must not keep this waiting, and a link must not be followed."""
    for name in ("O_NONBLOCK", "O_NOFOLLOW"):
        flags |= getattr(os, name, 0)  # not on Windows
    return os.open(path, flags)


def _raise(error: OSError) -> None:
    raise error
