"""A data file as a stream of UTF-8 bytes, whatever it is compressed with and encoded in."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from distill.corpora.reading.encodings import likely_encoding, utf8_problem
from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install

COMPRESSED = (".gz", ".xz", ".zst", ".bz2")

ARCHIVE = ".zip"

# room for several fields of the longest kind; a file without line feeds is refused before it fills the memory
MAX_LINE_BYTES = 50_000_000

# enough for any header, and for guesses
HEAD_BYTES = 1_000_000

CHUNK_BYTES = 1 << 16

# the errors that decompressors raise for bytes that are cut short, altered, locked or of another kind
BROKEN_ARCHIVE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, ValueError)

# what zstd says of files that --long wrote, as the dumps of Reddit are
LONG_WINDOW = "It needs more than 128 MB to unpack. Unpack it first with zstd -d --long=31."

ZERO_BYTES = "The file is not UTF-8 text (it has zero bytes). Save it again as UTF-8, or name its `encoding`."


@dataclass(frozen=True, order=True)
class DataFile:
    """One table's file.

    Args:
        path: the file.
        member: its name in a zip archive, if the path is one.
        key: the key of its one JSON object that has the table, if it holds several.
        label: the label of its one text, where folders of texts are named like labels; empty for a text without.
    """

    path: Path
    member: str | None = None
    key: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        """Name it as an error does."""
        return ", ".join([str(self.path), *(part for part in (self.member, self.key) if part is not None)])

    @property
    def name(self) -> str:
        """The file's name without the suffixes of compression and of an archive."""
        name = self.path.name if self.member is None else PurePosixPath(self.member).name
        while PurePosixPath(name).suffix.lower() in (*COMPRESSED, ARCHIVE):
            name = PurePosixPath(name).stem
        return name

    @property
    def suffix(self) -> str:
        """The file name extension that names the format, in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without that suffix."""
        return PurePosixPath(self.name).stem

    def open(self, encoding: str | None = None) -> BinaryIO:
        """Open it decompressed, and as UTF-8 where `encoding` names another one.

        Raises:
            InputError: it cannot be opened; reading raises it too, for broken bytes.
        """
        stream = self._decompressed()
        return stream if encoding is None else _buffered(_Recoded(self, stream, encoding))

    def open_seekable(self) -> BinaryIO:
        """Open it for a reader that seeks: compressed data is unpacked into an anonymous file."""
        if self.member is None and self.path.suffix.lower() not in COMPRESSED:
            return _opened(self.path)
        whole = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        with self.open() as stream:
            while data := stream.read(CHUNK_BYTES):
                whole.write(data)
        whole.seek(0)
        return whole

    def head(self, encoding: str | None = None, size: int = HEAD_BYTES) -> bytes:
        """Return the first bytes, for guesses."""
        with self.open(encoding) as stream:
            return stream.read(size)

    def _decompressed(self) -> BinaryIO:
        if self.member is not None:
            return _buffered(_Guarded(self, *_open_member(self.path, self.member)))
        suffix = self.path.suffix.lower()
        if suffix == ".gz":
            packed = _opened(self.path)
            return _buffered(_Guarded(self, gzip.GzipFile(fileobj=packed, mode="rb"), packed))
        if suffix == ".bz2":
            packed = _opened(self.path)
            return _buffered(_Guarded(self, bz2.BZ2File(packed, "rb"), packed))
        if suffix == ".xz":
            packed = _opened(self.path)
            return _buffered(_Guarded(self, lzma.LZMAFile(packed, "rb"), packed))
        if suffix == ".zst":
            return _buffered(_Guarded(self, _open_zstd(self.path)))
        return _opened(self.path)


def zip_members(path: Path) -> list[str]:
    """Return the names of an archive's files, without folders and the files that macOS adds.

    Raises:
        InputError: it is not a whole zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except BROKEN_ARCHIVE as error:
        raise InputError(f"{path}: The zip archive cannot be read. Check that it is whole.") from error
    hidden = ("__MACOSX", ".")
    return sorted(name for name in names if not any(part.startswith(hidden) for part in name.split("/")))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"{path}: The file cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error


def _open_member(path: Path, member: str) -> tuple[Any, Any]:
    """Return a member's stream, and the archive to close after it."""
    try:
        archive = zipfile.ZipFile(path)
        return archive.open(member), archive
    except (*BROKEN_ARCHIVE, KeyError) as error:
        locked = "password" in str(error)
        why = "It is locked with a password." if locked else "Check that the archive is whole."
        raise InputError(f"{path}, {member}: The file cannot be unpacked. {why}") from error


