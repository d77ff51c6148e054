"""The forms of a finished student timed side by side, each as the bundle that would ship."""

import shutil
from pathlib import Path

from distill.artifacts.choices import MEASURED_FILE, THREADS
from distill.artifacts.gate import read_gate
from distill.corpora.storage.parquet import load_corpus
from distill.export.bundle import write_bundle
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import BenchTarget, time_interleaved
from distill.export.runtime.classifier import load
from distill.files.json_files import write_json
from distill.files.sizes import folder_bytes
from distill.runs.context import Job
from distill.variants.bundle import shipment_of
from distill.variants.variant import may_ship

ROUNDS = 5


def measure_forms(job: Job, folder: Path) -> None:
    """Time every form that passed its gate, and fp32: string in to decision out; write `precision.json`."""
    corpus = load_corpus(job.corpus)
    texts = list(corpus.validation.texts[: job.recipe.bench.texts])
    gates = {name: read_gate(job.variant(name)) for name in may_ship(job.recipe)}
    bundles = {name: folder / "bundles" / name for name in gates if gates[name]["passed"] or name == "fp32"}
    for name, bundle in bundles.items():
        bundle.parent.mkdir(exist_ok=True)
        write_bundle(bundle, shipment_of(job, name, corpus))
    candidates = [BenchTarget(name, load(bundle, threads=THREADS).predict) for name, bundle in bundles.items()]
    with job.reporter.bar("measure the precisions", len(texts) * ROUNDS * len(candidates)) as advance:
        rows = time_interleaved(candidates, texts, rounds=ROUNDS, progress=advance)
    forms = [
        {
            "name": row.name,
            "passed": gates[row.name]["passed"],
            "p50_ms": row.p50_ms,
            "p95_ms": row.p95_ms,
            "size_mb": folder_bytes(bundles[row.name]) / 1e6,
        }
        for row in rows
    ]
    refused = {name: gate["failures"] for name, gate in gates.items() if not gate["passed"]}
    shutil.rmtree(folder / "bundles")
    data = {"cpu": cpu_info(), "texts": len(texts), "rounds": ROUNDS, "forms": forms, "refused": refused}
    write_json(data, folder / MEASURED_FILE)
