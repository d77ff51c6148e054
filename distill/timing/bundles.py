"""The bench of finished bundles: latency side by side, cold start, memory and bytes. Base install only."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from distill.artifacts.bench import find_row
from distill.export.measure.components import weigh_files
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import (
    SYNTHETIC_TEXTS,
    BenchTarget,
    LatencyRow,
    cold_start,
    time_interleaved,
)
from distill.export.measure.texts import synthetic_rows
from distill.export.runtime import load
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, Manifest, read_manifest
from distill.export.runtime.reading.inputs import Input, Row
from distill.runs.progress import Reporter

BATCHES = (1, 32)

# texts of a user's file that are timed; more would take hours and change nothing
MOST_TEXTS = 1000

# the least number of batches in a round, since the percentiles of a single call say nothing
CALLS = 3

FRESH_PROCESSES = 3


@dataclass(frozen=True)
class BenchCpu:
    """The machine: its name, the instruction sets that int8 depends on, and its number of logical cores."""

    model: str
    flags: tuple[str, ...]
    cores: int


@dataclass(frozen=True)
class BundleBytes:
    """Bytes of a bundle's files: the graph, the tokenizer, all others, and their sum."""

    model: int
    tokenizer: int
    rest: int
    total: int


@dataclass(frozen=True)
class BundleCost:
    """The cost of a bundle other than latency, and its quality.

    Attributes:
        precision: as the manifest names it.
        bytes: by file.
        components: the same bytes by purpose.
        cold_start_ms: milliseconds from the first import to the first prediction, median of fresh processes.
        peak_rss_bytes: peak resident memory of these processes, their median; None if the system does not report
            it.
        test_macro_f1: as the manifest has it; None where it has none.
    """

    precision: str
    bytes: BundleBytes
    components: Mapping[str, int]
    cold_start_ms: float
    peak_rss_bytes: int | None
    test_macro_f1: float | None


@dataclass(frozen=True)
class BundleBench:
    """The bench of one or more bundles.

    Attributes:
        cpu: the machine.
        rounds: interleaved rounds.
        texts: the number of texts of each kind.
        rows: latency of every bundle for every kind of texts, number of threads and batch size.
        bundles: by the folder as it was named.
    """

    cpu: BenchCpu
    rounds: int
    texts: Mapping[str, int]
    rows: tuple[LatencyRow, ...]
    bundles: Mapping[str, BundleCost]

    def row(self, name: str, *, texts: str, threads: int = 1, batch: int = 1) -> LatencyRow:
        """Return the latency of one bundle.

        Raises:
            LookupError: there is no such measurement.
        """
        return find_row(self.rows, name, texts=texts, threads=threads, batch=batch)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def bench_bundles(
    bundles: Sequence[Path], texts: Sequence[Row] | None, threads: Sequence[int], rounds: int, reporter: Reporter
) -> BundleBench:
    """Time bundles in one interleaved run, end to end, and weigh them.

    Args:
        bundles: their folders; all read the same kind of rows.
        texts: the user's own, at most MOST_TEXTS of which are used, evenly over the file; None for synthetic ones.
        threads: each number of threads is a run of its own.
        rounds: interleaved rounds, each of which calls all bundles.
        reporter: shows a bar.
    """
    manifests = {str(path): read_manifest(path) for path in bundles}
    kinds = _kinds(texts, next(iter(manifests.values())).reads)
    settings = [(count, kind, batch) for count in threads for kind in kinds for batch in BATCHES]
    total = len(bundles) * rounds * sum(len(_filled(kinds[kind], batch)) for _, kind, batch in settings)
    rows: list[LatencyRow] = []
    with reporter.bar("bench", total) as advance:
        for count in threads:
            targets = [
                BenchTarget(str(path), load(path, threads=count).predict, threads=count) for path in bundles
            ]
            for kind, kind_texts in kinds.items():
                for batch in BATCHES:
                    rows += time_interleaved(
                        targets,
                        _filled(kind_texts, batch),
                        kind=kind,
                        rounds=rounds,
                        batch=batch,
                        progress=advance,
                    )
    cpu = cpu_info()
    return BundleBench(
        cpu=BenchCpu(cpu["model"], tuple(cpu["flags"]), cpu["cores"]),
        rounds=rounds,
        texts={kind: len(kind_texts) for kind, kind_texts in kinds.items()},
        rows=tuple(rows),
        bundles={name: _cost(Path(name), manifest) for name, manifest in manifests.items()},
    )


def macro_f1_of(manifest: Manifest) -> float | None:
    """Return the test macro-F1 that a bundle's manifest has; None where it has no usable one."""
    test = manifest.metrics.get("test")
    value = test.get("macro_f1") if isinstance(test, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _kinds(texts: Sequence[Row] | None, reads: Input) -> dict[str, list[Row]]:
    """Return the texts of each kind; the user's own take the place of synthetic ones of medium length."""
    kinds = {f"synthetic-{name}": synthetic_rows(name, reads) for name in SYNTHETIC_TEXTS}
    if texts is None:
        return kinds
    step = max(1, math.ceil(len(texts) / MOST_TEXTS))
    return {"synthetic-short": kinds["synthetic-short"], "real": list(texts[::step])} | {
        "synthetic-long": kinds["synthetic-long"]
    }


def _filled(texts: Sequence[Row], batch: int) -> list[Row]:
    """Repeat texts if they are too few for CALLS whole batches."""
    return list(islice(cycle(texts), max(len(texts), CALLS * batch if batch > 1 else 0)))


def _cost(bundle: Path, manifest: Manifest) -> BundleCost:
    """Weigh a bundle, and take the medians of fresh processes on one thread."""
    starts = [cold_start(bundle) for _ in range(FRESH_PROCESSES)]
    peaks = [peak for _, peak in starts if peak is not None]
    return BundleCost(
        precision=manifest.precision,
        bytes=_bytes_of(bundle, manifest),
        components=weigh_files(bundle, [*manifest.files, MANIFEST_FILE]),
        cold_start_ms=statistics.median(milliseconds for milliseconds, _ in starts),
        peak_rss_bytes=int(statistics.median(peaks)) if peaks else None,
        test_macro_f1=macro_f1_of(manifest),
    )


def _bytes_of(bundle: Path, manifest: Manifest) -> BundleBytes:
    sizes = {name: record.bytes for name, record in manifest.files.items()}
    model, tokenizer = sizes.pop(manifest.model_file), sizes.pop(manifest.tokenizer_file)
    rest = sum(sizes.values()) + (bundle / MANIFEST_FILE).stat().st_size
    return BundleBytes(model, tokenizer, rest, model + tokenizer + rest)
