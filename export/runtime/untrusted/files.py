"""Files of a bundle, each read once, so that the bytes that are hashed are the bytes that are used."""

import os
import stat
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from distill.export.runtime.errors import BundleError

# the most that one read returns on Linux, one page below protobuf's limit of 2 GiB
MAX_MODEL_BYTES = 0x7FFFF000

# the largest published tokenizer file has about 35 MB
MAX_SMALL_BYTES = 64 * 2**20


def most_bytes(name: str) -> int:
    """Return the largest size in bytes that a file of this name may have."""
    return MAX_MODEL_BYTES if name.startswith("onnx/") else MAX_SMALL_BYTES


def read_file(folder: Path, name: str, *, most: int, expected: int | None = None) -> bytes:
    """Return the bytes of one regular file inside `folder`, whose size is checked before it is read.

    Args:
        folder: the bundle.
        name: relative, with '/'.
        most: largest allowed size in bytes.
        expected: required size in bytes, if it is known.

    Raises:
        BundleError: it is missing, a link, not a regular file, too large, or unreadable.
    """
    path = folder / name
    try:
        _refuse_links(folder, name)
        # before `open` as well: some devices act when they are merely opened
        _check_kind(path, os.lstat(path))
        with open(path, "rb", buffering=0, opener=_open) as stream:
            status = os.fstat(stream.fileno())
            _check_kind(path, status)
            _check_size(path, status.st_size, most, expected)
            content = stream.read(status.st_size + 1)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: The file is missing. Copy the whole bundle again.") from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise BundleError(
            f"{path}: The file cannot be read ({reason}). Check the file and its permissions."
        ) from error
    if len(content) != status.st_size:
        raise BundleError(f"{path}: The file changed while it was read. Try again when nothing writes to it.")
    return bytes(content)


def refuse_unlisted(folder: Path, name: str, listed: Collection[str]) -> None:
    """Refuse any file or link in the subfolder `name` that is not listed, and any folder without a listed file.

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
                        raise BundleError(f"{path}: The file is under {name}/ but not in the manifest. Remove it.")
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name}: The folder cannot be listed. Check its permissions.") from error


def _refuse_links(folder: Path, name: str) -> None:
    """Refuse links, which may point outside the folder and whose targets can be exchanged unnoticed."""
    path = folder
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            raise BundleError(
                f"{path}: This is a symbolic link. Copy real files (from the Hub: `hf download --local-dir`)."
            )


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{path}: This is not a regular file. Copy the whole bundle again.")


def _check_size(path: Path, size: int, most: int, expected: int | None) -> None:
    if size > most:
        raise BundleError(f"{path}: The file has {size} bytes, but must have at most {most}.")
    if expected is not None and size != expected:
        raise BundleError(f"{path}: The file has {size} bytes, but the manifest says {expected}. Copy it again.")


def _open(path: str, flags: int) -> int:
    """Open without waiting and without following links, in case a FIFO or a link was put there since the check."""
    for name in ("O_NONBLOCK", "O_NOFOLLOW"):
        flags |= getattr(os, name, 0)  # not on Windows
    return os.open(path, flags)


def _raise(error: OSError) -> None:
    raise error
