"""Rows of a user's file, as texts or pairs and labels of a bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.bundles.conversations import conversation_rows
from distill.corpora.corpus import Split, label_matrix, targets_of
from distill.corpora.reading.cells.cells import SPELT_MISSING, LabelCells
from distill.corpora.reading.cells.labels import LabelError, is_unknown, resolve
from distill.corpora.reading.cells.texts import RowError, check_encoding, is_spelt_missing, pair_of, text_of
from distill.corpora.reading.files import read_table
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.places.locate import archive_table
from distill.corpora.reading.rows import BadRow, Record, listed
from distill.corpora.reading.tables.headers import SeenColumns
from distill.corpora.storage.columns import LabelRows
from distill.corpora.targets import CODECS
from distill.export.runtime import Classifier, InputError
from distill.export.runtime.reading.inputs import Input, Pair, Row, Turns

REMEDY = "Correct the row."

TEXT_COLUMN = "text"


@dataclass(frozen=True)
class Columns:
    """The columns of a user's file.

    Attributes:
        text: the name of the column with the texts; of a pair's two columns, comma-separated. By default those
            that the bundle's manifest names, or `text`.
        labels: the name of the column with the labels.
        delimiter: of several labels in one cell.
        header: column names for a file without a header.
        mapping: names of labels in the file and the bundle's labels that they mean.
        encoding: of a text file; UTF-8 by default.
        quoting: whether quotation marks around a field are the file's; by default as its ending says.
        group: the column of what rows belong together by, such as a conversation; None where each is alone. Turns
            of one conversation belong together anyway.
    """

    text: str | None = None
    labels: str = "labels"
    delimiter: str = ","
    header: tuple[str, ...] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    quoting: bool | None = None
    group: str | None = None

    @property
    def form(self) -> TableForm:
        """The form of the file."""
        return TableForm(self.header, self.encoding, self.quoting)

    def require_none(self) -> None:
        """Refuse what says how to read a table, where conversations are read.

        Raises:
            InputError: it is given.
        """
        given = {"text": self.text, "columns": self.header, "encoding": self.encoding, "quoting": self.quoting}
        named = next((name for name, value in given.items() if value is not None), None)
        if named is not None:
            raise InputError(
                f"`{named}`: This bundle reads conversations, as lines of JSON in UTF-8. Leave it out."
            )

    def of_text(self, reads: Input) -> tuple[str, ...]:
        """Return the columns of a row's texts, one for each of its segments.

        Raises:
            InputError: there are other than two for a pair.
        """
        if not isinstance(reads, Pair):
            return (TEXT_COLUMN if self.text is None else self.text,)
        names = reads.columns if self.text is None else tuple(name.strip() for name in self.text.split(","))
        if len(set(names)) != 2 or len(names) != 2:
            raise InputError(
                f"`text`: This bundle reads pairs ({', '.join(reads.columns)}). Name two columns, such as "
                '`text` = "question,answer".'
            )
        return names


def _records(file: Path, columns: Columns, reads: Input, *, labelled: bool) -> Iterator[tuple[Record, Row]]:
    """Yield every row of a file with what the bundle reads of it.

    Of rows without labels none is left out: an empty text is decided like an empty line of stdin.

    Args:
        file: a table.
        columns: its columns.
        reads: what one row of the bundle's input is.
        labelled: whether the rows must have labels.

    Raises:
        InputError: a row cannot be used, or there is none.
    """
    if isinstance(reads, Turns):
        columns.require_none()
        yield from conversation_rows(file, reads, columns.labels if labelled else None, columns.group)
        return
    names = columns.of_text(reads)
    wanted = dict.fromkeys(names, "`text`") | ({columns.labels: "`labels`"} if labelled else {})
    if columns.group is not None:
        wanted[columns.group] = "`group`"
    seen, count = SeenColumns(), 0
    for row in read_table(archive_table(file), columns.form):
        if isinstance(row, BadRow):
            raise row.error(remedy=REMEDY)
        if not count:
            seen.add(row)
            seen.require(wanted, str(file))
        count += 1
        try:
            check_encoding(row.fields)
            if len(names) == 1:
                yield row, text_of(row.fields, names, empty=not labelled)
            else:
                yield row, pair_of(row.fields, (names[0], names[1]), empty=not labelled)
        except RowError as error:
            raise BadRow(row.file, row.row, str(error), {}).error(remedy=REMEDY) from None
    if not count:
        raise InputError(f"{file}: The file does not have any rows. Give one with at least one row.")


def read_rows(file: Path, columns: Columns, reads: Input) -> Iterator[Row]:
    """Yield the rows of a file: texts or pairs out of the columns of a table, or the lines of a .txt.

    Raises:
        InputError: a row cannot be used, or there is none.
    """
    return (row for _, row in _records(file, _columns_of(file, columns, reads), reads, labelled=False))


def read_numbered(
    file: Path, columns: Columns, reads: Input, identity: str | None
) -> Iterator[tuple[int, str | int | float | bool | None, Row]]:
    """Yield the rows of a file as `read_rows` does, each with its number and the cell of its column `identity`.

    Raises:
        InputError: a row cannot be used, there is none, or no column has the name `identity`.
    """
    for record, row in _records(file, _columns_of(file, columns, reads), reads, labelled=False):
        if identity is not None and identity not in record.fields:
            raise InputError(f"{file}: There is no column {identity!r}. Name another with `identity`.")
        value = None if identity is None else record.fields[identity]
        plain = value is None or isinstance(value, str | int | float | bool)
        yield record.row, value if plain else str(value), row


def _columns_of(file: Path, columns: Columns, reads: Input) -> Columns:
    """Return the columns to read: none of the caller's for lines, which have no columns."""
    if file.suffix.lower() != ".txt" or isinstance(reads, Pair):
        return columns
    return Columns(encoding=columns.encoding, quoting=columns.quoting)


