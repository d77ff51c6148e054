"""The numbers of a finished bundle that a budget bounds, read from the bench."""

from distill.files.json_files import read_json
from distill.files.sizes import folder_bytes
from distill.runs.context import Job
from distill.variants.select import choose_variant


def measured_bundle(job: Job) -> dict[str, float]:
    """`p95_ms` at the budget's number of threads, `size_mb` and `rss_mb` of a bundle that the bench has timed."""
    bench, threads = read_json(job.bench / "bench.json"), job.recipe.budget.threads
    asked = (choose_variant(job), "real", threads, 1, "onnxruntime")
    keys = ("name", "texts", "threads", "batch", "runtime")
    row = next(row for row in bench["rows"] if tuple(row[key] for key in keys) == asked)
    size = folder_bytes(job.bundle)
    return {"p95_ms": row["p95_ms"], "size_mb": size / 1e6, "rss_mb": bench["peak_rss_bytes"] / 1e6}
