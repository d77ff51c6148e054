"""Reader of protobuf files, field by field, with checked bounds and a limit on the number of fields."""

from collections.abc import Iterator
from dataclasses import dataclass

# a field takes a microsecond; the largest of our graphs has a few thousand
MAX_FIELDS = 200_000

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

MAX_VARINT_BYTES = 10

MAX_KEY = 2**32 - 1


class Refused(Exception):
    """A file holds something that it must not; the message says what."""


class Broken(Exception):
    """The file is truncated, or not an ONNX file."""


@dataclass(frozen=True)
class Field:
    """One field of a protobuf message: the position of its bytes, and its value if it is a number."""

    number: int
    kind: int
    start: int
    end: int
    value: int

    def inside(self) -> tuple[int, int]:
        """Return start and end of the message or text in the field.

        Raises:
            Broken: the field has another wire type; other readers skip such a field, this one refuses it.
        """
        if self.kind != BYTES:
            raise Broken
        return self.start, self.end


class Reader:
    """Fields of a file's messages, with checked bounds, and at most MAX_FIELDS of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = MAX_FIELDS

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message between two positions."""
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise Refused(f"holds more than {MAX_FIELDS} fields")
            key, at = self.varint(at, end)
            if key > MAX_KEY:  # readers differ in how they treat such a key
                raise Broken
            number, kind = key >> 3, key & 7
            value, stop = 0, at
            if kind == VARINT:
                value, stop = self.varint(at, end)
            elif kind == BYTES:
                length, at = self.varint(at, end)
                stop = at + length
            elif kind in (FIXED64, FIXED32):
                stop = at + (8 if kind == FIXED64 else 4)
            else:
                raise Broken
            if stop > end or number == 0:
                raise Broken
            yield Field(number, kind, at, stop, value)
            at = stop

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return the number that begins at a position, and the position after it."""
        value = 0
        for place in range(MAX_VARINT_BYTES):
            if at + place >= end:
                raise Broken
            byte = self.data[at + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, at + place + 1
        raise Broken

    def numbers(self, field: Field) -> Iterator[int]:
        """Yield a repeated number, which is stored alone or packed with its neighbours."""
        if field.kind == VARINT:
            yield field.value
            return
        at, end = field.inside()
        while at < end:
            value, at = self.varint(at, end)
            yield value

    def text(self, field: Field) -> str:
        """Return the text in a field; it must be UTF-8, since onnxruntime quotes names in its errors."""
        start, end = field.inside()
        try:
            return self.data[start:end].decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("holds a name that is not UTF-8") from None
