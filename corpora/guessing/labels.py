"""Columns that may be labels, the likeliest first, with the reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2

from distill.corpora.guessing.columns import (
    ANNOTATOR_NAME,
    CONTEXT_NAME,
    ID_NAME,
    SPEAKER_NAME,
    Column,
    share_constant,
)
from distill.corpora.reading.cells.cells import FLAGS, SPELT_MISSING, LabelCells, LabelForm, plain_flag
from distill.corpora.reading.cells.labels import MAX_FOUND_LABELS, MAX_LABEL_CHARS, LabelError, Token
from distill.corpora.reading.cells.printed import Cut, printed_value
from distill.corpora.reading.json.nested import LIST
from distill.corpora.targets import CODECS

# the kinds that are proposed, by whether a row may have several labels; nobody guesses that labels are ordered
PROPOSED = {False: "single_label", True: "multi_label"}

DELIMITERS = (",", ";", "|")

# these hardly ever occur inside a name
SURE_DELIMITERS = ("、", "，", "；", "\n")

# these occur inside names too, so nearly all parts must be labels of other rows
WEAK_DELIMITERS = ("/", "+", "&", " and ", " ")

# a column with fewer rows per value on average identifies rows rather than kinds of rows
MIN_REPEATS = 2.0

MIN_BLOCK = 3

_BITS = re.compile(r"[01]{3,}", re.ASCII)

NUMBER = re.compile(r"-?\d*[.,]?\d+", re.ASCII)

# words that are the finer label where a table has several, as emotions beside sentiments
_FINE_NAME = re.compile(r"emotion|mood|feeling|情绪", re.IGNORECASE)

# signs that some data sets write where annotators did not agree
_NO_NAME = frozenset({"-", "--", "?", "."})

# the share of rows that decides what a column is like
NEARLY_ALL = 0.95

_LABEL_NAME = re.compile(
    r"label|emotion|mood|feeling|topic|categor|class|intent|sentiment|tag|target|talk_type|behaviou?r|^gold|标签|情感|情绪|类别",
    re.IGNORECASE,
)  # fmt: skip

# a column of 0 and 1 that describes the row, not its text
_FLAG_NAME = re.compile(
    r"unclear|example|flag|^is_|^has_|valid|spam|verified|deleted|edited|^gold$|^train|^test|agree|sticki|_exists$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LabelGuess:
    """A reading of columns as labels.

    Args:
        columns: one column, or one of 0 and 1 per label.
        several: whether a row may have several labels.
        delimiter: what separates several labels in one string.
        counts: the different labels, with the rows of each.
        score: likeness to labels; the guess with the highest score is proposed.
        reasons: the reasons for the score, in the words of a comment.
        missing: values of the column that may mean a missing label.
        form: what a cell is, where it could be read in two ways.
    """

    columns: tuple[str, ...]
    several: bool
    delimiter: str | None
    counts: Counter[Token]
    score: float = 0.0
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    form: LabelForm | None = None

    @property
    def task(self) -> str:
        """The kind of task that is proposed."""
        return PROPOSED[self.several]

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The different labels, without what may be missing."""
        return tuple(token for token in self.counts if token not in self.missing)


def label_guesses(columns: Sequence[Column], group: Column | None, text: Column) -> list[LabelGuess]:
    """Return every way to read columns as labels, the best first.

    Args:
        columns: those that are neither the text nor the split.
        group: the column of conversations or clients, if there is one.
        text: the text column: a label that depends on the group alone belongs to the group, unless the text does
            too.
    """
    guesses = _blocks(columns)
    blocked = {name for guess in guesses for name in guess.columns}
    for column in columns:
        if column.name in blocked or column is group:
            continue
        guess = _as_labels(column)
        if guess is not None:
            guesses.append(_scored(guess, column, group, text))
    return sorted(guesses, key=lambda guess: -guess.score)


def _scored(guess: LabelGuess, column: Column, group: Column | None, text: Column) -> LabelGuess:
    """Return the guess with its score and the reasons for it."""
    name, score, reasons = column.leaf, 0.0, []
    if _LABEL_NAME.search(name) and not CONTEXT_NAME.search(name):
        score += 4 + (_FINE_NAME.search(name) is not None)
        reasons.append("its name")
    if LIST in text.name and column.name.count(LIST) >= text.name.count(LIST):
        score += 2
        reasons.append("it is beside each text")
    if guess.several:
        score += 3
        reasons.append("several labels in a cell")
    if any(isinstance(value, list) for value in column.values[:1]):
        score += 1
        reasons.append("its cells are lists")
    if not all(str(token).lstrip("-").isdigit() for token in guess.tokens):
        score += 2
        reasons.append("words")
    score -= log2(len(guess.tokens)) / 4
    if set(column.counts) <= FLAGS.keys() | {"True", "False"} or _FLAG_NAME.search(name):
        score -= 1.5
    if ANNOTATOR_NAME.search(name) or SPEAKER_NAME.search(name):
        score -= 5
    if group is not None and share_constant(column, group) >= NEARLY_ALL > share_constant(text, group):
        score -= 4
    if max(guess.counts.values()) > NEARLY_ALL * sum(guess.counts.values()):
        score -= 1
    return replace(guess, score=score, reasons=tuple(reasons))


