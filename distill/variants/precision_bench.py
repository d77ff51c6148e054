"""Time the variants of a finished student side by side, each as the bundle that would ship."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from distill.artifacts.precision import THREADS, PrecisionRecord, TimedVariant
from distill.artifacts.variant import GateReport
from distill.export.bundle import Shipment, write_bundle
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import BenchTarget, time_interleaved
from distill.export.precision import FP32, Variant
from distill.export.runtime.classifier import load
from distill.export.runtime.reading.inputs import Row
from distill.files.sizes import folder_bytes
from distill.runs.progress import Reporter

ROUNDS = 5


def measure_precisions(
    folder: Path,
    gates: Mapping[Variant, GateReport],
    ship: Callable[[Variant], Shipment],
    texts: Sequence[Row],
    reporter: Reporter,
) -> None:
    """Time every variant that passed its gate, and fp32: string in to decision out; write `precision.json`.

    Args:
        folder: to write to.
        gates: of the variants that may ship.
        ship: returns the bundle's content of a variant.
        texts: validation texts.
        reporter: shows a bar.
    """
    bundles = {
        variant.name: folder / "bundles" / variant.name
        for variant, gate in gates.items()
        if gate.passed or variant == FP32
    }
    for name, bundle in bundles.items():
        bundle.parent.mkdir(exist_ok=True)
        write_bundle(bundle, ship(Variant.parse(name)))
    targets = [BenchTarget(name, load(bundle, threads=THREADS).predict) for name, bundle in bundles.items()]
    with reporter.bar("measure the precisions", len(texts) * ROUNDS * len(targets)) as advance:
        rows = time_interleaved(targets, list(texts), rounds=ROUNDS, progress=advance)
    timed = [
        TimedVariant(
            name=row.name,
            passed=gates[Variant.parse(row.name)].passed,
            p50_ms=row.p50_ms,
            p95_ms=row.p95_ms,
            size_mb=folder_bytes(bundles[row.name]) / 1e6,
        )
        for row in rows
    ]
    shutil.rmtree(folder / "bundles")
    refused = {variant.name: gate.failures for variant, gate in gates.items() if not gate.passed}
    PrecisionRecord(cpu_info(), len(texts), ROUNDS, tuple(timed), refused).write(folder)
