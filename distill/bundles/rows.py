"""Rows of a user's file, as texts and labels of a bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.corpora.corpus import Split, label_matrix, targets_of
from distill.corpora.reading.cells import LabelCells
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.headers import SeenColumns
from distill.corpora.reading.labels import LabelError, is_unknown, resolve
from distill.corpora.reading.locate import archive_table
from distill.corpora.reading.rows import BadRow, Record, listed
from distill.corpora.reading.texts import RowError, check_encoding, text_of
from distill.corpora.storage.columns import LabelRows
from distill.corpora.targets import CODECS
from distill.export.runtime import Classifier, InputError

REMEDY = "correct the row"


@dataclass(frozen=True)
class Columns:
    """The columns of a user's file.

    Attributes:
        text: the name of the column with the texts.
        labels: the name of the column with the labels.
        delimiter: of several labels in one cell.
        header: column names for a file without a header.
        mapping: names of labels in the file and the bundle's labels that they mean.
    """

    text: str = "text"
    labels: str = "labels"
    delimiter: str = ","
    header: tuple[str, ...] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)


def _records(file: Path, columns: Columns, wanted: dict[str, str]) -> Iterator[tuple[Record, str]]:
    """Yield every row of a file with its text.

    Args:
        file: a table.
        columns: its columns.
        wanted: the option that names each column, for messages.

    Raises:
        InputError: a row cannot be used, or there is none.
    """
    seen, count = SeenColumns(), 0
    for row in read_table(archive_table(file), TableForm(columns.header)):
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
        raise InputError(f"{file}: The file does not have any rows. Give one with at least one row.")


def texts_of(file: Path, columns: Columns) -> list[str]:
    """Return the texts of a file: the text column of a table, or the lines of a .txt.

    Raises:
        InputError: a row cannot be used, or there is none.
    """
    if file.suffix.lower() == ".txt":
        columns = Columns()  # lines have no columns
    return [text for _, text in _records(file, columns, {columns.text: "--text"})]


@dataclass(frozen=True)
class LabelledRows:
    """Rows with labels of a bundle, and those that it does not know.

    Attributes:
        texts: of the rows that have a label of the bundle, or none at all where a row may have none.
        gold: their labels as 0/1 ``(N, C)``.
        unknown: the number of rows with each label that the bundle does not know, in both counts below.
        with_unknown: the number of rows with such a label.
        left_out: the number of rows of these that have no other label, and are not among `texts`.
    """

    texts: list[str]
    gold: NDArray[np.float32]
    unknown: Counter[str]
    with_unknown: int
    left_out: int


def labelled_rows(file: Path, columns: Columns, classifier: Classifier) -> LabelledRows:
    """Return the rows of a table with their labels; a row whose labels are all unknown is counted and left out.

    Raises:
        InputError: a row cannot be used, none has a label of the bundle, a name to map does not occur or is mapped
            to a label that the bundle does not have, or there is no row.
    """
    task, codec = classifier.task, CODECS[classifier.task.kind]
    index = {name: position for position, name in enumerate(task.labels)}
    for name, label in columns.mapping.items():
        if label not in index:
            raise InputError(
                f"--map {name}={label}: The bundle's labels are {listed(task.labels)}. Name one of them."
            )
    cells = LabelCells((columns.labels,), codec.several, columns.delimiter, task.labels)
    texts, ids, unknown, with_unknown, left_out = [], [], Counter[str](), 0, 0
    mapped: set[str] = set()
    for row, text in _records(file, columns, {columns.text: "--text", columns.labels: "--labels"}):
        try:
            tokens = tuple(map(cells.token, codec.parse(cells.cell(row.fields), columns.delimiter)))
            mapped.update(str(token) for token in tokens if str(token) in columns.mapping)
            tokens = tuple(columns.mapping.get(str(token), token) for token in tokens)
            strange = {str(token) for token in tokens if is_unknown(token, index)}
            known = resolve(tuple(token for token in tokens if str(token) not in strange), index)
        except LabelError as error:
            raise BadRow(row.file, row.row, str(error), {}).error(remedy=REMEDY) from None
        unknown.update(strange)
        with_unknown += bool(strange)
        if strange and not known:
            left_out += 1
            continue
        texts.append(text)
        ids.append(known)
    if not any(ids) and left_out:  # never the names: they may be texts of another column
        raise InputError(
            f"{file}: No row has a label that the bundle knows, and {left_out} have others. Its labels are "
            f"{listed(task.labels)}: name the column with --labels, or map a name of yours with --map NAME=LABEL."
        )
    missing = sorted(set(columns.mapping) - mapped)
    if missing:
        raise InputError(f"--map {missing[0]}: No row has this label. Correct the name, or omit the option.")
    gold = label_matrix(Split(texts, targets_of(LabelRows.of(ids), task)), task)
    return LabelledRows(texts, gold, unknown, with_unknown, left_out)
