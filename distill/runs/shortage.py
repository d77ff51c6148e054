"""A full disk and exhausted memory, recognised in whatever a library made of them and said in one sentence."""

import errno
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from distill.export.runtime.errors import DistillError, ResourceError

FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# of exceptions that carry no number: safetensors and tokenizers quote the system, torch tells what it was doing
DISK_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "There is not enough space on the disk",
    "PytorchStreamWriter failed",
    # torch.save: more was written than the file has
    "unexpected pos",
)

MEMORY_WORDS = (
    "DefaultCPUAllocator",
    "CUDA out of memory",
    "Cannot allocate memory",
    "Failed to allocate memory",
    "bad_alloc",
    "bad allocation",
    "Unable to allocate",
    "out of memory",
)

MEMORY_CLASSES = {"OutOfMemoryError", "ArrowMemoryError", "_ArrayMemoryError"}

# what to lower where the memory went
BATCH_KEYS = {
    "teacher": "teacher.batch_size",
    "student": "student.batch_size",
    "twin": "student.batch_size",
    "qat": "student.batch_size",
}


class Shortage(Enum):
    """What a machine can have no more of."""

    DISK = "disk"
    MEMORY = "memory"


def shortage_of(error: BaseException) -> Shortage | None:
    """What was short, from an exception and all that stands behind it; None for other errors."""
    for one in _chain(error):
        number = one.errno if isinstance(one, OSError) else None
        # our own sentences hold names that people chose, the system's the names of files
        said = "" if isinstance(one, DistillError) or number is not None else str(one)
        if number in FULL_DISK or any(words in said for words in DISK_WORDS):
            return Shortage.DISK
        if isinstance(one, MemoryError) or number == errno.ENOMEM or type(one).__name__ in MEMORY_CLASSES:
            return Shortage.MEMORY
        if any(words in said for words in MEMORY_WORDS):
            return Shortage.MEMORY
    return None


def stage_shortage(error: BaseException, stage: str, folder: Path) -> ResourceError | None:
    """The sentence for a stage that ended for want of something, or None where that is not why.

    Args:
        error: what ended it.
        stage: its name.
        folder: the run's.
    """
    short = shortage_of(error)
    if short is Shortage.DISK:
        return ResourceError(
            f"the disk is full (stage {stage}, folder {folder}): free some space and give the same command again; "
            "it goes on from there"
        )
    if short is Shortage.MEMORY:
        key = BATCH_KEYS.get(stage.split("/", maxsplit=1)[0])
        lower = f". Or lower {key} or corpus.max_tokens" if key else ""
        return ResourceError(
            f"out of memory (stage {stage}, folder {folder}): free some and give the same command again; it goes "
            f"on from there{lower}"
        )
    return None


def refusal_of(error: Exception) -> DistillError | None:
    """What a command says at its end: what was short, or else what our own exception says; None for others."""
    if isinstance(error, ResourceError):
        return error
    short = shortage_of(error)
    if short is Shortage.DISK:
        return ResourceError("the disk is full: free some space and give the same command again")
    if short is Shortage.MEMORY:
        return ResourceError("out of memory: free some, or give fewer or shorter texts")
    return error if isinstance(error, DistillError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all behind it, each once; what our own `raise ... from None` cut off is not behind it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            cut = isinstance(one, DistillError) and one.__suppress_context__
            waiting += [None if cut else one.__context__, one.__cause__]
