"""The numbers of a finished bundle that a budget bounds."""

from pathlib import Path

from distill.artifacts.bench import RunBench
from distill.files.sizes import folder_bytes


def measured_bundle(bench: RunBench, bundle: Path, variant: str, *, threads: int) -> dict[str, float]:
    """Return the measurements of a bundle by their keys in [budget].

    Args:
        bench: of the run.
        bundle: its folder.
        variant: that it ships.
        threads: the budget's.

    Returns:
        `p95_ms` of single texts in milliseconds, `size_mb` and `rss_mb` in MB (10^6 bytes), the last
        only if it was measured.
    """
    measured = {
        "p95_ms": bench.row(variant, threads=threads).p95_ms,
        "size_mb": folder_bytes(bundle) / 1e6,
    }
    return measured if bench.peak_rss_bytes is None else {**measured, "rss_mb": bench.peak_rss_bytes / 1e6}
