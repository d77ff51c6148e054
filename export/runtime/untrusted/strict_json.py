"""JSON as every reader understands it: UTF-8, no key twice in one object, no NaN."""

import json
from pathlib import Path

from distill.export.runtime.errors import BundleError

# a vocabulary of XLM-R's kind has one list a piece, 250,000 of them; empty ones take fifty times their bytes
MAX_CONTAINERS = 1_000_000


def parse_json(content: bytes, where: str | Path) -> object:
    """The value in `content`.

    Raises:
        BundleError: it is not strict JSON, or holds too many lists and objects. Of a key that stands twice one
            reader takes the first and another the last, so what was checked here would not be what is used there.
    """
    if content.count(b"[") + content.count(b"{") > MAX_CONTAINERS:
        raise BundleError(f"{where}: holds more than {MAX_CONTAINERS} lists and objects; restore the file")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise BundleError(f"{where}: is not strict JSON in UTF-8; restore the file") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
