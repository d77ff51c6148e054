"""What `distill bench` measures of bundles: latency side by side, cold start, memory, bytes. Base install only."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from distill.export.measure.components import weigh_files
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import SYNTHETIC_TEXTS, BenchTarget, cold_start, time_interleaved
from distill.export.runtime import load
from distill.export.runtime.manifest import MANIFEST_FILE, Manifest, read_manifest
from distill.runs.progress import Reporter

BATCHES = (1, 32)

# of a user's file; more would take hours and say no more
MOST_TEXTS = 1000

# a batch is called so often at least in a round, or its percentiles were those of one call
CALLS = 3

FRESH_PROCESSES = 3


def bench_bundles(
    bundles: Sequence[Path], texts: Sequence[str] | None, threads: Sequence[int], rounds: int, reporter: Reporter
) -> dict[str, Any]:
    """Time bundles in one interleaved run, end to end, and weigh them.

    Args:
        bundles: their folders.
        texts: the user's own, at most MOST_TEXTS of which are used, evenly over the file; None for synthetic ones.
        threads: each number of threads is a run of its own.
        rounds: turns of all bundles.
        reporter: shows a bar.

    Returns:
        Plain data: `cpu`, the `rows` of every kind of text, number of threads and batch, and by bundle its
        `bundles` (`bytes` by file, `components` of these bytes, `cold_start_ms`, `peak_rss_bytes`,
        `test_macro_f1` or None).
    """
    manifests = {str(path): read_manifest(path) for path in bundles}
    kinds = _kinds(texts)
    work = [(count, kind, batch) for count in threads for kind in kinds for batch in BATCHES]
    total = len(bundles) * rounds * sum(len(_filled(kinds[kind], batch)) for _, kind, batch in work)
    rows = []
    with reporter.bar("bench", total) as advance:
        for count in threads:
            loaded = [BenchTarget(str(path), load(path, threads=count).predict, threads=count) for path in bundles]
            for kind, some in kinds.items():
                for batch in BATCHES:
                    rows += time_interleaved(
                        loaded, _filled(some, batch), kind=kind, rounds=rounds, batch=batch, progress=advance
                    )
    return {
        "cpu": cpu_info(),
        "rounds": rounds,
        "texts": {kind: len(some) for kind, some in kinds.items()},
        "rows": [asdict(row) for row in rows],
        "bundles": {name: _weigh(Path(name), manifest) for name, manifest in manifests.items()},
    }


def macro_f1_of(manifest: Manifest) -> float | None:
    """The quality on test that a bundle's manifest tells, where it does."""
    test = manifest.metrics.get("test")
    found = test.get("macro_f1") if isinstance(test, dict) else None
    usable = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    return float(found) if usable and found is not None else None


def _kinds(texts: Sequence[str] | None) -> dict[str, list[str]]:
    """The texts of each kind: the user's own stand between short and long ones that the package carries."""
    kinds = {f"synthetic-{name}": list(some) for name, some in SYNTHETIC_TEXTS.items()}
    if texts is None:
        return kinds
    step = max(1, math.ceil(len(texts) / MOST_TEXTS))
    return {"synthetic-short": kinds["synthetic-short"], "real": list(texts[::step])} | {
        "synthetic-long": kinds["synthetic-long"]
    }


def _filled(texts: Sequence[str], batch: int) -> list[str]:
    """Few texts again and again, so that there are some whole batches; more of them as they are."""
    return list(islice(cycle(texts), max(len(texts), CALLS * batch if batch > 1 else 0)))


def _weigh(bundle: Path, manifest: Manifest) -> dict[str, Any]:
    """Bytes, and the medians of some fresh processes on one thread."""
    starts = [cold_start(bundle) for _ in range(FRESH_PROCESSES)]
    return {
        "precision": manifest.precision,
        "bytes": _bytes_of(bundle, manifest),
        "components": weigh_files(bundle, [*manifest.files, MANIFEST_FILE]),
        "cold_start_ms": statistics.median(milliseconds for milliseconds, _ in starts),
        "peak_rss_bytes": int(statistics.median(peak for _, peak in starts)),
        "test_macro_f1": macro_f1_of(manifest),
    }


def _bytes_of(bundle: Path, manifest: Manifest) -> dict[str, int]:
    sizes = {name: record.bytes for name, record in manifest.files.items()}
    model, tokenizer = sizes.pop(manifest.model_file), sizes.pop(manifest.tokenizer_file)
    rest = sum(sizes.values()) + (bundle / MANIFEST_FILE).stat().st_size
    return {"model": model, "tokenizer": tokenizer, "rest": rest, "total": model + tokenizer + rest}
