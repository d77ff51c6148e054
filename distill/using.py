"""What a user does with bundles: predict, evaluate and compare. Base install only: no torch, no pydantic."""

import os
import stat
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpora.columns import LabelRows
from corpora.corpus import Split, label_matrix, targets_of
from corpora.headers import SeenColumns
from corpora.labels import LabelError, parse_cell, resolve
from corpora.metrics import decide, evaluate
from corpora.readers import read_table
from corpora.rows import BadRow, Record
from corpora.selective import evaluate_selective
from corpora.task import Task, TaskKind
from corpora.texts import RowError, check_encoding, text_of
from distill.progress import Advance, Reporter
from export.runtime import Classifier, DistillError, InputError, Prediction, load
from export.runtime.classifier import BLOCK, MAX_TEXT_CHARACTERS
from export.runtime.cores import available_threads

# texts between two moves of a bar
SLICE = 256
REMEDY = "correct the row"
# of a stream at once; what has arrived is answered, and need not be as much
READ_BYTES = 2**16
# a character has at most four
MAX_LINE_BYTES = 4 * MAX_TEXT_CHARACTERS + 2


@dataclass(frozen=True)
class Columns:
    """Where texts and labels stand in a user's file."""

    text: str = "text"
    labels: str = "labels"
    delimiter: str = ","
    header: tuple[str, ...] | None = None


def evaluate_bundle(bundle: Path, file: Path, columns: Columns, reporter: Reporter) -> dict[str, Any]:
    """Quality, calibration and truncation of a bundle on labelled rows, and what its rule to abstain does there.

    The metrics are of all rows, as if it never abstained; those under `selective` know the rule.

    Raises:
        InputError: a row of the file cannot be used.
    """
    classifier = load(bundle, threads=available_threads())
    texts, gold = _labelled_rows(file, columns, classifier)
    task = _task(classifier)
    manifest = classifier.manifest
    thresholds = None if manifest.thresholds is None else np.array(manifest.thresholds)
    below = None if manifest.abstain is None else manifest.abstain.below
    with reporter.bar("evaluate", len(texts)) as advance:
        predictions = _predict(classifier, texts, advance)
    scores = np.array([list(prediction.scores.values()) for prediction in predictions])  # (N, C)
    quality = evaluate(scores, gold, thresholds, task.kind, classifier.labels)
    selective = evaluate_selective(scores, decide(scores, thresholds, task.kind), gold, task.kind, below)
    return {
        "rows": len(texts),
        "truncated": sum(prediction.truncated for prediction in predictions),
        "abstained": sum(prediction.abstained for prediction in predictions),
        **quality.to_dict(),
        "selective": asdict(selective),
    }


def compare_bundles(old: Path, new: Path, file: Path, columns: Columns, reporter: Reporter) -> dict[str, Any]:
    """Which decisions change between two bundles: rows, and by label those gained and lost.

    A row that only one of them hands over to a person is changed, and counts as abstained or answered now; what
    labels gain and lose is counted on rows that both answer.
    """
    before, after = (load(bundle, threads=available_threads()) for bundle in (old, new))
    if set(before.labels) != set(after.labels):
        raise InputError(f"{old} and {new} have different labels; only bundles of one task can be compared")
    texts = texts_of(file, columns)
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    abstained: Counter[str] = Counter()
    changed = []
    with reporter.bar("compare", 2 * len(texts)) as advance:
        pairs = zip(_predict(before, texts, advance), _predict(after, texts, advance), strict=True)
    for row, (first, second) in enumerate(pairs, 1):
        if first.abstained != second.abstained:
            abstained["gained" if second.abstained else "lost"] += 1
        elif not first.abstained:
            gained.update(set(second.labels) - set(first.labels))
            lost.update(set(first.labels) - set(second.labels))
        if first.abstained != second.abstained or set(first.labels) != set(second.labels):
            changed.append(row)
    by_label = {name: {"gained": gained[name], "lost": lost[name]} for name in before.labels}
    return {
        "rows": len(texts),
        "rows_changed": len(changed),
        "changed_rows": changed,
        "abstained": {"gained": abstained["gained"], "lost": abstained["lost"]},
        "by_label": by_label,
    }


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


def _task(classifier: Classifier) -> Task:
    return Task(TaskKind(classifier.manifest.task), classifier.labels)


def _records(file: Path, columns: Columns, wanted: dict[str, str]) -> Iterator[tuple[Record, str]]:
    """Every row of a file with its text; `wanted` maps columns to the options that name them.

    Raises:
        InputError: a row cannot be used, or there is none.
    """
    seen, count = SeenColumns(), 0
    for row in read_table(file, columns.header):
        if isinstance(row, BadRow):
            raise row.error(remedy=REMEDY)
        if not count:
            seen.add(row)
            seen.require(wanted, str(file))
        count += 1
        try:
            check_encoding(row.fields)
            yield row, text_of(row.fields, [columns.text])
        except RowError as error:
            raise BadRow(row.file, row.row, str(error), {}).error(remedy=REMEDY) from None
    if not count:
        raise InputError(f"{file}: has no row; give a file with at least one")


def texts_of(file: Path, columns: Columns) -> list[str]:
    """Texts of a file: the text column of a table, or the lines of a .txt."""
    if file.suffix.lower() == ".txt":
        columns = Columns()  # lines have no columns
    return [text for _, text in _records(file, columns, {columns.text: "--text"})]


def _labelled_rows(file: Path, columns: Columns, classifier: Classifier) -> tuple[list[str], NDArray[np.float32]]:
    """Texts and gold 0/1 ``(N, C)``."""
    task = _task(classifier)
    index = {name: position for position, name in enumerate(task.labels)}
    texts, ids = [], []
    for row, text in _records(file, columns, {columns.text: "--text", columns.labels: "--labels"}):
        try:
            ids.append(resolve(parse_cell(row.fields.get(columns.labels), task.kind, columns.delimiter), index))
        except LabelError as error:
            raise BadRow(row.file, row.row, str(error), {}).error(remedy=REMEDY) from None
        texts.append(text)
    return texts, label_matrix(Split(texts, targets_of(LabelRows.of(ids), task)), task)
