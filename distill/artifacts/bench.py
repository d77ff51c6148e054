"""`bench.json`: latency, cold start and memory of a run's models and bundle, and the TF-IDF baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.records import read_record, write_record
from distill.export.measure.latency import LatencyRow

BENCH_FILE = "bench.json"


@dataclass(frozen=True)
class RunBench:
    """The measurements of a run's bench.

    Attributes:
        rows: latency, one row per model, runtime, kind of texts, number of threads and batch size.
        cold_start_ms: milliseconds from the first import to the bundle's first prediction in a fresh process.
        peak_rss_bytes: peak resident memory of that process; None if the system does not report it.
        baseline: quality of TF-IDF as `quality.json` has it, with its `parameters`, `bytes`
            and `terms`.
    """

    rows: tuple[LatencyRow, ...]
    cold_start_ms: float
    peak_rss_bytes: int | None
    baseline: Mapping[str, Any]

    def row(
        self, name: str, *, texts: str = "real", threads: int = 1, batch: int = 1, runtime: str = "onnxruntime"
    ) -> LatencyRow:
        """Return the latency of one model; the arguments are the row's own fields.

        Raises:
            LookupError: there is no such measurement.
        """
        return find_row(self.rows, name, texts=texts, threads=threads, batch=batch, runtime=runtime)

    def rows_of(self, name: str) -> tuple[LatencyRow, ...]:
        """Return all rows of one model."""
        return tuple(row for row in self.rows if row.name == name)

    def write(self, folder: Path) -> None:
        """Write the bench into its stage's folder."""
        write_record(self, folder / BENCH_FILE)


def read_bench(folder: Path) -> RunBench:
    """Read the bench in its stage's folder."""
    return read_record(RunBench, folder / BENCH_FILE)


def find_row(
    rows: Sequence[LatencyRow], name: str, *, texts: str, threads: int, batch: int, runtime: str = "onnxruntime"
) -> LatencyRow:
    """Return the one row that has these values.

    Raises:
        LookupError: there is none.
    """
    wanted = (name, texts, threads, batch, runtime)
    for row in rows:
        if (row.name, row.texts, row.threads, row.batch, row.runtime) == wanted:
            return row
    raise LookupError(f"no latency of {name} ({runtime}) on {texts} texts, {threads} threads, batch {batch}")
