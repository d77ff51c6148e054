"""What the choices of a run measured: `ranking.json`, `precision.json`."""

from pathlib import Path
from typing import Any

from distill.files.json_files import read_json

RANKING_FILE = "ranking.json"


def read_ranking(folder: Path) -> list[dict[str, Any]]:
    """The candidates, best first: `layers`, and on validation `divergence` from the teacher and `macro_f1`."""
    return list(read_json(folder / RANKING_FILE)["ranking"])


MEASURED_FILE = "precision.json"

THREADS = 1


def read_measured(folder: Path) -> dict[str, Any]:
    """What the measurement left."""
    return read_json(folder / MEASURED_FILE)
