"""Conversion between frozen dataclasses and the plain data of a JSON file.

An artifact is declared once, as nested frozen dataclasses, and these functions read and write it. Supported
field types: `bool`, `int`, `float`, `str`, `None`, `Any`, enums and `Literal`, nested dataclasses, tuples, lists
and other sequences, mappings (keys `str`, `int` or an enum) and unions of these.

- Keys that no field has are ignored, so that a file of a newer minor version can be read; a field that is
  `stored(rest=True)` keeps them.
- A missing key takes its field's default; without a default the file is refused.
- A number keeps its JSON type: an integer in a `float` field is written back as an integer.
- A dataclass with a `to_dict` or `from_dict` of its own is converted by that.
"""

import dataclasses
import types
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from distill.export.runtime.errors import InputError
from distill.files.json_files import read_json, write_json

Record = TypeVar("Record")

_KEY = "json_key"

_OMIT = "omit_none"

_REST = "rest"


def stored(*, key: str | None = None, omit_none: bool = False, rest: bool = False) -> dict[str, object]:
    """Return the `metadata` of a dataclass field that is not stored under its own name, or not always.

    Args:
        key: the key in the file; by default the name of the field.
        omit_none: leave the key out of the file while the value is None.
        rest: the field is a mapping of all keys that no other field has; they are stored beside the others.
    """
    return {_KEY: key, _OMIT: omit_none, _REST: rest}


def to_dict(record: object) -> dict[str, object]:
    """Return a dataclass as plain data for JSON, its keys in the order of its fields."""
    data: dict[str, object] = {}
    for field in _fields(type(record)):
        value = getattr(record, field.name)
        if field.metadata.get(_REST):
            data |= _plain(value)
        elif value is not None or not field.metadata.get(_OMIT):
            data[_key_of(field)] = _plain(value)
    return data


def from_dict(kind: type[Record], data: Mapping[str, Any], *, source: str = "") -> Record:
    """Return the dataclass that plain data from JSON describe.

    Args:
        kind: the dataclass.
        data: its values by key.
        source: the file that the data come from, for messages.

    Raises:
        InputError: a key without a default is missing, or a value is not of its field's type.
    """
    try:
        record: Record = _record(kind, data, "")
    except _MismatchError as error:
        prefix = f"{source}: " if source else ""
        raise InputError(f"{prefix}{error}. Delete the file and let its stage write it again.") from None
    return record


def read_record(kind: type[Record], path: Path) -> Record:
    """Read a dataclass from a JSON file.

    Raises:
        InputError: the file does not have what the dataclass requires.
    """
    return from_dict(kind, read_json(path), source=str(path))


def write_record(record: object, path: Path) -> None:
    """Write a dataclass as a JSON file: keys sorted, whole or not at all."""
    write_json(to_dict(record), path)


class _MismatchError(Exception):
    """A value that does not fit its field."""


def _fields(kind: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(kind) if field.init)


def _key_of(field: dataclasses.Field[Any]) -> str:
    return field.metadata.get(_KEY) or field.name


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        convert = getattr(value, "to_dict", None)
        return to_dict(value) if convert is None else convert()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


@cache
def _types(kind: Any) -> dict[str, object]:
    return get_type_hints(kind)


def _record(kind: Any, data: Any, at: str) -> Any:
    if not isinstance(data, Mapping):
        raise _MismatchError(f"{at or 'the file'} must be an object, is {_shown(data)}")
    values, hints = {}, _types(cast("Hashable", kind))
    for field in _fields(kind):
        key = _key_of(field)
        where = f"{at}.{key}" if at else key
        if field.metadata.get(_REST):
            known = {_key_of(other) for other in _fields(kind)}
            rest = {name: value for name, value in data.items() if name not in known}
            values[field.name] = _value(hints[field.name], rest, at or "the file")
        elif key in data:
            values[field.name] = _value(hints[field.name], data[key], where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _MismatchError(f"{where} is missing")
    return kind(**values)


def _value(kind: Any, value: Any, at: str) -> Any:
    """Convert one JSON value to the type of its field."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _member_of(args, value, at)
    if origin is Literal:
        return _scalar(value in args, value, f"one of {', '.join(map(str, args))}", at)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _MismatchError(f"{at} must be an object, is {_shown(value)}")
        return {_map_key(args[0], key, at): _value(args[1], item, f"{at}.{key}") for key, item in value.items()}
    if origin is not None and issubclass(origin, Sequence):
        return _sequence(origin, args, value, at)
    if not isinstance(kind, type):
        raise TypeError(f"{at}: a record cannot hold {kind}")
    if dataclasses.is_dataclass(kind):
        convert = getattr(kind, "from_dict", None)
        return _record(kind, value, at) if convert is None else convert(value)
    if issubclass(kind, Enum):
        return kind(_scalar(value in [one.value for one in kind], value, f"a {kind.__name__}", at))
    return _scalar(_is_a(kind, value), value, f"a value of type {kind.__name__}", at)


def _member_of(kinds: tuple[Any, ...], value: Any, at: str) -> Any:
    """Convert a value to the first member of a union that takes it."""
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    for kind in others[:-1]:
        try:
            return _value(kind, value, at)
        except _MismatchError:
            continue
    return _value(others[-1], value, at)


def _sequence(origin: type[Any], args: tuple[Any, ...], value: Any, at: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _MismatchError(f"{at} must be a list, is {_shown(value)}")
    if origin is tuple and args[-1] is not Ellipsis:
        if len(value) != len(args):
            raise _MismatchError(f"{at} must have {len(args)} elements, has {len(value)}")
        return tuple(
            _value(kind, item, f"{at}[{i}]") for i, (kind, item) in enumerate(zip(args, value, strict=True))
        )
    items = [_value(args[0], item, f"{at}[{i}]") for i, item in enumerate(value)]
    return items if origin is list else tuple(items)


def _map_key(kind: Any, key: str, at: str) -> Any:
    return int(key) if kind is int else _value(kind, key, f"a key of {at}")


def _is_a(kind: type[Any], value: Any) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def _scalar(fits: bool, value: Any, expected: str, at: str) -> Any:
    if not fits:
        raise _MismatchError(f"{at} must be {expected}, is {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """Return a JSON value's type; its content may be a text of the corpus."""
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), type(value).__name__)
