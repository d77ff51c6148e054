"""`gate.json`: the checks of an exported variant."""

from pathlib import Path
from typing import Any

from distill.files.json_files import read_json

GATE_FILE = "gate.json"


def read_gate(folder: Path) -> dict[str, Any]:
    """What the gate said of one variant."""
    return read_json(folder / GATE_FILE)
