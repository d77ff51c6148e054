"""`quality.json`: the metrics of a model per split under the recipe's decisions."""

from pathlib import Path
from typing import Any

from distill.files.json_files import read_json


def read_quality(folder: Path) -> dict[str, Any]:
    """The `quality.json` in a folder."""
    return read_json(folder / QUALITY_FILE)


QUALITY_FILE = "quality.json"
