"""Reasons why the columns of a table do not hold labels of its texts, although some look like it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from distill.corpora.guessing.columns import NEARLY_ALL, Column
from distill.corpora.guessing.labels import MIN_BLOCK, LabelGuess
from distill.corpora.guessing.names import ANNOTATOR_NAME, SPEAKER_NAME
from distill.corpora.reading.cells.cells import SPELT_MISSING
from distill.corpora.reading.cells.labels import MAX_FOUND_LABELS, MAX_LABEL_CHARS
from distill.corpora.reading.cells.printed import Cut, printed_value
from distill.corpora.reading.rows import listed
from distill.corpora.reading.tables.conll import are_tags
from distill.corpora.reading.tables.separators import TXT_SEPARATORS

# what ends a turn in files that hold a dialogue in a cell
TURN_END = re.compile(r"\s*(?:__eou__|__EOU__|<eou>|<EOU>|</s>)\s*")

# words of a label, and the mean of them from which a column holds sentences
MAX_WORDS = 5.0

# the share of joined labels that name one twice where they are votes
MOST_VOTES = 0.5

# a label with fewer lines does not show that the lines' first words are labels
MIN_LINES = 5


def parallel_cells(text: Column, label: Column) -> str | None:
    """Return why a label belongs to a part of its row's text: both cells hold lists of one length."""
    turns = parts = alike = 0
    for cell, labels in zip(text.cells, label.cells, strict=True):
        texts = _texts_in(cell)
        turns += len(texts)
        parts += len(texts) > 1
        alike += len(texts) > 1 and len(texts) == _number_of(labels)
    if not parts or 2 * parts < len(text.values) or alike < NEARLY_ALL * parts:
        return None
    return (
        f"each cell of '{text.name}' holds as many texts as '{label.name}' has labels, {turns} in all: write one "
        f'row per text, or lines of JSON with both as lists, which `text` = "{text.name}[]" reads'
    )


def _texts_in(cell: object) -> list[str]:
    """Return the texts in a cell: of a printed list, or between the marks at the end of turns."""
    if not isinstance(cell, str):
        return []
    try:
        items = printed_value(cell, words=False)
    except Cut:
        return []
    if isinstance(items, list):
        return [item for item in items if isinstance(item, str)]
    return [part for part in TURN_END.split(cell) if part.strip()] if TURN_END.search(cell) else []


def _number_of(labels: object) -> int:
    if isinstance(labels, list | tuple):
        return len(labels)
    try:
        items = printed_value(str(labels), words=True)
    except Cut:
        return 0
    return len(items) if items is not None else len(re.split(r"[\s,;|]+", str(labels).strip()))


def people_only(guesses: Sequence[LabelGuess]) -> str | None:
    """Return why the only likely columns are not labels: they say who annotated or who speaks."""
    people = [guess for guess in guesses if any(_is_person(name) for name in guess.columns)]
    if not guesses or len(people) < len(guesses):
        return None
    names = listed([name for guess in people for name in guess.columns])
    return (
        f"only {names} hold few values, and their names are those of annotators or speakers; where each holds one "
        "annotator's labels, write one row per annotator, or a column with the labels of most; where the last "
        "turn of a chat is its label, write it in a field of its own"
    )


def _is_person(name: str) -> bool:
    leaf = name.rpartition("[].")[2]
    return ANNOTATOR_NAME.search(leaf) is not None or SPEAKER_NAME.search(leaf) is not None


def marked_columns(columns: Sequence[Column], guess: LabelGuess | None) -> str | None:
    """Return why neighbouring columns, one per label, are not read: they hold a mark or nothing, or -1 and 1.

    Args:
        columns: those that may hold labels, in their order.
        guess: the likeliest labels; None where there are none.
    """
    for kind, how in (("mark", "one value or nothing"), ("sign", "-1 and 1")):
        run: list[str] = []
        runs = [run]
        for column in columns:
            if _marks(column) == kind:
                run.append(column.name)
            else:
                run = []
                runs.append(run)
        names = max(runs, key=len)
        inside = guess is not None and set(guess.columns) <= set(names)
        if len(names) >= MIN_BLOCK and (guess is None or inside or not guess.reasons):
            return f"columns {listed(names)} hold {how}: write 1 where a label is meant, and 0 elsewhere"
    return None


def _marks(column: Column) -> str | None:
    keys = set(column.counts) - SPELT_MISSING
    if keys in ({"-1", "1"}, {"-1.0", "1.0"}):
        return "sign"
    few = len(keys) == 1 and ("" in column.keys or len(column.counts) > 1) and len(next(iter(keys))) <= len("yes")
    return "mark" if few else None


