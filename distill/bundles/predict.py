"""Predict lines of a stream with a bundle."""

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from io import BufferedIOBase

from distill.export.runtime import Classifier, DistillError, InputError, Prediction
from distill.export.runtime.classifier import BLOCK, MAX_TEXT_CHARACTERS
from distill.runs.progress import Advance, Reporter

# texts between two moves of a bar
SLICE = 256

# of a stream at once; what has arrived is answered, and need not be as much
READ_BYTES = 2**16

# a character has at most four
MAX_LINE_BYTES = 4 * MAX_TEXT_CHARACTERS + 2


def line_blocks(stream: BufferedIOBase) -> Iterator[list[str]]:
    """Lines as text, without their ends: all that have arrived at a time, so that none waits for others.

    Raises:
        InputError: one is not valid UTF-8, or longer than a text may be; names it by its number. Those before it
            are given first.
    """
    done, rest = 0, b""
    while content := stream.read1(READ_BYTES):
        *lines, rest = (rest + content).split(b"\n")
        yield from _decoded(lines, done)
        done += len(lines)
        if len(rest) > MAX_LINE_BYTES:
            break
    if rest:
        yield from _decoded([rest], done)


def _decoded(lines: list[bytes], done: int) -> Iterator[list[str]]:
    """The lines as texts in one block; those before a line that cannot be one are given before it is named."""
    texts: list[str] = []
    complaint = ""
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            complaint = f"has more than {MAX_TEXT_CHARACTERS} characters; split it up"
            break
        try:
            texts.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:
            complaint = "is not valid UTF-8; save the input again as UTF-8"
            break
    number = done + len(texts) + 1
    if texts:
        yield texts
    if complaint:
        raise InputError(f"line {number}: {complaint}")


def predict_lines(
    classifier: Classifier, stream: BufferedIOBase, reporter: Reporter
) -> Generator[list[Prediction], None, None]:
    """Decide the lines of a stream, block by block as they arrive, in memory that does not grow with their number.

    A bar shows how much of a file is done, and a count how many lines of anything else.
    """
    size = _bytes_of(stream)
    if size is None:
        with reporter.count("texts") as advance:
            for found in predict_blocks(classifier, line_blocks(stream)):
                yield found
                advance(len(found))
        return
    done, at = 0, stream.tell()
    with reporter.bar("predict", size - at) as advance_bar:
        for found in predict_blocks(classifier, line_blocks(stream)):
            yield found
            done, before, at = done + len(found), at, stream.tell()
            advance_bar(at - before, f"{done:,} texts")


def predict_blocks(classifier: Classifier, blocks: Iterable[list[str]]) -> Generator[list[Prediction], None, None]:
    """Decide texts as they come, so many at a time.

    Raises:
        DistillError: one cannot be read or decided; names it by its number. Those before it are decided first.
    """
    done = 0
    for texts in blocks:
        for start in range(0, len(texts), BLOCK):
            some = texts[start : start + BLOCK]
            try:
                yield classifier.predict(some)
            except DistillError:
                yield from _one_by_one(classifier, some, done)
            done += len(some)


def _one_by_one(classifier: Classifier, texts: list[str], done: int) -> Iterator[list[Prediction]]:
    for number, text in enumerate(texts, done + 1):
        try:
            yield classifier.predict([text])
        except DistillError as error:
            raise type(error)(str(error).replace("texts[0]", f"text {number}", 1)) from None


def _bytes_of(stream: BufferedIOBase) -> int | None:
    """The size of a file; None of anything that is no file."""
    try:
        found = os.fstat(stream.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _predict(classifier: Classifier, texts: list[str], advance: Advance) -> list[Prediction]:
    """All predictions, slice by slice."""
    found: list[Prediction] = []
    for start in range(0, len(texts), SLICE):
        found += classifier.predict(texts[start : start + SLICE])
        advance(len(found) - start)
    return found
