"""The run's own bench: teacher, student and TF-IDF, string in to decision out, interleaved in one run."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from distill.artifacts.quality import read_quality
from distill.bench.tfidf import fit_tfidf
from distill.corpora.corpus import Corpus
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Decision
from distill.evaluation.quality import JUDGED, quality_of
from distill.export.graph.from_torch import export_fused
from distill.export.graph.session import GraphRunner
from distill.export.measure.latency import (
    SYNTHETIC_TEXTS,
    BenchTarget,
    LatencyRow,
    available_threads,
    cold_start,
    time_interleaved,
)
from distill.export.runtime.classifier import Classifier, load, open_bundle
from distill.export.runtime.manifest import read_manifest
from distill.files.json_files import write_json
from distill.runs.context import Job
from distill.students.families import load_student
from distill.teachers.checkpoints import load_classifier
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.tokenizers import load_tokenizer
from distill.variants.select import choose_variant
from distill.variants.variant import MODEL_FILE, exported

BENCH_FILE = "bench.json"

THROUGHPUT_BATCH = 32


def bench_run(job: Job, folder: Path) -> None:
    """Train the baseline, time everything, and write `bench.json`."""
    corpus = load_corpus(job.corpus)
    baseline, baseline_quality = _baseline(job, corpus)
    texts = list(corpus.test.texts[: job.recipe.bench.texts])
    candidates = [
        *_in_pytorch(job, corpus),
        *_in_onnxruntime(job, corpus, folder),
        BenchTarget("tfidf", baseline, runtime="scikit-learn"),
    ]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rounds = job.recipe.bench.rounds
    with job.reporter.bar("bench", len(texts) * rounds * len(candidates)) as advance:
        rows = time_interleaved(candidates, texts, kind="real", rounds=rounds, progress=advance)
    torch.set_num_threads(before)
    rows += _bundle_rows(job, texts, rounds)
    milliseconds, peak = cold_start(job.bundle)
    data = {
        "rows": [asdict(row) for row in rows],
        "cold_start_ms": milliseconds,
        "peak_rss_bytes": peak,
        "baseline": baseline_quality,
    }
    write_json(data, folder / BENCH_FILE)


def _bundle_rows(job: Job, texts: list[str], rounds: int) -> list[LatencyRow]:
    """The bundle on short and long texts, and its throughput on one thread and on all."""
    name = choose_variant(job)
    one = [BenchTarget(name, load(job.bundle).predict)]
    rows = []
    for kind in ("short", "long"):
        rows += time_interleaved(one, list(SYNTHETIC_TEXTS[kind]), kind=kind, rounds=rounds)
    for threads in sorted({1, available_threads()}):
        all_of_them = [BenchTarget(name, load(job.bundle, threads=threads).predict, threads=threads)]
        rows += time_interleaved(all_of_them, texts, kind="real", rounds=rounds, batch=THROUGHPUT_BATCH)
    budget = job.recipe.budget
    if budget.asked and budget.threads > 1:  # on one it stands beside all others
        there = BenchTarget(name, load(job.bundle, threads=budget.threads).predict, threads=budget.threads)
        rows += time_interleaved([there], texts, kind="real", rounds=rounds)
    return rows


def _in_pytorch(job: Job, corpus: Corpus) -> list[BenchTarget]:
    """Teacher, student and twin as they were trained."""
    folders = {"teacher": job.teacher, "student": job.student}
    if job.recipe.objective.compare:
        folders["twin"] = job.twin
    return [
        BenchTarget(name, _torch_call(job, name, folder, corpus), runtime="pytorch")
        for name, folder in folders.items()
    ]


def _in_onnxruntime(job: Job, corpus: Corpus, folder: Path) -> list[BenchTarget]:
    """The teacher in fp32 by its graph, what ships by its bundle, and every variant as it would ship."""
    teacher = read_quality(job.quality("teacher"))["decision"]
    graph = _teacher_graph(job, corpus, folder)
    found = [BenchTarget("teacher", _graph_call(job, job.teacher, graph, Decision.from_dict(teacher), corpus))]
    graph.unlink()
    chosen = choose_variant(job)
    for name in exported(job.recipe):
        classifier = load(job.bundle) if name == chosen else _as_bundled(job, name)
        found.append(BenchTarget(name, classifier.predict))
    return found


def _as_bundled(job: Job, name: str) -> Classifier:
    """A variant that does not ship, in the place of the one that does."""
    manifest = read_manifest(job.bundle)
    thresholds = Decision.from_dict(read_quality(job.variant(name))["decision"]).thresholds
    return open_bundle(
        replace(manifest, thresholds=thresholds),
        (job.variant(name) / MODEL_FILE).read_bytes(),
        (job.bundle / manifest.tokenizer_file).read_bytes(),
        where=job.bundle,
    )


def _graph_call(
    job: Job, folder: Path, graph: Path, decision: Decision, corpus: Corpus
) -> Callable[[list[str]], object]:
    """Tokenizer, graph and decision, one text at a time."""
    tokenizer, runner, kind = load_tokenizer(folder), GraphRunner(graph), corpus.task.kind
    limit = job.recipe.corpus.max_tokens
    return lambda texts: decision.decide(runner.each(encode(tokenizer, texts, limit)), kind)


def _teacher_graph(job: Job, corpus: Corpus, folder: Path) -> Path:
    model = load_classifier(job.teacher, corpus.task).eval()
    export_fused(model, model.config, folder / "teacher.onnx")
    return folder / "teacher.onnx"


def _torch_call(job: Job, name: str, folder: Path, corpus: Corpus) -> Callable[[list[str]], object]:
    model, tokenizer = load_student(folder, corpus.task).eval(), load_tokenizer(folder)
    decision = Decision.from_dict(read_quality(job.quality(name))["decision"])
    kind, limit = corpus.task.kind, job.recipe.corpus.max_tokens

    def call(texts: list[str]) -> object:
        with torch.inference_mode():
            ids, mask = pad_batch(encode(tokenizer, texts, limit), tokenizer.pad_token_id)
            return decision.decide(model(ids, mask).numpy(), kind)

    return call


def _baseline(job: Job, corpus: Corpus) -> tuple[Callable[[list[str]], object], dict[str, Any]]:
    """TF-IDF on the same train rows, judged the same way."""
    with job.reporter.bar("train the TF-IDF baseline", 1) as advance:
        model = fit_tfidf(corpus, job.recipe.seed)
        advance(1)
    found = {split: model.logits(list(dict(corpus.splits())[split].texts)) for split in JUDGED}
    quality = quality_of(found, corpus, job.recipe.decisions)
    decision = Decision.from_dict(quality.pop("decision"))

    def call(texts: list[str]) -> object:
        return decision.decide(model.logits(texts), corpus.task.kind)

    return call, {**quality, "parameters": model.parameters, "bytes": model.sizes}