def common_input(names: Sequence[str], inputs: Sequence[Input], columns: Columns) -> Input:
    """Return what bundles that get the same rows read.

    Args:
        names: of the bundles.
        inputs: what each reads.
        columns: the user's, which may say where texts are if the bundles name different columns.

    Raises:
        InputError: some read texts and some pairs, or pairs of different columns.
    """
    first = inputs[0]
    for name, other in zip(names[1:], inputs[1:], strict=True):
        if other.kind != first.kind:
            raise InputError(
                f"{names[0]} reads a {first.kind} and {name} a {other.kind}. Give bundles that read the same."
            )
        if columns.text is None and columns.of_text(other) != columns.of_text(first):
            raise InputError(
                f"{names[0]} and {name} read different columns. Name your file's two with "
                '`text` = "FIRST,SECOND".'
            )
    return first


@dataclass(frozen=True)
class LabelledRows:
    """Rows with labels of a bundle, and those that it does not know.

    Attributes:
        texts: of the rows that have a label of the bundle, or none at all where a row may have none.
        gold: their labels as 0/1 ``(N, C)``.
        unknown: the number of rows with each label that the bundle does not know, in both counts below.
        with_unknown: the number of rows with such a label.
        left_out: the number of rows of these that have no other label, and are not among `texts`.
        groups: the numbers of the texts' groups, ``(N,)``; None where each is its own. So is a row without one.
    """

    texts: list[Row]
    gold: NDArray[np.float32]
    unknown: Counter[str]
    with_unknown: int
    left_out: int
    groups: NDArray[np.int32] | None = None

    @property
    def spelt_missing(self) -> int:
        """The number of texts that are spelt nan, None, null or the like."""
        return sum(map(is_spelt_missing, self.texts))


def _unusable(row: Record, error: LabelError) -> InputError:
    """Return the error for a row whose labels cannot be used, without keys that only a recipe has."""
    reason, _, way = str(error).partition("; ")
    if "`missing`" in way:
        remedy = "Leave the row out, or map the name with `mapping` if it is a label."
    else:
        reason, remedy = (reason, "Write its labels as names.") if "`label_form`" in way else (str(error), REMEDY)
    return BadRow(row.file, row.row, reason, {}).error(remedy=remedy)


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
                f"`mapping`: {name} is mapped to {label}, but the bundle's labels are {listed(task.labels)}. Name "
                "one of them."
            )
    # a name that is mapped is a label, however it is spelt
    never: tuple[str, ...] | None = () if SPELT_MISSING & columns.mapping.keys() else None
    cells = LabelCells((columns.labels,), codec.several, columns.delimiter, task.labels, never)
    texts: list[Row] = []
    groups: list[str] = []
    ids, unknown, with_unknown, left_out = [], Counter[str](), 0, 0
    mapped: set[str] = set()
    for row, text in _records(file, columns, classifier.input, labelled=True):
        try:
            tokens = tuple(map(cells.token, codec.parse(cells.cell(row.fields), columns.delimiter)))
            mapped.update(str(token) for token in tokens if str(token) in columns.mapping)
            tokens = tuple(columns.mapping.get(str(token), token) for token in tokens)
            strange = {str(token) for token in tokens if is_unknown(token, index)}
            known = resolve(tuple(token for token in tokens if str(token) not in strange), index)
        except LabelError as error:
            raise _unusable(row, error) from None
        unknown.update(strange)
        with_unknown += bool(strange)
        if strange and not known:
            left_out += 1
            continue
        if isinstance(classifier.input, Turns) and row.group is not None:
            groups.append(row.group)
        elif columns.group is not None:
            named = row.fields.get(columns.group)
            groups.append(f"row {len(texts)}" if named in (None, "") else f"group {named}")
        texts.append(text)
        ids.append(known)
    if not any(ids) and left_out:  # never the names: they may be texts of another column
        raise InputError(
            f"{file}: No row has a label that the bundle knows, and {left_out} have others. Its labels are "
            f"{listed(task.labels)}: name the column with `labels`, or map a name of yours with `mapping`."
        )
    missing = sorted(set(columns.mapping) - mapped)
    if missing:
        raise InputError(f"`mapping`: No row has the label {missing[0]}. Correct the name, or leave it out.")
    gold = label_matrix(Split(texts, targets_of(LabelRows.of(ids), task)), task)
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int32) if groups else None
    return LabelledRows(texts, gold, unknown, with_unknown, left_out, numbers)
