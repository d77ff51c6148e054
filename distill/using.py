"""What a user does with bundles: evaluate, compare and time them. Base install only: no torch, no pydantic."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
from export.runtime import Classifier, InputError, Prediction, load
from export.runtime.bench import SYNTHETIC_TEXTS, Candidate, cold_start, cpu_info, time_interleaved
from export.runtime.classifier import MAX_TEXT_CHARACTERS

BENCH_BATCHES = (1, 32)
# texts between two moves of a bar
SLICE = 256
REMEDY = "correct the row"
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
    classifier = load(bundle)
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
    before, after = load(old), load(new)
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


def bench_bundles(
    bundles: list[Path], texts: list[str] | None, threads: list[int], rounds: int, reporter: Reporter
) -> dict[str, Any]:
    """Latency of bundles in one interleaved run, end to end; on synthetic texts unless some are given."""
    if texts is not None:
        kinds = {"real": texts}
    else:
        kinds = {f"synthetic-{name}": list(texts) for name, texts in SYNTHETIC_TEXTS.items()}
    rows = []
    calls = len(threads) * len(BENCH_BATCHES) * len(bundles) * rounds * sum(map(len, kinds.values()))
    with reporter.bar("bench", calls) as advance:
        for count in threads:
            loaded = [Candidate(str(path), load(path, threads=count).predict, threads=count) for path in bundles]
            for kind, some in kinds.items():
                for batch in BENCH_BATCHES:
                    rows += time_interleaved(loaded, some, kind=kind, rounds=rounds, batch=batch, progress=advance)
    starts = {str(path): cold_start(path) for path in bundles}
    return {
        "cpu": cpu_info(),
        "rows": [asdict(row) for row in rows],
        "cold_start": {name: {"ms": ms, "peak_rss_bytes": peak} for name, (ms, peak) in starts.items()},
    }


def decoded_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines as text, without their ends.

    Raises:
        InputError: one is not valid UTF-8, or longer than a text may be; names it by its number.
    """
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"line {number}: has more than {MAX_TEXT_CHARACTERS} characters; split it up")
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise InputError(f"line {number}: is not valid UTF-8; save the input again as UTF-8") from None


def predict_each(classifier: Classifier, texts: Iterable[str]) -> Iterator[Prediction]:
    """Decide texts one by one, as they come.

    Raises:
        InputError: one cannot be read; names it by its number.
    """
    for number, text in enumerate(texts, 1):
        try:
            yield classifier.predict([text])[0]
        except InputError as error:
            raise InputError(str(error).replace("texts[0]", f"text {number}", 1)) from None


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
