"""The file of a server's answers: one line per request, without its text, that only grows.

A line is the salted sha256 of a request and the scores that its whole answer gave. A killed process may leave half
a line at the end, which is cut off when the file is opened again.
"""

import errno
import hashlib
import json
import math
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, final

import numpy as np

from distill.export.runtime.errors import InputError

ANSWERS_FILE = "answers.txt"

# the first line: a version, and a random salt, so that no table of known texts tells what was asked
_HEADER = "distill-answers-1 "


@final
class AnswerCache:
    """Answers by request, in memory and in a file, for any number of threads.

    Args:
        folder: gets the file.

    Raises:
        InputError: the file is not one of answers.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / ANSWERS_FILE
        self._answers: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._salt = self._open()
        # without the third flag Windows would end each line in two characters
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))

    def __enter__(self) -> Self:
        """Return the cache itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._answers)

    def key(self, request: Mapping[str, object]) -> bytes:
        """Return the name of a request in this file: a salted sha256 of its JSON."""
        data = json.dumps(request, sort_keys=True, ensure_ascii=False).encode()
        return hashlib.sha256(self._salt + data).digest()

    def get(self, key: bytes) -> tuple[float, ...] | None:
        """Return the scores that a request's answer gave; None if it has none."""
        found = self._answers.get(key)
        return None if found is None else tuple(np.frombuffer(found, dtype=np.float64).tolist())

    def put(self, key: bytes, scores: Sequence[float]) -> None:
        """Add the scores of one whole answer, in the file first."""
        line = f"{key.hex()} {json.dumps(list(scores), allow_nan=False)}\n".encode()
        with self._lock:
            if key in self._answers:
                return
            if os.write(self._descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._answers[key] = np.array(scores, dtype=np.float64).tobytes()

    def _open(self) -> bytes:
        """Read what is there, cut half a line off, and return the salt."""
        data = self._path.read_bytes() if self._path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        first, _, rest = whole.partition(b"\n")
        if not whole:
            salt = secrets.token_hex(16)
            self._path.write_bytes(f"{_HEADER}{salt}\n".encode())
            return bytes.fromhex(salt)
        try:
            head = first.decode()
            salted = bytes.fromhex(head.removeprefix(_HEADER)) if head.startswith(_HEADER) else b""
        except ValueError:
            salted = b""
        if len(salted) != 16:
            raise InputError(f"{self._path}: The file does not hold answers. Remove it.")
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        for line in rest.splitlines():
            self._read(line)
        return salted

    def _read(self, line: bytes) -> None:
        """Take in one line; one that is damaged is asked again."""
        key, _, scores = line.partition(b" ")
        try:
            name, values = bytes.fromhex(key.decode()), json.loads(scores)
        except (ValueError, RecursionError):
            return
        if len(name) == 32 and isinstance(values, list) and all(map(_is_finite, values)):
            self._answers[name] = np.array(values, dtype=np.float64).tobytes()


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
