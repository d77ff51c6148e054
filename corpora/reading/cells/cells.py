"""Label cells as people write them, brought into one form: names, ids, or lists of them.

A cell that could be read in two ways is refused, with both readings and the key that decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from distill.corpora.reading.cells.flags import FLAGS, plain_flag
from distill.corpora.reading.cells.labels import LabelError, Token
from distill.corpora.reading.cells.printed import Cut, printed_value

LabelForm = Literal["names", "ids", "vector"]

# values that a program writes for "there is none", and that may be a label's name
SPELT_MISSING = frozenset(
    {"nan", "NaN", "NAN", "None", "null", "NULL", "<NA>", "NaT", "n/a", "N/A", "#N/A", "NA", "na"}
)

# a list of this many zeros and ones repeats one of them, which no list of ids does
SURE_VECTOR = 3

# an id as a float: 1.0, 1., and as numpy saves it, 1.000000000000000000e+00
_FLOAT_ID = re.compile(r"(-?\d{1,9})\.0*|-?\d(?:\.\d+)?[eE]\+?\d{1,2}", re.ASCII)

# where spreadsheets write a comma; only where no cell has several labels, which a comma may separate
_COMMA_ID = re.compile(rf"{_FLOAT_ID.pattern}|(-?\d{{1,9}}),0+", re.ASCII)

# the key under which Label Studio writes several labels of a row
CHOICES = "choices"

MOST_IDS = 10**9

_BITS = re.compile(r"[01]{3,}", re.ASCII)

SHARES = (
    "shares or votes of annotators, but here a row either has a label or does not: keep the majority's label, or "
    "those above a bound"
)


PAIR = (
    "a list of 0 and 1 is a vector with one place per label, or a list of ids; "
    'set `label_form` = "vector" or "ids"'
)


class NoLabel(LabelError):
    """A row without a label: nobody labelled it, which is normal in a file to predict."""


@dataclass(frozen=True)
class LabelCells:
    """The label cells of a corpus.

    Args:
        columns: one column of labels, or one of 0 and 1 per label.
        several: whether a row may have any number of labels.
        delimiter: the separator of several labels in one string.
        names: the labels where they are known.
        missing: values that mean that a row has no label.
        form: the form of a cell where it could be read in two ways.
    """

    columns: tuple[str, ...]
    several: bool
    delimiter: str | None = ","
    names: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    form: LabelForm | None = None

    def cell(self, fields: Mapping[str, Any]) -> object:
        """Return a row's cell as a name, an id, a string to split, or a list of names or ids.

        Raises:
            NoLabel: the row has none.
            LabelError: the cell cannot be used, or could be read in two ways; never quotes it.
        """
        if len(self.columns) > 1:
            return self._from_columns(fields)
        cell: Any = fields.get(self.columns[0])
        if hasattr(cell, "tolist"):  # numpy arrays and scalars
            cell = cell.tolist()
        if isinstance(cell, str):
            cell = self._from_text(cell)
        if cell is None or (isinstance(cell, float) and cell != cell):
            raise NoLabel("the label is missing")
        if isinstance(cell, Mapping):
            return self._from_mapping(cell)
        if isinstance(cell, set | frozenset):
            cell = sorted(cell, key=str)
        if isinstance(cell, list | tuple):
            return self._from_list(list(cell))
        return cell

    def token(self, token: Token) -> Token:
        """Return one name or id, an id where it is written as a float, such as 1.0."""
        if not isinstance(token, str) or (self.names is not None and token in self.names):
            return token
        if self.form == "names" or (_FLOAT_ID if self.several else _COMMA_ID).fullmatch(token) is None:
            return token
        number = float(token.replace(",", "."))
        return int(number) if number.is_integer() and abs(number) < MOST_IDS else token

    def has_label(self, fields: Mapping[str, Any]) -> bool:
        """Return whether a row is labelled: not where the column is missing or its cell empty.

        Nor where it is -1 beside names, as the hub writes it; without names -1 may be a label, such as negative.
        """
        several = len(self.columns) > 1
        empty = {"", "[]"} if self.names is None or "-1" in self.names else {"", "[]", "-1", "-1.0"}
        for column in self.columns:
            value = fields.get(column)
            text = "" if value is None or value != value else str(value).strip()
            if (
                text not in empty
                and text not in (self.missing or SPELT_MISSING)
                and not (several and _is_none(text))
            ):
                return True
        return False

    def check_names(self, names: Sequence[str], *, pairs: bool) -> None:
        """Refuse names of labels, none of them known before, that may be meant as vectors.

        Args:
            names: the names in the cells.
            pairs: whether any row has two of them.

        Raises:
            LabelError: all are strings of zeros and ones of one length, or they are 0 and 1 in lists of two.
        """
        if self.form is None and pairs and self.several and set(names) == {"0", "1"}:
            raise LabelError(PAIR)
        bits = [name for name in names if _BITS.fullmatch(name)]
        if self.form is None and len(bits) > 1 and len(bits) == len(names) and len(set(map(len, bits))) == 1:
            raise LabelError(
                "every label is a string of as many zeros and ones: a vector with one place per label, or names; "
                'set `label_form` = "vector" or "names"'
            )

    def _from_columns(self, fields: Mapping[str, Any]) -> list[str]:
        """Return the labels whose column is 1."""
        names = self.names or label_names_of(self.columns)
        flags = [_flag(fields.get(column), f"column '{column}'") for column in self.columns]
        if all(flag is None for flag in flags):
            raise NoLabel("the label is missing")
        for column, flag in zip(self.columns, flags, strict=True):
            if flag is None:
                raise LabelError(
                    f"column '{column}' is empty where 0 or 1 is expected; write 0 where nothing is meant"
                )
        return [name for name, flag in zip(names, flags, strict=True) if flag]

    def _from_text(self, text: str) -> object:
        """Return a cell of a text file: a printed list is parsed, a spelt-out missing value refused."""
        stripped = text.strip()
        if stripped in (self.missing or ()):
            raise NoLabel("the label is missing")
        known = self.names is not None and stripped in self.names
        if stripped in SPELT_MISSING and self.missing is None and not known and self.form != "names":
            raise LabelError(
                f"the label is spelt '{stripped}', which is a missing value or a label's name; list it in "
                "`missing` if it is missing, or set `missing` = [] if it is a label"
            )
        if self.form == "names":
            return self._parts(text)
        if known and not (self.several and self.delimiter and self.delimiter in stripped):
            return stripped
        try:
            shown = printed_value(stripped, words=self.several)
        except Cut:
            raise LabelError("a printed list that was cut, with ... in it; write lists out") from None
        if shown is not None:
            return shown
        bits = self._bits(stripped)
        return self._parts(text) if bits is None else bits

    def _bits(self, text: str) -> list[int] | None:
        """Return a vector without brackets: 0 1 1 0, 0,1,1,0, or 0110 where the recipe says so."""
        if self.form == "vector" and _BITS.fullmatch(text):
            return [int(bit) for bit in text]
        parts = text.split()
        if len(parts) < SURE_VECTOR and self.delimiter:
            parts = [part.strip() for part in text.split(self.delimiter)]
        if len(parts) >= SURE_VECTOR - (self.form == "vector") and set(parts) <= {"0", "1"}:
            return [int(part) for part in parts]
        return None

    def _parts(self, text: str) -> object:
        """Return a string to split, or a known name that has the delimiter in it."""
        stripped = text.strip()
        if not self.several or not self.delimiter or self.delimiter not in stripped or self.names is None:
            return text
        if stripped not in self.names:
            return text
        if all(part.strip() in self.names for part in stripped.split(self.delimiter)):
            raise LabelError(
                "the cell is a label's name, and its parts are names too; set `delimiter` to another character"
            )
        return [stripped]

    def _from_mapping(self, cell: Mapping[Any, Any]) -> list[Any]:
        """Return the labels that a mapping from names sets to 1."""
        if not cell:
            raise LabelError("a mapping without labels")
        if cell.keys() == {CHOICES} and isinstance(cell[CHOICES], list):
            return self._from_list(cell[CHOICES])
        # keys are cells: they are not quoted
        flags = {str(name): _flag(value, "a label of a mapping") for name, value in cell.items()}
        return [name for name, flag in flags.items() if flag]

    def _from_list(self, items: list[Any]) -> list[Any]:
        """Return names and ids as they are; a vector of 0 and 1 as the ids of its ones."""
        numbers = [item for item in items if isinstance(item, int | float)]
        if len(numbers) < len(items) or not items or self.form in ("ids", "names"):
            return [item for item in items if item is not None and item == item]
        if len(items) > 1 and any(isinstance(item, float) and not item.is_integer() for item in numbers):
            raise LabelError(f"{len(items)} {SHARES}")
        zeros_and_ones = set(numbers) <= {0, 1}
        of_all = self.names is not None and len(items) == len(self.names)
        bools = all(isinstance(item, bool) for item in items)
        repeats = len(items) >= SURE_VECTOR or (len(items) == 2 and (bools or items[0] == items[1]))
        if zeros_and_ones and (repeats or self.form == "vector"):
            return self._ones(items)
        if zeros_and_ones and len(items) == 2 and of_all:
            raise LabelError(PAIR)
        if of_all and len(items) >= SURE_VECTOR and len(set(items)) < len(items):
            raise LabelError(f"{len(items)} {SHARES}")
        return items

    def _ones(self, items: list[Any]) -> list[int]:
        if self.names is not None and len(items) != len(self.names):
            raise LabelError(f"a vector of {len(items)} places where there are {len(self.names)} labels")
        return [place for place, item in enumerate(items) if item]


def label_names_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the label name of each column: the last step of its path."""
    return tuple(column.rsplit(".", 1)[-1].removesuffix("[]") for column in columns)


def _is_none(text: str) -> bool:
    """Return whether a cell in a column of 0 and 1 spells a missing value, which no label's name can be."""
    return text.casefold() in {spelt.casefold() for spelt in SPELT_MISSING}


def _flag(value: object, where: str) -> bool | None:
    """Read 0 or 1 in any of its spellings; None where the cell is empty."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return value
    text = plain_flag(str(value))
    flag = FLAGS.get(text)
    if flag is None:
        try:
            float(text.removesuffix("%").replace(",", "."))
        except ValueError:
            if _is_none(text):
                return None
            raise LabelError(f"{where} holds something else than 0 or 1, true or false, yes or no") from None
        raise LabelError(f"{where} holds another number than 0 and 1, as {SHARES}")
    return flag
