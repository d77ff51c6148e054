"""JSON from a stream, one value at a time: one element is in memory, never the whole file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from distill.corpora.reading.streams import CHUNK_BYTES, DataFile, refuse_zeros
from distill.export.runtime.errors import InputError

# a bound for one element of a list, or a file that is one value; it takes about ten times as much memory
MAX_VALUE_CHARS = 64_000_000

# a value that ends this close to the end of the buffer may continue
NEAR = 16

BLANKS = " \t\r\n"

TOO_DEEP = "The file holds a number too long or lists too deep to read. Correct it."


class JsonText:
    """A cursor over the text of a JSON file.

    Args:
        file: named in errors.
        stream: its bytes, UTF-8; closed by the caller that opened it.
    """

    def __init__(self, file: DataFile, stream: BinaryIO) -> None:
        self._file = file
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._decoder = json.JSONDecoder()
        self._buffer, self._at, self._ended = "", 0, False
        self._lines, self._column = 0, 0  # line feeds before the buffer, and characters since the last of them

    def peek(self) -> str:
        """Return the next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in BLANKS:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """Skip the next character, which must be one of the wanted ones.

        Raises:
            InputError: another character is next.
        """
        following = self.peek()
        if not following or following not in wanted:
            raise self._invalid(self._at)
        self._at += 1

    def value(self) -> Any:
        """Read the next value whole.

        Raises:
            InputError: it is not valid JSON, or too large.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                open_end = error.msg.startswith("Unterminated") or error.pos + NEAR > len(self._buffer)
                if not open_end or not self._more():
                    raise self._invalid(error.pos) from None
                continue
            except (ValueError, RecursionError):
                raise InputError(f"{self._file}: {TOO_DEEP}") from None
            if end == len(self._buffer) and not isinstance(value, dict | list | str) and self._more():
                continue  # a number may continue
            self._at = end
            return value

    def elements(self) -> Iterator[Any]:
        """Yield the elements of the list that comes next, one after the other."""
        self.take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            following = self.peek()
            self.take(",]")
            if following == "]":
                return

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that comes next; the caller reads the value of each key."""
        self.take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise self._invalid(self._at)
            self.take(":")
            yield key
            following = self.peek()
            self.take(",}")
            if following == "}":
                return

    def end(self) -> None:
        """Refuse anything after the last value."""
        if self.peek():
            raise self._invalid(self._at)

    def _more(self) -> bool:
        """Read more, and drop what was consumed."""
        if self._ended:
            return False
        gone = self._buffer[: self._at]
        if "\n" in gone:
            self._lines += gone.count("\n")
            self._column = 0
        self._column += len(gone) - (gone.rfind("\n") + 1)
        self._buffer, self._at = self._buffer[self._at :], 0
        if len(self._buffer) > MAX_VALUE_CHARS:
            raise InputError(
                f"{self._file}: One value in the file has more than {MAX_VALUE_CHARS:,} characters, too many to "
                "be read at once. Write one object per line into a .jsonl file, which may have any size."
            )
        # doubled, so that a long value is decoded a few times, not once per chunk
        data = self._text.read(max(CHUNK_BYTES, len(self._buffer)))
        refuse_zeros(self._file, data)
        self._ended = not data
        self._buffer += data
        return bool(data)

    def _invalid(self, at: int) -> InputError:
        before = self._buffer[:at]
        line = self._lines + before.count("\n") + 1
        start = before.rfind("\n") + 1
        column = at - start + 1 + (self._column if "\n" not in before else 0)
        return InputError(
            f"{self._file}: The file is not valid JSON (line {line}, column {column}). Correct it there."
        )
