"""`report.json` from what the stages left, and the short table that a run ends with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from corpora.corpus import label_matrix, load_corpus
from corpora.metrics import decide, paired_bootstrap, scores_of
from corpora.task import Task
from distill.calibrate import Decision
from distill.job import Job
from distill.stages import package_versions
from distill.variants import choose_variant, read_gate
from export.runtime.bench import available_threads, cpu_info

FORMAT_VERSION = 1
REPORT_FILE = "report.json"


def write_report(job: Job, seconds: dict[str, float]) -> None:
    """Write `report.json` and `report.html` into the run's folder."""
    from distill.report_page import render_page

    report = build_report(job, seconds)
    text = json.dumps(report, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (job.folder / REPORT_FILE).write_text(text, encoding="utf-8")
    (job.folder / "report.html").write_text(render_page(report, job), encoding="utf-8")


def build_report(job: Job, seconds: dict[str, float]) -> dict[str, Any]:
    """The report as plain data; its keys are a contract."""
    corpus = load_corpus(job.corpus)
    bench = _read(job.bench / "bench.json")
    chosen = choose_variant(job)
    teacher = _read(job.teacher / "quality.json")
    best = teacher["test"]["macro_f1"]
    models = [_model("teacher", "teacher", teacher, _folder_bytes(job.teacher), best, bench)]
    if job.recipe.objective.compare:
        models.append(
            _model("twin", "twin", _read(job.twin / "quality.json"), _folder_bytes(job.twin), best, bench)
        )
    student = _read(job.student / "quality.json")
    models.append(_model("student", "student", student, _folder_bytes(job.student), best, bench))
    for name in dict.fromkeys(["fp32", *job.recipe.export.precision]):
        models.append(_variant(job, name, chosen, student["parameters"], best, bench))
    models.append(
        _model("tfidf", "baseline", bench["baseline"], {"total": bench["baseline"]["bytes"]}, best, bench)
    )
    cpu = cpu_info()
    return {
        "format_version": FORMAT_VERSION,
        "recipe": job.recipe.model_dump(mode="json"),
        "task": corpus.task.kind.value,
        "labels": list(corpus.task.labels),
        "seed": job.recipe.seed,
        "environment": {
            "cpu_model": cpu["model"],
            "isa_flags": cpu["flags"],
            "cores": available_threads(),
            "gpu": _gpu(),
            "packages": package_versions(),
        },
        "corpus": {"rows": {name: len(split) for name, split in corpus.splits()}, "notes": corpus.notes},
        "seconds": seconds,
        "chosen": chosen,
        "teacher_before_tuning": (teacher.get("before_tuning") or {}).get("test"),
        "distillation_gain": _gain(job, corpus.task, label_matrix(corpus.test, corpus.task)),
        "models": models,
    }


def summary_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The closing table: one dict a model with F1, retention, megabytes, p50, p95 and times faster."""
    found = []
    base = next((row["p50_ms"] for m in report["models"] if m["kind"] == "teacher" for row in _single(m)), None)
    for model in report["models"]:
        latency = next(iter(_single(model)), None)
        found.append(
            {
                "name": model["name"],
                "kind": model["kind"],
                "macro_f1": model["test"]["macro_f1"],
                "retention": model["retention"],
                "megabytes": model["bytes"]["total"] / 1e6,
                "p50_ms": latency and latency["p50_ms"],
                "p95_ms": latency and latency["p95_ms"],
                "times_faster": base / latency["p50_ms"] if latency and base else None,
                "ships": model["name"] == report["chosen"],
            }
        )
    return found


def _single(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Latency rows of single real texts on one thread."""
    rows = model["latency"]["rows"]
    return [row for row in rows if (row["texts"], row["threads"], row["batch"]) == ("real", 1, 1)]


def _model(
    name: str,
    kind: str,
    quality: dict[str, Any],
    sizes: dict[str, int],
    best: float,
    bench: dict[str, Any],
    timed_as: str | None = None,
) -> dict[str, Any]:
    rows = [
        {key: value for key, value in row.items() if key != "name"}
        for row in bench["rows"]
        if row["name"] == (timed_as or name)
    ]
    return {
        "name": name,
        "kind": kind,
        "parameters": quality["parameters"],
        "bytes": sizes,
        "test": quality["test"],
        "validation": quality["validation"],
        "retention": quality["test"]["macro_f1"] / best if best else None,
        "gate": None,
        "latency": {"rows": rows},
    }


def _variant(
    job: Job, name: str, chosen: str, parameters: int, best: float, bench: dict[str, Any]
) -> dict[str, Any]:
    folder = job.variant(name)
    quality = {**_read(folder / "quality.json"), "parameters": parameters}
    # the bundle is what was timed, whatever its precision
    timed_as = "student-int8" if name == chosen else f"student-{name}"
    sizes = _folder_bytes(job.bundle) if name == chosen else {"total": quality["bytes"], "graph": quality["bytes"]}
    model = _model(name, "variant", quality, sizes, best, bench, timed_as)
    gate = read_gate(folder)
    model["gate"] = {key: gate[key] for key in ("passed", "checks", "kept_fp32", "batch_invariant", "operators")}
    if name == chosen:
        model["latency"] |= {key: bench[key] for key in ("cold_start_ms", "peak_rss_bytes")}
    return model


def _gain(job: Job, task: Task, gold: Any) -> dict[str, float] | None:
    """Student minus twin in test macro-F1, with a paired bootstrap over test rows."""
    if not job.recipe.objective.compare:
        return None
    decisions = []
    for folder in (job.student, job.twin):
        decision = Decision.from_dict(_read(folder / "quality.json")["decision"])
        logits = load_file(folder / "logits.safetensors")["test"]
        thresholds = None if decision.thresholds is None else np.array(decision.thresholds)
        decisions.append(decide(scores_of(decision.calibrated(logits), task.kind), thresholds, task.kind))
    found = paired_bootstrap(decisions[0], decisions[1], gold, seed=job.recipe.seed)
    return {"difference": found.difference, "low": found.low, "high": found.high, "p_value": found.p_value}


def _folder_bytes(folder: Path) -> dict[str, int]:
    """Bytes of weights or graph, of the tokenizer, and in all."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    weights = sum(
        size
        for path, size in sizes.items()
        if path.suffix in (".onnx",) or path.name in ("model.safetensors", "head.safetensors")
    )
    tokenizer = sum(size for path, size in sizes.items() if path.name.startswith("tokenizer"))
    return {"total": weights + tokenizer, "weights": weights, "tokenizer": tokenizer}


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