def _blocks(columns: Sequence[Column]) -> list[LabelGuess]:
    """Return guesses that read neighbouring columns of 0 and 1 as one label each."""
    runs: list[list[Column]] = []
    last: str | None = None
    for column in columns:
        kind = _flag_kind(column)
        if kind is not None and kind == last:
            runs[-1].append(column)
        elif kind is not None:
            runs.append([column])
        last = kind
    guesses = []
    for run in runs:
        labels = [column for column in run if not _FLAG_NAME.search(column.leaf)]
        if len(labels) < MIN_BLOCK - 1:
            continue
        flags = [[FLAGS[plain_flag(key)] for key in column.keys if key] for column in labels]
        sums = [sum(row) for row in zip(*flags, strict=False)]
        several = any(total != 1 for total in sums)
        counts: Counter[Token] = Counter({c.name: sum(flag) for c, flag in zip(labels, flags, strict=True)})
        score = 6.0 if len(labels) >= MIN_BLOCK else 0.5
        names = tuple(column.name for column in labels)
        guesses.append(LabelGuess(names, several, ",", counts, score, ("neighbouring columns of 0 and 1",)))
    return guesses


def _flag_kind(column: Column) -> str | None:
    """Return the spelling in which a column writes 0 and 1; None where it holds anything else."""
    keys = {plain_flag(key) for key in column.counts}
    if not keys or not keys <= FLAGS.keys() or ID_NAME.search(column.leaf) or ANNOTATOR_NAME.search(column.leaf):
        return None
    spellings = ("01", "falsetrue", "noyes", "ny")
    return next((pair for pair in spellings if all(key in pair for key in keys)), "several")


def _as_labels(column: Column) -> LabelGuess | None:
    """Return a column read as labels; None where it cannot be read so."""
    if not column.values or ID_NAME.search(column.leaf):
        return None
    if any(isinstance(value, list | tuple | dict) for value in column.values):
        return _guess(column, True, ",")
    cells = [value for value in column.values if isinstance(value, str)]
    if len(cells) == len(column.values) and _are_bits(cells):
        guess = _guess(column, True, ",", "vector")
        return None if guess is None else replace(guess, form="vector")
    if any(is_printed(cell.strip()) for cell in cells):
        return _guess(column, True, ",")
    for delimiter in (*DELIMITERS, *SURE_DELIMITERS, *WEAK_DELIMITERS):
        if _is_delimited(cells, delimiter):
            return _guess(column, True, delimiter)
    return _guess(column, False, ",")


def _are_bits(cells: Sequence[str]) -> bool:
    """Return whether the cells are zeros and ones of one length, and not numbers: some begin with 0."""
    alike = len({len(cell) for cell in cells}) == 1 and all(_BITS.fullmatch(cell) for cell in cells)
    return alike and any(cell.startswith("0") for cell in cells)


def is_printed(cell: str) -> bool:
    """Return whether a cell looks printed: a list, a set, an array, or zeros and ones with blanks between them."""
    if cell[:1] in "[{" and cell[-1:] in "]}":
        return bool(cell)
    if re.fullmatch(r"[01](?: [01]){2,}", cell):
        return True
    try:
        return printed_value(cell, words=True) is not None
    except Cut:
        return True


def _is_delimited(cells: Sequence[str], delimiter: str) -> bool:
    """Return whether the delimiter separates labels: its parts are also whole cells elsewhere."""
    alone = {cell.strip() for cell in cells if delimiter not in cell}
    parts = {part.strip() for cell in cells if delimiter in cell for part in cell.split(delimiter)}
    if delimiter in WEAK_DELIMITERS:
        return len(parts & alone) > NEARLY_ALL * len(parts)
    if delimiter in SURE_DELIMITERS:
        return bool(parts & alone)
    return 2 * len(parts & alone) > len(parts) or (bool(parts) and parts <= {"0", "1"} and len(cells) > 1)


def _guess(column: Column, several: bool, delimiter: str, form: LabelForm | None = None) -> LabelGuess | None:
    """Return the column's labels if they are few, short and repeated, else None."""
    counts: Counter[Token] = Counter()
    reader = LabelCells(("cell",), several, delimiter, missing=(), form=form)
    sizes = set()
    for value in column.values:
        try:
            cell = reader.cell({"cell": value})
            tokens = CODECS[PROPOSED[several]].parse(cell, delimiter)
        except LabelError:
            continue
        sizes.add(len(tokens))
        counts.update(map(reader.token, tokens))
        if len(counts) > MAX_FOUND_LABELS:
            return None
    few = len(counts) >= 2 and sum(counts.values()) >= MIN_REPEATS * len(counts)
    if not few or max(len(str(token)) for token in counts) > MAX_LABEL_CHARS:
        return None
    names = list(map(str, counts))
    if all(map(NUMBER.fullmatch, names)) and any("." in name or "," in name for name in names):
        return None  # a measure: scores and shares
    words = sum(str(token).isalpha() and len(str(token)) > 1 for token in counts)
    unnamed = _NO_NAME if words >= len(counts) - 1 else frozenset()
    missing = tuple(str(token) for token in counts if token in SPELT_MISSING | unnamed)
    if len(counts) - len(missing) < 2:
        return None
    return LabelGuess((column.name,), several and sizes != {1}, delimiter, counts, missing=missing)


def where_labelled(guess: LabelGuess, columns: Sequence[Column]) -> tuple[str, str | list[str]] | None:
    """Return the filter that keeps the labelled rows, where another column decides which ones are labelled."""
    label = next(column for column in columns if column.name == guess.columns[0])
    lacking = [key in guess.missing for key in label.keys]
    for column in columns:
        if column is label or not 2 <= len(column.counts) <= MAX_FOUND_LABELS // 10 or "" in column.keys:
            continue
        without: Counter[str] = Counter(key for key, lacks in zip(column.keys, lacking, strict=True) if lacks)
        shares = {value: without[value] / rows for value, rows in column.counts.items()}
        kept = [value for value, share in shares.items() if share < 1 - NEARLY_ALL]
        decides = all(share > NEARLY_ALL or share < 1 - NEARLY_ALL for share in shares.values())
        if kept and decides and len(kept) < len(shares):
            return column.name, kept[0] if len(kept) == 1 else kept
    return None
