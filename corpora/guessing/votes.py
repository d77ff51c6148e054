"""Columns that hold votes or shares of annotators instead of labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distill.corpora.guessing.columns import NEARLY_ALL, Column
from distill.corpora.guessing.joined import TWO_NUMBERS, are_two_numbers
from distill.corpora.guessing.labels import MIN_BLOCK, NUMBER, LabelGuess
from distill.corpora.guessing.names import ID_NAME
from distill.corpora.reading.cells.cells import SHARES, LabelCells
from distill.corpora.reading.cells.labels import LabelError
from distill.corpora.reading.json.nested import LIST

# the most votes that the annotators of one row may cast
MAX_VOTES = 20

# rows whose shares are added up, and what rounding may change
SHARE_ROWS, SHARE_ERROR = 200, 0.02

PERCENT = 100

_SHARE = re.compile(rf"(?:{NUMBER.pattern})\s?%?", re.ASCII)

# a label with its number: joy: 70%, joy=0.7, joy (2)
_NUMBERED = re.compile(r"(\w[^:=(\d]*?)(?:\s*[:=(]\s*\d*[.,]?\d+\s*%?\)?|\s+\d*[.,]?\d+\s*%)")


def why_no_labels(columns: Sequence[Column]) -> str | None:
    """Return the reason why a likely column does not hold labels: shares or votes of annotators."""
    reader = LabelCells(("cell",), True, missing=())
    shares = _shares_among(columns)
    if shares:
        return f"columns {', '.join(shares)} hold {SHARES}"
    for column in columns:
        if (why := _numbered_names(column)) is not None:
            return why
        if are_two_numbers(list(map(str, column.values))):
            return f"column '{column.name}' holds {TWO_NUMBERS}"
        for value in column.values[:1]:
            try:
                reader.cell({"cell": value})
            except LabelError as error:
                if "a mapping without labels" in str(error):
                    continue
                holds = ":" if " holds " in str(error) else " holds"
                return f"column '{column.name}'{holds} {error}"
    return None


def shares_around(guess: LabelGuess, columns: Sequence[Column]) -> str | None:
    """Return why a guess does not hold labels: its column is one of several shares, or names have numbers."""
    shares = _shares_among(columns)
    if set(guess.columns) & set(shares):
        return f"columns {', '.join(shares)} hold {SHARES}"
    column = next((column for column in columns if guess.columns == (column.name,)), None)
    return None if column is None else _numbered_names(column)


def _numbered_names(column: Column) -> str | None:
    """Return why a column does not hold labels: most of its cells name several labels, each with a number."""
    cells = [re.split(r"\s*[,;|]\s*", str(value).strip()) for value in column.values]
    found = [[_NUMBERED.fullmatch(part) for part in cell] for cell in cells]
    whole = [[match[1] for match in matches if match] for matches in found if all(matches)]
    several = sum(len(set(names)) == len(names) > 1 for names in whole)
    if len(whole) < NEARLY_ALL * len(cells) or 2 * several < len(cells) or not cells:
        return None
    return f"column '{column.name}' holds a number beside each label: {SHARES}"


def _shares_among(columns: Sequence[Column]) -> list[str]:
    """Return neighbouring columns of numbers that add up to 1, or to 100 percent, in each row."""
    numeric = [column for column in columns if column.counts and all(map(_SHARE.fullmatch, column.counts))]
    for size in range(len(numeric), 1, -1):
        for start in range(len(numeric) - size + 1):
            block = numeric[start : start + size]
            rows = [list(map(_share, keys)) for keys in zip(*(c.keys for c in block), strict=True)]
            decimal = any(not number.is_integer() for row in rows[:MAX_VOTES] for number in row)
            seen = rows[:SHARE_ROWS]
            if decimal and all(abs(sum(row) - 1) < SHARE_ERROR for row in seen):
                return [column.name for column in block]
            if all(abs(sum(row) - PERCENT) < PERCENT * SHARE_ERROR for row in seen):
                return [column.name for column in block]
    return []


def _share(key: str) -> float:
    return float(key.rstrip("% ").replace(",", ".") or "nan")


def votes_around(guess: LabelGuess, columns: Sequence[Column]) -> list[str] | None:
    """Return neighbouring columns of counts (votes per label) that include the guess; None if there are none."""
    run: list[Column] = []
    runs = []
    for column in columns:
        if _are_counts(column):
            run.append(column)
        else:
            runs.append(run)
            run = []
    for block in (*runs, run):
        names = [column.name for column in block]
        parents = {name.rpartition(".")[0] for name in names}
        of_mapping = len(block) > 1 and len(parents) == 1 and not any(p == "" or p.endswith(LIST) for p in parents)
        from_zero = 2 * sum("0" in _plain_counts(column) for column in block) > len(block)
        votes = of_mapping or (len(block) >= MIN_BLOCK and from_zero)
        if votes and len(guess.columns) == 1 and guess.columns[0] in names:
            return names
    return None


def _plain_counts(column: Column) -> set[str]:
    return {key.removesuffix(".0") for key in column.counts}


def _are_counts(column: Column) -> bool:
    """Return whether a column holds small whole numbers, and more than 0 and 1."""
    keys = _plain_counts(column)
    if ID_NAME.search(column.leaf) or not keys or not all(key.isascii() and key.isdigit() for key in keys):
        return False
    return 2 <= max(map(int, keys)) <= MAX_VOTES
