"""One command at a time in a run's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from distill.export.runtime.errors import InputError

LOCK_FILE = ".lock"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a run's folder; the system releases it when the process ends, however it ends.

    Raises:
        InputError: another process holds it, or it cannot be written or locked.
    """
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{folder}: Another distill command works in this run. Wait for it, or choose another --runs folder."
        ) from None
    except (OSError, NotImplementedError) as error:  # the latter on a disk without locks
        reason = getattr(error, "strerror", None) or "this disk has no locks"
        raise InputError(
            f"{folder}: The file cannot be written or locked ({reason}). Choose another --runs folder, on a "
            "local disk."
        ) from error
    try:
        yield
    finally:
        lock.release()
