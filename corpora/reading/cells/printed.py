"""Lists, arrays, sets, tuples and mappings that a program printed into a cell."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

# the wrappers of pandas, numpy and Python around the items
_WRAPPED = re.compile(
    r"(?:np\.|numpy\.|pd\.)?(?:array|list|set|frozenset|tuple|Index|str_)\s*\((?P<inner>.*?)(?:,\s*dtype=[^()]*)?\s*\)",
    re.DOTALL,
)

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""

_PLAIN = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?\.\d+|True|False|true|false|None|null|nan|NaN"

_ITEM = re.compile(rf"\s*(?:[urb]?({_QUOTED})|({_PLAIN}))(?=[\s,'\"]|$)\s*,?", re.DOTALL)

_BRACKETS = {"[": "]", "(": ")", "{": "}"}

CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}

MAX_PRINTED_CHARS = 100_000

MAX_NUMBER_CHARS = 30


class Cut(ValueError):
    """A list that was printed in part, with dots for the rest."""


def printed_value(text: str, *, words: bool) -> list[Any] | dict[Any, Any] | None:
    """Return the list or mapping that a text shows; None for plain text.

    Args:
        text: a cell.
        words: whether `[fear, joy]`, without quotation marks, is a list too.

    Raises:
        Cut: a part of the list is left out.
    """
    inner = text.strip()
    if len(inner) > MAX_PRINTED_CHARS:
        return None
    wrapped = _WRAPPED.fullmatch(inner)
    if wrapped is not None:
        inner = wrapped["inner"].strip() or "[]"
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
    if words and inner[0] == "[" and not re.search(r"[\[\](){}'\"]", body):
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
        quoted, plain = match.groups()
        items.append(_unquoted(quoted) if quoted is not None else _constant(plain))
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
