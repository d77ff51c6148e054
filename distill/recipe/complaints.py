"""Complaints about a recipe, from Pydantic's errors: sentences that name key, value, bound and remedy."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, data: Mapping[str, Any], known: Collection[str]) -> str:
    """Return Pydantic's errors on the first wrong key as sentences with key, value, bound and remedy.

    Args:
        error: of the recipe.
        data: the values that were given.
        known: every key that a recipe may have.
    """
    first = error.errors()[0]
    key = _key_of(first, known)
    if not key:  # about the recipe as a whole
        return complaint_of(first)
    same = [detail for detail in error.errors() if _key_of(detail, known) == key]  # one per member of a union
    others = error.error_count() - len(same)
    more = f" Errors in other keys: {others}." if others else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
        return f"There is an unknown key {key}. " + (f"Did you mean {near[0]}?" if near else "Remove it.") + more
    if first["type"] == "missing" and key == ".".join(map(str, first["loc"])):
        return f"The key {key} is missing. Add it.{more}"
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    shown = ":" if isinstance(value, dict) else f" is {value!r}."
    complaint, *rest = dict.fromkeys(map(complaint_of, same))
    further = "".join(f" Or {other[0].lower()}{other[1:]}" for other in rest)
    return f"{key}{shown} {complaint}{further}{more}"


def _key_of(error: ErrorDetails, known: Collection[str]) -> str:
    """Return the recipe key of an error: a union adds its member's name to the path, a list an index."""
    path = [str(part) for part in error["loc"]]
    while len(path) > 1 and ".".join(path) not in known and error["type"] != "extra_forbidden":
        path.pop()
    return ".".join(path)


def complaint_of(error: ErrorDetails) -> str:
    """Return what Pydantic or a validator says of one value, as a sentence."""
    if error["type"] == "missing":
        return "It has too few values."
    complaint = error["msg"].removeprefix("Value error, ")
    return complaint if complaint.endswith((".", "?")) else f"{complaint}."
