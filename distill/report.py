"""`report.json` from what the stages left, and the short table that a run ends with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora.corpus import label_matrix, load_corpus
from corpora.metrics import paired_bootstrap
from corpora.task import Task
from distill.atomic import write_text
from distill.calibrate import Decision
from distill.chosen_layers import read_ranking
from distill.fidelity import fidelity
from distill.job import Job
from distill.json_files import read_json, write_json
from distill.quality import JUDGED, read_logits_file, read_quality
from distill.report_page import render_page
from distill.stages import package_versions
from distill.variants import MODEL_FILE, choose_variant, exported, form_of, read_gate, source_of
from export.runtime.bench import available_threads, cpu_info

FORMAT_VERSION = 1


def write_report(job: Job, seconds: dict[str, float]) -> None:
    """Write `report.json` and `report.html` into the run's folder."""
    report = build_report(job, seconds)
    write_json(report, job.folder / "report.json")
    write_text(job.folder / "report.html", render_page(report, summary_rows(report), job))


def build_report(job: Job, seconds: dict[str, float]) -> dict[str, Any]:
    """The report as plain data; its keys are a contract."""
    corpus = load_corpus(job.corpus)
    bench = read_json(job.bench / "bench.json")
    chosen = choose_variant(job)
    folders = {"teacher": job.teacher, "twin": job.twin, "student": job.student}
    if not job.recipe.objective.compare:
        del folders["twin"]
    qualities = {name: read_quality(job.quality(name)) for name in folders}
    best = qualities["teacher"]["test"]["macro_f1"]
    models = [
        _model(name, name, qualities[name], bytes_of(folder, _weights_of(folder)), best, bench)
        for name, folder in folders.items()
    ]
    parameters = qualities["student"]["parameters"]
    for name in exported(job.recipe):
        model = _variant(job, name, chosen, parameters, best, bench)
        models.append({**model, "quantization": _quantization(job, corpus.task, name)})
    baseline = bench["baseline"]
    models.append(_model("tfidf", "baseline", baseline, baseline["bytes"], best, bench))
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
        "teacher_before_tuning": (qualities["teacher"].get("before_tuning") or {}).get("test"),
        "distillation_gain": _gain(job, corpus.task, label_matrix(corpus.test, corpus.task)),
        "layer_search": read_ranking(job.layers) if "layers" in seconds else None,
        "models": models,
    }


def summary_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The closing table: one dict for each model and runtime that was timed, the teacher in PyTorch first."""
    found: list[dict[str, Any]] = []
    for model in report["models"]:
        for latency in _single(model) or [{"runtime": None, "p50_ms": None, "p95_ms": None}]:
            base = found[0]["p50_ms"] if found else latency["p50_ms"]
            p50 = latency["p50_ms"]
            found.append(
                {
                    "name": model["name"],
                    "kind": model["kind"],
                    "runtime": latency["runtime"],
                    "macro_f1": model["test"]["macro_f1"],
                    "macro_f1_at_half": model["test"]["macro_f1_at_half"],
                    "micro_f1": model["test"]["micro_f1"],
                    "ece": model["test"]["ece"],
                    "retention": model["retention"],
                    "megabytes": model["bytes"]["total"] / 1e6,
                    "p50_ms": p50,
                    "p95_ms": latency["p95_ms"],
                    "times_faster": base / p50 if base and p50 else None,
                    "ships": model["name"] == report["chosen"],
                }
            )
    return found


def _single(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Latency rows of single real texts on one thread, PyTorch's first."""
    rows = model["latency"]["rows"]
    found = [row for row in rows if (row["texts"], row["threads"], row["batch"]) == ("real", 1, 1)]
    return sorted(found, key=lambda row: row["runtime"] != "pytorch")


def _model(
    name: str,
    kind: str,
    quality: dict[str, Any],
    sizes: dict[str, int],
    best: float,
    bench: dict[str, Any],
) -> dict[str, Any]:
    rows = [
        {key: value for key, value in row.items() if key != "name"} for row in bench["rows"] if row["name"] == name
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
    quality = {**read_quality(folder), "parameters": parameters}
    if name == chosen:
        sizes = bytes_of(job.bundle, list((job.bundle / "onnx").iterdir()), whole=True)
    else:
        sizes = bytes_of(job.student, [folder / MODEL_FILE])
    model = _model(name, "variant", quality, sizes, best, bench)
    gate = read_gate(folder)
    model["gate"] = {key: gate[key] for key in ("passed", "checks", "kept_fp32", "batch_invariant", "operators")}
    if name == chosen:
        model["latency"] |= {key: bench[key] for key in ("cold_start_ms", "peak_rss_bytes")}
    return model


def _quantization(job: Job, task: Task, name: str) -> dict[str, Any]:
    """What a variant's integers cost, against the plain student and against its own weights in fp32."""
    source, aware = source_of(job, name), name != form_of(name)
    made_of = read_quality(job.quality(f"qat/{form_of(name)}" if aware else "student"))
    decision = Decision.from_dict(read_quality(job.variant(name))["decision"])
    logits = read_logits_file(job.variant(name))
    found: dict[str, Any] = {"aware": aware}
    for split in JUDGED:
        found[split] = {
            "macro_f1_in_fp32": made_of[split]["macro_f1"],
            "against_student": fidelity(logits[split], read_logits_file(job.student)[split], decision, task.kind),
            "against_own_fp32": fidelity(logits[split], read_logits_file(source)[split], decision, task.kind),
        }
    return found


def _gain(job: Job, task: Task, gold: Any) -> dict[str, float] | None:
    """Student minus twin in test macro-F1, with a paired bootstrap over test rows."""
    if not job.recipe.objective.compare:
        return None
    student, twin = (
        Decision.from_dict(read_quality(job.quality(name))["decision"]).decide(
            read_logits_file(folder)["test"], task.kind
        )
        for name, folder in (("student", job.student), ("twin", job.twin))
    )
    found = paired_bootstrap(student, twin, gold, seed=job.recipe.seed)
    return {"difference": found.difference, "low": found.low, "high": found.high, "p_value": found.p_value}


def bytes_of(folder: Path, weights: Sequence[Path], *, whole: bool = False) -> dict[str, int]:
    """Bytes by component of a model with its tokenizer in `folder`; of a whole folder the other files as well."""
    sizes = {
        "weights": sum(path.stat().st_size for path in weights),
        "tokenizer": sum(path.stat().st_size for path in folder.glob("tokenizer*")),
    }
    if whole:
        every = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        sizes["other"] = every - sum(sizes.values())
    return {**sizes, "total": sum(sizes.values())}


def _weights_of(folder: Path) -> list[Path]:
    """A trained model's weight files; its judged logits are none."""
    return [path for path in folder.glob("*.safetensors") if not path.name.startswith("logits")]


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
