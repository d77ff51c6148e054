"""The run's own bench: teacher, student and TF-IDF, string in to decision out, interleaved in one run."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from corpora.corpus import Corpus, label_matrix, load_corpus
from corpora.metrics import decide, scores_of
from distill.calibrate import Decision, fit_decision, judge
from distill.job import Job
from distill.learner import Logits, read_quality
from export.graph import export_onnx, fuse
from export.runtime.bench import SYNTHETIC_TEXTS, Candidate, available_threads, cold_start, time_interleaved
from export.runtime.classifier import load
from export.session import GraphRunner
from teachers.classifier import load_classifier, load_tokenizer
from teachers.label import encode, pad_batch

BENCH_FILE = "bench.json"
THROUGHPUT_BATCH = 32
BASELINE_FEATURES = 100_000


def bench_run(job: Job, folder: Path) -> None:
    """Train the baseline, time everything, and write `bench.json`."""
    corpus = load_corpus(job.corpus)
    baseline, baseline_quality = _baseline(job, corpus)
    texts = corpus.test.texts[: job.recipe.bench.texts]
    candidates = [
        Candidate("student-int8", load(job.bundle).predict),
        Candidate("student-fp32", _graph(job, job.student, job.variant("fp32") / "model.onnx", "student", corpus)),
        Candidate(
            "teacher-onnx", _graph(job, job.teacher, _teacher_graph(job, corpus, folder), "teacher", corpus)
        ),
        Candidate("teacher", _torch(job, corpus), runtime="pytorch"),
        Candidate("tfidf", baseline, runtime="scikit-learn"),
    ]
    (folder / "teacher.onnx").unlink(missing_ok=True)
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
    (folder / BENCH_FILE).write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _bundle_rows(job: Job, texts: list[str], rounds: int) -> list[Any]:
    """The bundle on short and long texts, and its throughput on one thread and on all."""
    one = [Candidate("student-int8", load(job.bundle).predict)]
    rows = []
    for kind in ("short", "long"):
        rows += time_interleaved(one, list(SYNTHETIC_TEXTS[kind]), kind=kind, rounds=rounds)
    for threads in sorted({1, available_threads()}):
        all_of_them = [Candidate("student-int8", load(job.bundle, threads=threads).predict, threads=threads)]
        rows += time_interleaved(all_of_them, texts, kind="real", rounds=rounds, batch=THROUGHPUT_BATCH)
    return rows


def _decider(decision: Decision, corpus: Corpus) -> Callable[[Logits], object]:
    thresholds = None if decision.thresholds is None else np.array(decision.thresholds)
    kind = corpus.task.kind
    return lambda logits: decide(scores_of(decision.calibrated(logits), kind), thresholds, kind)


def _graph(job: Job, folder: Path, graph: Path, model: str, corpus: Corpus) -> Callable[[list[str]], object]:
    """Tokenizer, graph and decision, one text at a time."""
    tokenizer, runner = load_tokenizer(folder), GraphRunner(graph)
    # the student's fp32 graph is calibrated already
    quality = read_quality(job.variant("fp32") if model == "student" else job.teacher)
    decision = Decision.from_dict(quality["decision"])
    if model == "student":
        ones, zeros = (1.0,) * corpus.task.num_labels, (0.0,) * corpus.task.num_labels
        decision = Decision(ones, zeros, decision.thresholds)
    decided = _decider(decision, corpus)
    limit = job.recipe.corpus.max_tokens
    return lambda texts: decided(runner.each(encode(tokenizer, texts, limit)))


def _teacher_graph(job: Job, corpus: Corpus, folder: Path) -> Path:
    model = load_classifier(job.teacher, corpus.task).eval()
    plain, fused = folder / "teacher-plain.onnx", folder / "teacher.onnx"
    export_onnx(model, model.config, plain)
    fuse(plain, fused, heads=model.config.num_attention_heads, width=model.config.hidden_size)
    plain.unlink()
    return fused


def _torch(job: Job, corpus: Corpus) -> Callable[[list[str]], object]:
    model, tokenizer = load_classifier(job.teacher, corpus.task).eval(), load_tokenizer(job.teacher)
    decided = _decider(Decision.from_dict(read_quality(job.teacher)["decision"]), corpus)
    limit = job.recipe.corpus.max_tokens

    def call(texts: list[str]) -> object:
        with torch.inference_mode():
            ids, mask = pad_batch(encode(tokenizer, texts, limit), tokenizer.pad_token_id)
            return decided(model(ids, mask).numpy())

    return call


def _baseline(job: Job, corpus: Corpus) -> tuple[Callable[[list[str]], object], dict[str, Any]]:
    """TF-IDF of words and pairs with logistic regression on the same train rows, judged the same way."""
    task = corpus.task
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=BASELINE_FEATURES)
    regression = LogisticRegression(C=5.0, solver="liblinear", random_state=job.recipe.seed)
    with job.reporter.bar("train the TF-IDF baseline", 1) as advance:
        features = vectorizer.fit_transform(corpus.train.texts)
        model = OneVsRestClassifier(regression).fit(features, label_matrix(corpus.train, task))
        advance(1)

    def logits(texts: list[str]) -> Logits:
        rows: csr_matrix = vectorizer.transform(texts)
        return np.asarray(model.decision_function(rows), dtype=np.float32).reshape(len(texts), task.num_labels)

    found = {
        split: logits(rows.texts) for split, rows in (("validation", corpus.validation), ("test", corpus.test))
    }
    gold = {"validation": label_matrix(corpus.validation, task), "test": label_matrix(corpus.test, task)}
    decision = fit_decision(
        found["validation"], gold["validation"], task, shrink=job.recipe.export.threshold_shrink
    )
    quality: dict[str, Any] = {
        split: judge(found[split], gold[split], task, decision).to_dict() for split in found
    }
    weights = sum(estimator.coef_.size for estimator in model.estimators_ if hasattr(estimator, "coef_"))
    decided = _decider(decision, corpus)
    return lambda texts: decided(logits(texts)), {**quality, "parameters": int(weights), "bytes": int(weights) * 8}
