"""`precision.json`: the variants of a finished student timed side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.records import read_record, write_record

PRECISION_FILE = "precision.json"

THREADS = 1


@dataclass(frozen=True)
class TimedVariant:
    """One variant as the bundle that would ship: milliseconds per text on one thread, and 10^6 bytes."""

    name: str
    passed: bool
    p50_ms: float
    p95_ms: float
    size_mb: float


@dataclass(frozen=True)
class PrecisionRecord:
    """The variants that were timed, those that were refused with their failures, and the CPU."""

    cpu: Mapping[str, Any]
    texts: int
    rounds: int
    forms: tuple[TimedVariant, ...]
    refused: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write it into the folder of the precision stage."""
        write_record(self, folder / PRECISION_FILE)


def read_precision(folder: Path) -> PrecisionRecord:
    """Read the timings in the folder of the precision stage."""
    return read_record(PrecisionRecord, folder / PRECISION_FILE)
