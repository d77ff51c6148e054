"""Rows of a user's file, as texts and labels of a bundle."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.corpora.corpus import Split, label_matrix, targets_of
from distill.corpora.reading.cells import LabelCells
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.headers import SeenColumns
from distill.corpora.reading.labels import LabelError, resolve
from distill.corpora.reading.locate import archive_table
from distill.corpora.reading.rows import BadRow, Record
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
    """

    text: str = "text"
    labels: str = "labels"
    delimiter: str = ","
    header: tuple[str, ...] | None = None


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


def labelled_rows(file: Path, columns: Columns, classifier: Classifier) -> tuple[list[str], NDArray[np.float32]]:
    """Return the texts of a table, and their labels as 0/1 ``(N, C)``.

    Raises:
        InputError: a row cannot be used, its labels are not the bundle's, or there is none.
    """
    task, codec = classifier.task, CODECS[classifier.task.kind]
    cells = LabelCells((columns.labels,), codec.several, columns.delimiter, task.labels)
    index = {name: position for position, name in enumerate(task.labels)}
    texts, ids = [], []
    for row, text in _records(file, columns, {columns.text: "--text", columns.labels: "--labels"}):
        try:
            tokens = codec.parse(cells.cell(row.fields), columns.delimiter)
            ids.append(resolve(tuple(map(cells.token, tokens)), index))
        except LabelError as error:
            raise BadRow(row.file, row.row, str(error), {}).error(remedy=REMEDY) from None
        texts.append(text)
    return texts, label_matrix(Split(texts, targets_of(LabelRows.of(ids), task)), task)
