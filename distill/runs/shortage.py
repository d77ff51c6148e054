"""Recognise a full disk or exhausted memory in the exceptions of libraries, and describe it in one sentence."""

import errno
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from distill.export.runtime.errors import DistillError, ResourceError

FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# in exceptions without an error number: safetensors and tokenizers quote the system, torch names its operation
DISK_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "There is not enough space on the disk",
    "PytorchStreamWriter failed",
    # torch.save: more was written than the file holds
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

# the recipe key that lowers a stage's need for memory
BATCH_KEYS = {
    "teacher": "teacher.batch_size",
    "student": "student.batch_size",
    "twin": "student.batch_size",
    "qat": "student.batch_size",
}


class Shortage(Enum):
    """A resource that can run out."""

    DISK = "disk"
    MEMORY = "memory"


def shortage_of(error: BaseException) -> Shortage | None:
    """Return what ran out, from an exception and its causes; None for other errors."""
    for cause in _chain(error):
        number = cause.errno if isinstance(cause, OSError) else None
        # the project's messages hold names that people chose, the system's the names of files
        message = "" if isinstance(cause, DistillError) or number is not None else str(cause)
        if number in FULL_DISK or any(words in message for words in DISK_WORDS):
            return Shortage.DISK
        if isinstance(cause, MemoryError) or number == errno.ENOMEM or type(cause).__name__ in MEMORY_CLASSES:
            return Shortage.MEMORY
        if any(words in message for words in MEMORY_WORDS):
            return Shortage.MEMORY
    return None


def stage_shortage(error: BaseException, stage: str, folder: Path) -> ResourceError | None:
    """Return the message for a stage that ran out of disk or memory, or None if it ended for another reason.

    Args:
        error: the exception that ended the stage.
        stage: the stage's name.
        folder: the run's folder.
    """
    shortage = shortage_of(error)
    if shortage is Shortage.DISK:
        return ResourceError(
            f"The disk is full (stage {stage}, folder {folder}). Free some space and run the same command again. "
            "It resumes from there."
        )
    if shortage is Shortage.MEMORY:
        key = BATCH_KEYS.get(stage.split("/", maxsplit=1)[0])
        lower = f" Or set training.rows_per_pass below {key}, or lower corpus.max_tokens." if key else ""
        return ResourceError(
            f"The machine is out of memory (stage {stage}, folder {folder}). Free some memory and run the same "
            f"command again. It resumes from there.{lower}"
        )
    return None


def refusal_of(error: Exception) -> DistillError | None:
    """Return the error that a command ends with: a shortage, or the project's exception; None for others."""
    if isinstance(error, ResourceError):
        return error
    shortage = shortage_of(error)
    if shortage is Shortage.DISK:
        return ResourceError("The disk is full. Free some space and run the same command again.")
    if shortage is Shortage.MEMORY:
        return ResourceError("The machine is out of memory. Free some memory, or pass fewer or shorter texts.")
    return error if isinstance(error, DistillError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, each once, except those behind the project's `raise ... from None`."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            is_cut = isinstance(cause, DistillError) and cause.__suppress_context__
            waiting += [None if is_cut else cause.__context__, cause.__cause__]
