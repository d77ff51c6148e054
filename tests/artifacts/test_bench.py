"""`bench.json` and its type: rows are found by what was measured, and the file is written as it was read."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.artifacts.bench import BENCH_FILE, read_bench

TIMES = {"p50_ms": 1, "p95_ms": 2.5, "p99_ms": 3.0, "texts_per_second": 900.0}


def row(name: str, **others: object) -> dict[str, Any]:
    plain = {"texts": "real", "threads": 1, "batch": 1, "rounds": 5, "runtime": "onnxruntime"}
    return {"name": name, **plain, **TIMES, **others}


ROWS = [
    row("teacher", runtime="pytorch"),
    row("teacher"),
    row("int8-static"),
    row("int8-static", threads=2, p95_ms=1.5),
    row("int8-static", batch=32),
    row("int8-static", texts="short"),
]
CONTENT = {
    "rows": ROWS,
    "cold_start_ms": 80.5,
    "peak_rss_bytes": 71_000_000,
    "baseline": {"test": {"macro_f1": 0.5}, "floors": [], "parameters": 9, "bytes": {"total": 72}},
}


def test_rows_are_found_and_the_file_is_written_as_it_was(tmp_path: Path) -> None:
    (tmp_path / BENCH_FILE).write_text(json.dumps(CONTENT))
    bench = read_bench(tmp_path)
    assert bench.row("int8-static", threads=2).p95_ms == 1.5
    assert bench.row("teacher", runtime="pytorch") == bench.rows[0]
    assert [found.runtime for found in bench.rows_of("teacher")] == ["pytorch", "onnxruntime"]
    with pytest.raises(LookupError, match="no latency of int8-static .onnxruntime. on real texts, 3 threads"):
        bench.row("int8-static", threads=3)
    bench.write(tmp_path)
    assert json.loads((tmp_path / BENCH_FILE).read_text()) == CONTENT
