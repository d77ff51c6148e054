"""Strict reading of one JSON object; every error names the file, the key and the remedy."""

import difflib
import math
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import TypeGuard

from distill.export.runtime.errors import BundleError

# no bundle needs deeper nesting; well below Python's own limit on recursion
MAX_DEPTH = 32

# characters of a foreign name shown in an error
MAX_SHOWN = 80

MAX_PATH = 4096  # Linux's limit

# Unicode characters that change the direction of the text after them, or end a line
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


class Fields:
    """Fields of one JSON object with exactly the keys in `keys`; each method checks and returns one field.

    Those in `optional` may be there too.
    """

    def __init__(self, data: object, where: str, keys: Collection[str], optional: Collection[str] = ()) -> None:
        if not isinstance(data, dict):
            raise BundleError(f"{where}: This must be a JSON object, but is {type(data).__name__}.")
        self.where = where
        self._data = data
        for key in data:
            if key not in keys and key not in optional:
                shown = str(key)[:MAX_SHOWN]
                near = difflib.get_close_matches(shown, [*keys, *optional], n=1)
                hint = f" Did you mean {near[0]!r}?" if near else " Remove it."
                raise BundleError(f"{where}: There is an unknown key {shown!r}.{hint}")
        for key in keys:
            if key not in data:
                raise BundleError(f"{where}: The key {key!r} is missing. Add it (null if it does not apply).")

    def error(self, key: str, rule: str) -> BundleError:
        """Return the error that `key` must be `rule`."""
        return BundleError(f"{self.where}: {key!r} must be {rule}.")

    def raw(self, key: str) -> object:
        """Return the value as it was parsed; None for an optional key that is missing."""
        return self._data.get(key)

    def text(self, key: str) -> str:
        """Return a string that is not blank."""
        value = self._data[key]
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "a string that is not empty")
        if not is_printable(value):
            raise self.error(key, "a string without control characters and lone surrogates")
        return value

    def choice(self, key: str, options: Collection[str]) -> str:
        """Return one of `options`."""
        value = self._data[key]
        if not isinstance(value, str) or value not in options:
            raise self.error(key, f"one of {', '.join(options)}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value = self._data[key]
        if not is_integer(value) or not low <= value <= high:
            raise self.error(key, f"a whole number from {low} to {high}")
        return int(value)

    def integers(self, key: str, most: int, low: int, high: int) -> tuple[int, ...]:
        """Return a list of at most `most` whole numbers from `low` to `high`."""
        values = self.items(key)
        numbers = tuple(int(value) for value in values if is_integer(value) and low <= value <= high)
        if len(values) > most or len(numbers) != len(values):
            raise self.error(key, f"a list of at most {most} whole numbers from {low} to {high}")
        return numbers

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number strictly between `low` and `high`."""
        value = self._data[key]
        if not is_number(value) or not low < value < high:
            raise self.error(key, f"a finite number between {low:g} and {high:g}, bounds excluded")
        return float(value)

    def share(self, key: str) -> float:
        """Return a number from 0 to 1."""
        value = self._data[key]
        if not is_number(value) or not 0 <= value <= 1:
            raise self.error(key, "a number from 0 to 1")
        return float(value)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._data[key]
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def items(self, key: str, count: int | None = None) -> list[object]:
        """Return a list, of `count` values if that is given."""
        value = self._data[key]
        if not isinstance(value, list):
            raise self.error(key, "a list")
        if count is not None and len(value) != count:
            raise self.error(key, f"a list of {count} values, has {len(value)}")
        return value

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """Return a list of 1 to `most` strings that UTF-8 can encode."""
        values = tuple(value for value in self.items(key) if isinstance(value, str))
        if not values or len(values) != len(self.items(key)):
            raise self.error(key, "a list of at least one string")
        if len(values) > most:
            raise self.error(key, f"a list of at most {most} strings, has {len(values)}")
        if any(map(has_surrogate, values)):
            raise self.error(key, "a list of strings without lone surrogates")
        return values

    def pairs(self, key: str, most: int) -> tuple[tuple[str, str], ...]:
        """Return a list of 1 to `most` lists of two strings that UTF-8 can encode."""
        checked = []
        for item in self.items(key):
            first, second = item if isinstance(item, list) and len(item) == 2 else (None, None)
            if not isinstance(first, str) or not isinstance(second, str) or has_surrogate(first + second):
                raise self.error(key, "a list of lists of two strings without lone surrogates")
            checked.append((first, second))
        if not 0 < len(checked) <= most:
            raise self.error(key, f"a list of 1 to {most} pairs, has {len(checked)}")
        return tuple(checked)

    def names(self, key: str, most: int) -> tuple[str, ...]:
        """Return a list of 1 to `most` printable, non-blank strings without duplicates."""
        values = self.texts(key, most)
        if not all(value.strip() for value in values):
            raise self.error(key, "a list of strings that are not empty")
        if not all(map(is_printable, values)):
            raise self.error(key, "a list of strings without control characters")
        if len(set(values)) != len(values):
            raise self.error(key, "a list without repeated values")
        return values

    def numbers(self, key: str, count: int, low: float = -math.inf, high: float = math.inf) -> tuple[float, ...]:
        """Return `count` finite numbers strictly between `low` and `high`."""
        return self._numbers(key, self.items(key, count), low, high)

    def number_rows(self, key: str, rows: int, count: int) -> tuple[tuple[float, ...], ...]:
        """Return `rows` lists of `count` finite numbers."""
        checked = []
        for row in self.items(key, rows):
            if not isinstance(row, list) or len(row) != count:
                raise self.error(key, f"a list of lists of {count} numbers, one for each label")
            checked.append(self._numbers(key, row, -math.inf, math.inf))
        return tuple(checked)

    def id_rows(self, key: str, rows: int, longest: int) -> tuple[tuple[int, ...], ...]:
        """Return `rows` lists of at most `longest` token ids."""
        checked = []
        for row in self.items(key, rows):
            if not isinstance(row, list) or len(row) > longest:
                raise self.error(key, f"a list of lists of at most {longest} token ids (max_tokens)")
            ids = tuple(int(value) for value in row if is_integer(value) and 0 <= value < 2**32)
            if len(ids) != len(row):
                raise self.error(key, "made of token ids, whole numbers of at least 0 and below 2**32")
            checked.append(ids)
        return tuple(checked)

    def path(self, key: str) -> str:
        """Return a path inside the bundle folder."""
        value = self.text(key)
        check_path(value, f"{self.where}: {key!r}")
        return value

    def mapping(self, key: str) -> dict[str, object]:
        """Return a JSON object of finite values with any keys."""
        value = self._data[key]
        if not isinstance(value, dict) or not is_plain(value):
            raise self.error(
                key,
                "a JSON object of strings, finite numbers, booleans, nulls, lists and objects, at most "
                f"{MAX_DEPTH} deep",
            )
        return value

    def _numbers(self, key: str, values: list[object], low: float, high: float) -> tuple[float, ...]:
        numbers = tuple(float(value) for value in values if is_number(value) and low < value < high)
        if len(numbers) != len(values):
            raise self.error(key, f"made of finite numbers between {low:g} and {high:g}, bounds excluded")
        return numbers


def check_path(path: str, where: str) -> None:
    """Refuse a path that is not plainly relative, or is a second spelling of another one.

    Raises:
        BundleError: the path is refused.
    """
    pure = PurePosixPath(path)
    # backslash and colon: a path that is harmless here could point outside the folder on Windows
    odd = len(path) > MAX_PATH or any(mark in path for mark in ("\\", ":")) or not is_printable(path)
    if odd or pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == ".":
        raise BundleError(
            f"{where}: A file's path must be relative, with '/', of at most {MAX_PATH} characters, and stay "
            "inside the bundle folder."
        )


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether this is a whole number; JSON's true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether this is a number that a float can hold."""
    if is_integer(value):
        return abs(value) <= 2**53
    return isinstance(value, float) and math.isfinite(value)


def is_plain(value: object, depth: int = MAX_DEPTH) -> bool:
    """Return whether this is JSON on every level, with finite numbers only and at most `depth` levels."""
    if isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        return depth > 0 and all(is_plain(item, depth - 1) for item in inner)
    if isinstance(value, str):
        return not has_surrogate(value)
    return value is None or isinstance(value, bool) or is_number(value) or is_integer(value)


def is_printable(text: str) -> bool:
    """Return whether a terminal may show this; a foreign text must not move its cursor or hide its own end."""
    controls = any(unicodedata.category(character) == "Cc" or character in TURNING for character in text)
    return not controls and not has_surrogate(text)


def has_surrogate(text: str) -> bool:
    """Return whether the text has a lone surrogate, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
