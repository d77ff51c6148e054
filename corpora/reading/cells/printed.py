"""Lists, arrays, sets, tuples and mappings that a program printed into a cell."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

# a call that prints its items in brackets: array([...], dtype=object), frozenset({...}), tensor([...])
_WRAPPED = re.compile(
    r"[A-Za-z_][\w.]*\s*\((?P<inner>[\[({].*?[\])}])(?:,\s*\w+=[^()]*)?\s*\)", re.ASCII | re.DOTALL
)

_EMPTY = re.compile(r"(?:set|frozenset|list|tuple|deque)\(\)")

# a call around one item, as numpy 2 and torch print scalars: np.str_('joy'), np.int64(1), tensor(1)
_SCALAR = r"(?:np\.|numpy\.|torch\.)?(?:str_|bool_|u?int\d*|float\d*|tensor|array)\("

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""

_PLAIN = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?\.\d+|(?:True|False)_?|true|false|None|null|nan|NaN"

_PRINTED = rf"(?:np\.|numpy\.)?(?:[urb]?({_QUOTED})|({_PLAIN}))"

_ITEM = re.compile(rf"\s*(?:{_SCALAR}{_PRINTED}(?:,\s*\w+=[\w.]+)?\)|{_PRINTED})(?=[\s,'\"]|$)\s*,?", re.DOTALL)

_ONE_SCALAR = re.compile(_SCALAR + r".*\)", re.DOTALL)

_BRACKETS = {"[": "]", "(": ")", "{": "}"}

CONSTANTS = {
    **dict.fromkeys(("True", "true", "True_"), True),
    **dict.fromkeys(("False", "false", "False_"), False),
    **dict.fromkeys(("None", "null")),
}

MAX_PRINTED_CHARS = 100_000

MAX_NUMBER_CHARS = 30


class Cut(ValueError):
    """A list that was printed in part, with dots for the rest."""


def printed_value(text: str, *, words: bool) -> list[Any] | dict[Any, Any] | None:
    """Return the list or mapping that a text shows; None for plain text.

    Args:
        text: a cell.
        words: whether `[fear, joy]` and `{fear,joy}`, without quotation marks, are lists too.

    Raises:
        Cut: a part of the list is left out.
    """
    inner = text.strip()
    if len(inner) > MAX_PRINTED_CHARS:
        return None
    if _ONE_SCALAR.fullmatch(inner) and (scalar := _items(inner)) is not None:
        return scalar
    if _EMPTY.fullmatch(inner):
        return []
    wrapped = _WRAPPED.fullmatch(inner)
    if wrapped is not None:
        inner = wrapped["inner"]
    if not inner or _BRACKETS.get(inner[0]) != inner[-1]:
        return None
    if inner[0] == "{" and ":" in inner:
        return _mapping(inner)
    body = inner[1:-1].strip()
    items = _items(body)
    if items is not None:
        return items
    if re.search(r"(?:^|[\s,])(?:\.\.\.|…)(?:$|[\s,])", body):
        raise Cut
    if words and inner[0] in "[{" and not re.search(r"[\[\](){}'\"]", body):
        return [part.strip() for part in body.split(",")]
    return None


def _items(body: str) -> list[Any] | None:
    """Return the items inside a list, separated by commas or blanks alone; None where it has other content."""
    items: list[Any] = []
    at = 0
    while at < len(body):
        match = _ITEM.match(body, at)
        if match is None:
            return None
        inside, number, alone, constant = match.groups()
        quoted, plain = inside or alone, number or constant
        items.append(_constant(plain) if quoted is None else _unquoted(quoted))
        at = match.end()
    return items


def _unquoted(quoted: str) -> str:
    try:
        value = ast.literal_eval(quoted.replace("\n", "\\n"))
    except (ValueError, SyntaxError):
        value = quoted[1:-1]
    return str(value)


def _constant(plain: str) -> object:
    if plain in CONSTANTS:
        return CONSTANTS[plain]
    if len(plain) > MAX_NUMBER_CHARS:
        return plain
    number = float(plain)
    return int(plain) if re.fullmatch(r"[-+]?\d+", plain) else number


def _mapping(text: str) -> dict[Any, Any] | None:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None
