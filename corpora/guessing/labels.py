"""Columns that may be labels, the likeliest first, with the reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2

from distill.corpora.guessing.columns import NEARLY_ALL, Column, are_blocks, share_constant
from distill.corpora.guessing.joined import are_bits, delimiter_of, is_printed
from distill.corpora.guessing.names import (
    ABOUT_ROW_NAME,
    ANNOTATOR_NAME,
    CONTEXT_NAME,
    FINE_NAME,
    FLAG_NAME,
    GOLD_NAME,
    ID_NAME,
    LABEL_NAME,
    MEASURE_NAME,
    PREDICTED_NAME,
    SPEAKER_NAME,
)
from distill.corpora.reading.cells.cells import SPELT_MISSING, LabelCells, LabelForm
from distill.corpora.reading.cells.flags import FLAGS, is_one_spelling, plain_flag
from distill.corpora.reading.cells.labels import MAX_FOUND_LABELS, MAX_LABEL_CHARS, LabelError, Token
from distill.corpora.reading.json.nested import LIST
from distill.corpora.targets import CODECS

# the kinds that are proposed, by whether a row may have several labels; nobody guesses that labels are ordered
PROPOSED = {False: "single_label", True: "multi_label"}

# a column with fewer rows per value on average identifies rows rather than kinds of rows
MIN_REPEATS = 2.0

MIN_BLOCK = 3

# with fewer blocks of rows, a table may be sorted by its labels
MANY_BLOCKS = 10

# more numbers than these are rather counts or ids than classes
MAX_NUMBERS = 20

# what a column without any value would lose
EMPTY = 6.0

NUMBER = re.compile(r"-?\d*[.,]?\d+", re.ASCII)

# signs that some data sets write where annotators did not agree
_NO_NAME = frozenset({"-", "--", "?", "."})


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
    name = column.leaf
    score, reasons = _score_of_name(name)
    if LIST in text.name and column.name.count(LIST) >= text.name.count(LIST):
        score += 2
        reasons.append("it is beside each text")
    if guess.several:
        # pairs of numbers are rather places and sizes
        score += 3 if "its name" in reasons or not _are_numbered(guess.tokens) else 0
        reasons.append("several labels in a cell")
    if any(isinstance(value, list) for value in column.values[:1]):
        score += 1
        reasons.append("its cells are lists")
    if not _are_numbered(guess.tokens):
        score += 2
        reasons.append("words")
    score -= log2(len(guess.tokens)) / 4
    score -= EMPTY * (1 - len(column.values) / len(column.cells))
    if FLAG_NAME.search(name) or (reasons == [] and set(column.counts) <= FLAGS.keys() | {"True", "False"}):
        score -= 1.5
    if len(guess.tokens) > MAX_NUMBERS and _are_numbered(guess.tokens):
        score -= 2
    if ANNOTATOR_NAME.search(name) or SPEAKER_NAME.search(name):
        score -= 5
    if group is not None and share_constant(column, group) >= NEARLY_ALL > share_constant(text, group):
        score -= 4
    if max(guess.counts.values()) > NEARLY_ALL * sum(guess.counts.values()):
        score -= 1
    return replace(guess, score=score, reasons=tuple(reasons))


def _score_of_name(name: str) -> tuple[float, list[str]]:
    """Return how much a column's name is that of labels, and the reasons."""
    score, reasons = 0.0, []
    if LABEL_NAME.search(name) and not CONTEXT_NAME.search(name):
        score += 4 + (FINE_NAME.search(name) is not None)
        reasons.append("its name")
    elif ABOUT_ROW_NAME.search(name) or MEASURE_NAME.search(name):
        score -= 3
    if GOLD_NAME.search(name):
        score += 5
        reasons.append("what annotators agreed on")
    elif PREDICTED_NAME.search(name):
        score -= 3
    return score, reasons


def _blocks(columns: Sequence[Column]) -> list[LabelGuess]:
    """Return guesses that read neighbouring columns of 0 and 1 as one label each."""
    runs: list[list[Column]] = []
    words: frozenset[str] | None = None
    for column in columns:
        own = _flags_in(column)
        if own is not None and words is not None and _is_same_spelling(words, own):
            runs[-1].append(column)
            words |= own
        else:
            words = own
            runs += [] if own is None else [[column]]
    guesses = []
    for run in runs:
        labels = [column for column in run if not FLAG_NAME.search(column.leaf)]
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


def _flags_in(column: Column) -> frozenset[str] | None:
    """Return the words in which a column writes 0 and 1; None where it holds anything else."""
    keys = frozenset(plain_flag(key) for key in column.counts)
    if not keys or not keys <= FLAGS.keys() or ID_NAME.search(column.leaf) or ANNOTATOR_NAME.search(column.leaf):
        return None
    return keys


def _is_same_spelling(words: frozenset[str], flags: frozenset[str]) -> bool:
    """Return whether two columns write 0 and 1 alike, or both mix spellings."""
    return is_one_spelling(words | flags) or not (is_one_spelling(words) or is_one_spelling(flags))


def _as_labels(column: Column) -> LabelGuess | None:
    """Return a column read as labels; None where it cannot be read so."""
    if not column.values or ID_NAME.search(column.leaf) or column.is_time:
        return None
    named = LABEL_NAME.search(column.leaf) is not None
    if not named and len(column.counts) >= MANY_BLOCKS and are_blocks(column.keys, column.counts):
        return None  # conversations, each of which has its rows in one place
    if any(isinstance(value, list | tuple | dict) for value in column.values):
        return _guess(column, True, ",")
    cells = [value for value in column.values if isinstance(value, str)]
    if len(cells) == len(column.values) and are_bits(cells):
        guess = _guess(column, True, ",", "vector")
        return None if guess is None else replace(guess, form="vector")
    if any(is_printed(cell.strip()) for cell in cells):
        return _guess(column, True, ",")
    delimiter = delimiter_of(cells)
    return _guess(column, delimiter is not None, delimiter or ",")


def _are_numbered(tokens: Sequence[Token]) -> bool:
    """Return whether labels are numbers, or most have numbers in their names, as users and items have."""
    return 2 * sum(any(map(str.isdigit, str(token))) for token in tokens) > len(tokens)


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