def first_word_labels(column: Column) -> str | None:
    """Return why lines of text may begin with their labels: their first words are few and repeat."""
    first = Counter(str(value).split(maxsplit=1)[0] for value in column.values if str(value).strip())
    rows = first.total()
    if 2 <= len(first) <= MAX_FOUND_LABELS // 10 and rows >= MIN_LINES * len(first):
        return (
            f"the lines of '{column.name}' begin with one of {len(first)} words, like labels: write a tab between "
            "label and text"
        )
    return None


def label_beside_text(column: Column) -> str | None:
    """Return why lines of text may be rows of a text and a label: their last or first field repeats like one.

    The texts have the separator in them too, so that the lines have different numbers of fields.
    """
    lines = [str(value) for value in column.values]
    for separator in TXT_SEPARATORS:
        have = [line for line in lines if separator in line]
        if len(have) < NEARLY_ALL * len(lines) or not have:
            continue
        for place, part in (("last", 2), ("first", 0)):
            cut = str.rpartition if part else str.partition
            fields = Counter(cut(line, separator)[part].strip() for line in have)
            short = max(map(len, fields)) <= MAX_LABEL_CHARS
            if short and 2 <= len(fields) <= MAX_FOUND_LABELS // 10 and len(have) >= MIN_LINES * len(fields):
                shown = "tab" if separator == "\t" else separator
                return (
                    f"the {place} fields of the lines, set apart by '{shown}', are {len(fields)} values that "
                    "repeat like labels, but the texts have this character too: save the lines as .csv with "
                    "quotation marks around the texts, or set label and text apart by '|||'"
                )
    return None


def token_tags(guess: LabelGuess | None) -> str | None:
    """Return why labels are of tokens: they are tags such as O, B-LOC and I-LOC."""
    if guess is None or not are_tags({str(token) for token in guess.tokens}):
        return None
    return (
        f"column '{guess.columns[0]}' holds tags of tokens, such as O and B-, one token per row. Labels here are "
        "of whole texts, so join each sentence into one row with its own label"
    )


def votes_in_lists(guess: LabelGuess | None, columns: Sequence[Column]) -> str | None:
    """Return why lists of labels are votes: they name a label twice, as several annotators do."""
    column = next((c for c in columns if guess is not None and guess.columns == (c.name,)), None)
    if column is None or guess is None or guess.form == "vector":
        return None
    every = len(guess.tokens) * len(column.values)
    if guess.several and len(guess.tokens) > 2 and sum(guess.counts.values()) == every:
        return (
            f"column '{column.name}' names all {len(guess.tokens)} labels in every row, as a ranking does: keep "
            "those that apply"
        )
    delimiter = guess.delimiter if guess.several else None
    lists = [items for items in (_items_of(value, delimiter) for value in column.values) if len(items) > 1]
    vectors = {item for items in lists for item in items} <= {"0", "1", "0.0", "1.0", "False", "True"}
    twice = sum(len(set(items)) < len(items) for items in lists)
    # a name may well be written twice in one string
    least = 1 - NEARLY_ALL if any(isinstance(value, list) for value in column.values) else MOST_VOTES
    if vectors or not twice or twice < least * len(lists):
        return None
    return (
        f"column '{column.name}' names a label twice in {twice} of {len(column.values)} rows, as votes of several "
        "annotators: keep the labels of most, or write one row per annotator with a `row_id`"
    )


def _items_of(value: object, delimiter: str | None) -> list[str]:
    """Return the labels in a cell as written, repeated ones too: of a list, a printed one, or joined names."""
    if isinstance(value, str):
        try:
            shown = printed_value(value.strip(), words=True)
        except Cut:
            return []
        parts = value.split(delimiter) if delimiter else [value]
        value = shown if isinstance(shown, list) else [part for part in parts if part.strip()]
    return [str(item).strip() for item in value] if isinstance(value, list | tuple) else []


def has_sentences(guess: LabelGuess) -> bool:
    """Return whether the values of a column are sentences, as questions that repeat are."""
    words = [len(str(token).split()) for token in guess.tokens]
    return sum(words) > MAX_WORDS * len(words)


def texts_in_words(text: Column | None, columns: Sequence[Column]) -> str | None:
    """Return why a table has no texts: a column holds them as lists of words, and no other holds any.

    Args:
        text: the likeliest column of texts, which may hold ids.
        columns: all that may hold texts.
    """
    if text is not None and any(" " in str(value).strip() or not str(value).isascii() for value in text.values):
        return None  # not all scripts have blanks
    for column in columns:
        lists = [value for value in column.values if isinstance(value, list)]
        items = [item for value in lists for item in value]
        words = all(isinstance(item, str) and " " not in item for item in items)
        if lists and words and len(lists) == len(column.values) and len(items) > MAX_WORDS * len(lists):
            return f"column '{column.name}' holds texts as lists of words: join each list to one text"
    return None
