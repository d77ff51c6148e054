"""Predictions for lines of a stream, as they arrive."""

import codecs
import json
import os
import stat
from collections.abc import Generator, Iterable, Iterator, Sequence
from io import BufferedIOBase

from distill.export.runtime import Classifier, DistillError, InputError, Prediction
from distill.export.runtime.classifier import BLOCK
from distill.export.runtime.reading.inputs import MAX_TEXT_CHARACTERS, Input, Pair, Row
from distill.runs.progress import Advance, Reporter

# texts per step of a progress bar
SLICE = 256

# the most that is read at once; fewer bytes are decided as soon as they arrive
READ_BYTES = 2**16

# a character has at most four bytes
MAX_LINE_BYTES = 4 * MAX_TEXT_CHARACTERS + 2


def line_blocks(stream: BufferedIOBase) -> Iterator[list[str]]:
    """Yield lines as texts without their ends, in blocks of what has arrived, so that no line waits for others.

    A mark of UTF-8 at the beginning is left out.

    Raises:
        InputError: a line, which is named by its number, is not valid UTF-8 or is longer than a text may be. The
            lines before it are yielded first.
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
    """Yield the lines as one block of texts, and then refuse the first line that cannot be a text."""
    texts: list[str] = []
    problem = ""
    for number, line in enumerate(lines, done):
        if len(line) > MAX_LINE_BYTES:
            problem = f"The line has more than {MAX_TEXT_CHARACTERS} characters. Split it."
            break
        try:
            content = line if number else line.removeprefix(codecs.BOM_UTF8)
            texts.append(content.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:
            problem = "The line is not valid UTF-8. Save the input as UTF-8."
            break
    number = done + len(texts) + 1
    if texts:
        yield texts
    if problem:
        raise InputError(f"line {number}: {problem}")


def _rows_of(blocks: Iterable[list[str]], reads: Input) -> Iterator[Sequence[Row]]:
    """Yield blocks of lines as rows: the lines themselves, or the pairs that they hold as JSON.

    Raises:
        InputError: a line, which is named by its number, holds no pair. The lines before it are yielded first.
    """
    if not isinstance(reads, Pair):
        yield from blocks
        return
    done = 0
    for block in blocks:
        rows: list[Row] = []
        for line in block:
            try:
                rows.append(reads.row(json.loads(line), f"line {done + len(rows) + 1}"))
            except (ValueError, RecursionError, InputError) as error:
                if rows:
                    yield rows
                if isinstance(error, InputError):
                    raise
                names = " and ".join(map(repr, reads.columns))
                raise InputError(
                    f"line {done + len(rows) + 1}: This bundle reads pairs. Give one JSON object per line, with "
                    f"{names}."
                ) from None
        yield rows
        done += len(rows)


def predict_rows(
    classifier: Classifier, rows: Iterable[Row], reporter: Reporter
) -> Generator[list[Prediction], None, None]:
    """Decide the rows of a table block by block, in memory that does not grow with their number."""

    def blocks() -> Iterator[list[Row]]:
        waiting, block = iter(rows), list[Row]()
        try:
            for row in waiting:
                block.append(row)
                if len(block) == BLOCK:
                    yield block
                    block = []
        except DistillError:
            if block:  # the rows before the one that cannot be used
                yield block
            raise
        if block:
            yield block

    with reporter.count("texts") as advance:
        for predictions in predict_blocks(classifier, blocks()):
            yield predictions
            advance(len(predictions))


def predict_lines(
    classifier: Classifier, stream: BufferedIOBase, reporter: Reporter
) -> Generator[list[Prediction], None, None]:
    """Decide the lines of a stream block by block, in memory that does not grow with the number of lines.

    A bundle of pairs gets each line's pair out of JSON. The reporter shows a bar for a file, and a count of lines
    for any other stream.
    """
    size = _file_size(stream)
    if size is None:
        with reporter.count("texts") as advance:
            for predictions in predict_blocks(classifier, _rows_of(line_blocks(stream), classifier.input)):
                yield predictions
                advance(len(predictions))
        return
    done, at = 0, stream.tell()
    with reporter.bar("predict", size - at) as advance_bar:
        for predictions in predict_blocks(classifier, _rows_of(line_blocks(stream), classifier.input)):
            yield predictions
            done, before, at = done + len(predictions), at, stream.tell()
            advance_bar(at - before, f"{done:,} texts")


def predict_blocks(
    classifier: Classifier, blocks: Iterable[Sequence[Row]]
) -> Generator[list[Prediction], None, None]:
    """Decide blocks of texts as they come, at most BLOCK texts at a time.

    Raises:
        DistillError: a text, which is named by its number, cannot be read or decided. The texts before it are
            decided first.
    """
    done = 0
    for texts in blocks:
        for start in range(0, len(texts), BLOCK):
            batch = texts[start : start + BLOCK]
            try:
                yield classifier.predict(batch)
            except DistillError:
                yield from _one_by_one(classifier, batch, done)
            done += len(batch)


def _one_by_one(classifier: Classifier, texts: Sequence[Row], done: int) -> Iterator[list[Prediction]]:
    for number, text in enumerate(texts, done + 1):
        try:
            yield classifier.predict([text])
        except DistillError as error:
            raise type(error)(str(error).replace("texts[0]", f"text {number}", 1)) from None


def _file_size(stream: BufferedIOBase) -> int | None:
    """Return the size of a file in bytes; None for a stream that is not a regular file."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def predict_all(classifier: Classifier, texts: list[Row], advance: Advance) -> list[Prediction]:
    """Return the predictions for all texts.

    Args:
        classifier: the bundle.
        texts: the texts.
        advance: is called with the number of texts since the last call.
    """
    predictions: list[Prediction] = []
    for start in range(0, len(texts), SLICE):
        predictions += classifier.predict(texts[start : start + SLICE])
        advance(len(predictions) - start)
    return predictions
