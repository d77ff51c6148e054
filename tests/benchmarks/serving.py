"""The service beside `predict` in the same process: overhead, requests per second, cold start, memory.

python -m tests.benchmarks.serving BUNDLE [--rounds 2000] [--json FILE]
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from distill.export.measure.cpu import cpu_info
from distill.export.measure.texts import synthetic_rows
from distill.export.runtime import load
from tests.support.live_server import serving

STARTS = 5

WINDOW = 200  # requests


def milliseconds(call: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    call(*arguments)
    return 1e3 * (time.perf_counter() - started)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def overhead(bundle: Path, rounds: int) -> dict[str, float]:
    """Interleaved: each text once in this process and once over loopback, in turns."""
    classifier = load(bundle)
    texts = [text for text in synthetic_rows("short", classifier.input) if isinstance(text, str)]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(bundle, "--quiet", "--threads", "1", log=Path(folder) / "log") as server,
    ):
        client = server.client()
        inside, outside = [], []
        for round_ in range(rounds + 50):
            text = texts[round_ % len(texts)]
            inside.append(milliseconds(classifier.predict, [text]))
            outside.append(milliseconds(client.post, "/v1/predict", {"texts": [text]}))
        inside, outside = inside[50:], outside[50:]
        windows = [slice(start, start + WINDOW) for start in range(0, rounds, WINDOW)]
        return {
            "in_process_p50_ms": statistics.median(inside),
            "http_p50_ms": statistics.median(outside),
            "overhead_p50_ms": statistics.median(outside) - statistics.median(inside),
            # on a machine with other work the least of these says what the service costs
            "quietest_overhead_ms": min(
                statistics.median(outside[window]) - statistics.median(inside[window]) for window in windows
            ),
            "http_p95_ms": percentile(outside, 0.95),
            "http_p99_ms": percentile(outside, 0.99),
            "requests_per_second": 1e3 / statistics.mean(outside),
            "peak_mb": server.peak_bytes / 1e6,
        }


def cold_starts(bundle: Path) -> list[tuple[float, float]]:
    """Milliseconds from starting the process to its first answer, and those that it computed in this time."""
    found = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder, serving(bundle, log=Path(folder) / "log") as server:
            client = server.client()
            assert client.post("/v1/predict", {"texts": ["hello there"]}).status == 200
            found.append((1e3 * (time.monotonic() - server.started), 1e3 * server.cpu_seconds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    starts = cold_starts(arguments.bundle)
    found = {
        "cpu": cpu_info()["model"],
        "bundle": load(arguments.bundle).manifest.name,
        **overhead(arguments.bundle, arguments.rounds),
        "cold_start_ms": statistics.median(wall for wall, _ in starts),
        "cold_start_cpu_ms": statistics.median(cpu for _, cpu in starts),
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
