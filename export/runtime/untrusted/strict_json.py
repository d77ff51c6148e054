"""JSON that every reader understands alike: UTF-8, no duplicate keys in an object, no NaN."""

import json
from pathlib import Path

from distill.export.runtime.errors import BundleError

# an XLM-R vocabulary has one list per token, 250,000 of them; empty lists take fifty times their bytes in memory
MAX_CONTAINERS = 1_000_000


def parse_json(content: bytes, where: str | Path) -> object:
    """Return the value in `content`.

    Raises:
        BundleError: it is not strict JSON, or holds too many lists and objects. Duplicate keys are refused because
            readers differ in which of the two they take: the value that is checked might not be the one that is
            used.
    """
    if content.count(b"[") + content.count(b"{") > MAX_CONTAINERS:
        raise BundleError(f"{where}: The file holds more than {MAX_CONTAINERS} lists and objects. Restore it.")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise BundleError(f"{where}: The file is not strict JSON in UTF-8. Restore it.") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return unique


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