def _open_zstd(path: Path) -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(f"{path}: Reading .zst needs pyarrow. {how_to_install('train')}") from error
    _opened(path).close()  # raises where it cannot be read
    return pa.input_stream(str(path), compression="zstd")


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(raw, CHUNK_BYTES))


class _Guarded(io.RawIOBase):
    """A decompressor that raises errors fit for a reader."""

    def __init__(self, file: DataFile, inner: Any, *below: Any) -> None:
        self._file, self._inner, self._below = file, inner, below

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            data = self._inner.read(len(target))
        except BROKEN_ARCHIVE as error:
            why = LONG_WINDOW if "memory" in str(error) else "Check that it is a whole file."
            raise InputError(f"{self._file}: The file cannot be unpacked. {why}") from error
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            for stream in (self._inner, *self._below):
                stream.close()
        super().close()


class _Recoded(io.RawIOBase):
    """A stream in another encoding, read as UTF-8; bytes that it cannot decode stay, and are reported later."""

    def __init__(self, file: DataFile, inner: BinaryIO, encoding: str) -> None:
        self._file, self._inner, self._encoding = file, inner, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
        self._ready = b""
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready and not self._done:
            data = self._inner.read(CHUNK_BYTES)
            self._done = not data
            try:
                self._ready = self._decoder.decode(data, final=self._done).encode("utf-8", "surrogateescape")
            except UnicodeError as error:
                raise InputError(
                    f"{self._file}: The file is not valid {self._encoding}. Set `encoding` to the one it is "
                    "written in."
                ) from error
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


def refuse_zeros(file: DataFile, data: bytes | str) -> None:
    """Refuse a text file with zero bytes."""
    if "\0" in data if isinstance(data, str) else b"\0" in data:
        raise InputError(f"{file}: {ZERO_BYTES}")


def check_encoding(file: DataFile, encoding: str | None) -> str:
    """Return the beginning of a text file, decoded; undecodable bytes are lone surrogates.

    Raises:
        InputError: its encoding is not the recipe's; names the one that fits, if any.
    """
    data = file.head(encoding)
    if encoding is None:
        problem = utf8_problem(data)
        if problem:
            fits = likely_encoding(data)
            remedy = f'Its bytes read as {fits}: set `encoding` = "{fits}"' if fits else "Name its `encoding`"
            raise InputError(f"{file}: {problem}. {remedy}, or save the file again as UTF-8.")
    refuse_zeros(file, data)
    return _decoded(data)


def beginning(file: DataFile, encoding: str | None) -> str:
    """Return the beginning of a text file for guesses, in any encoding."""
    return _decoded(file.head(encoding))


def _decoded(data: bytes) -> str:
    """Return text whose lines end in line feeds, also where the file's end in carriage returns alone."""
    text = data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    return text if "\n" in text else text.replace("\r", "\n")


def read_text(file: DataFile, encoding: str | None = None, *, longest: int = MAX_LINE_BYTES) -> str:
    """Return a whole file's text; undecodable bytes become lone surrogates, so that their row can be named."""
    with file.open(encoding) as stream:
        data = stream.read(longest + 1)
    if len(data) > longest:
        raise InputError(
            f"{file}: The file has more than {longest:,} bytes, too many to be read at once. Split it up."
        )
    refuse_zeros(file, data)
    return data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")


def lines(file: DataFile, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without their ends.

    Only line feeds end one: str.splitlines would also split at U+2028 and U+0085 inside a text. In a file without
    any, carriage returns do.
    """
    with file.open(encoding) as stream:
        number = 0
        while data := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(data) > MAX_LINE_BYTES:
                raise InputError(
                    f"{file}, row {number}: The line has more than {MAX_LINE_BYTES:,} bytes. Shorten it."
                )
            refuse_zeros(file, data)
            if number == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            line = data.decode("utf-8", errors="surrogateescape")
            if number == 1 and not line.endswith("\n"):
                yield from enumerate(line.removesuffix("\r").split("\r"), 1)
                return
            yield number, line.removesuffix("\n").removesuffix("\r")
