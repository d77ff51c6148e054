"""Plain data in JSON files: equal data becomes equal bytes, written completely or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.files.atomic import write_text


def write_json(data: Mapping[str, Any], path: Path) -> None:
    """Write plain data with sorted keys.

    Raises:
        ValueError: a number is not finite, which JSON does not have.
    """
    write_text(path, json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    return dict(json.loads(path.read_text(encoding="utf-8")))
