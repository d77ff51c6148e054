"""`report.json` from what the stages left, and the short table that a run ends with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.artifacts.choices import read_measured, read_ranking
from distill.artifacts.gate import read_gate
from distill.artifacts.quality import read_quality
from distill.corpora.storage.parquet import load_corpus
from distill.export.measure.components import in_order, weigh_bundle, weigh_graph
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import available_threads
from distill.files.atomic import write_text
from distill.files.json_files import read_json, write_json
from distill.files.sizes import folder_bytes
from distill.report.attribution import attribution, spread
from distill.report.budget import budget_report
from distill.report.calibration import add_bars
from distill.report.models import kind_of, trained_models
from distill.report.page import render_page
from distill.report.quantization import quantization_cost
from distill.report.summary import summary_rows
from distill.report.words import word_rates
from distill.runs.context import Job
from distill.runs.stage import package_versions
from distill.teachers.tokenizers import load_tokenizer
from distill.variants.select import choose_variant
from distill.variants.variant import MODEL_FILE, exported

FORMAT_VERSION = 1

GATE_KEYS = ("passed", "checks", "kept_fp32", "batch_invariant", "operators", "sensitivity")


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
    folders = trained_models(job)
    qualities = {name: read_quality(job.quality(name)) for name in folders}
    best = qualities[job.reference]["test"]["macro_f1"]
    models = [
        _model(name, kind_of(name), qualities[name], bytes_of(folder, _weights_of(folder)), best, bench)
        for name, folder in folders.items()
    ]
    for model in models:
        if model["name"] == "ensemble":
            parts = [one["bytes"] for one in models if one["kind"] == "teacher" and one is not model]
            model["bytes"] = {key: sum(part[key] for part in parts) for key in parts[0]}
    parameters = qualities["student"]["parameters"]
    for name in exported(job.recipe):
        model = _variant(job, name, chosen, parameters, best, bench)
        models.append({**model, "quantization": quantization_cost(job, corpus.task.kind, name)})
    baseline = bench["baseline"]
    models.append(_model("tfidf", "baseline", baseline, baseline["bytes"], best, bench))
    add_bars(job, corpus, models)
    cpu = cpu_info()
    attributed = attribution(job, corpus)
    return {
        "format_version": FORMAT_VERSION,
        "recipe": job.recipe.model_dump(mode="json"),
        "task": corpus.task.kind.value,
        "labels": list(corpus.task.labels),
        "seed": job.seed,
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
        "budget": budget_report(job, planned="plan" in seconds),
        "words": word_rates(load_tokenizer(job.student), load_tokenizer(job.teacher), corpus.test.texts),
        "teacher_before_tuning": (qualities["teacher"].get("before_tuning") or {}).get("test"),
        "distillation_gain": (attributed["gain"] or {}).get("student"),
        "attribution": attributed,
        "seeds": spread(job, corpus),
        "layer_search": read_ranking(job.layers) if "layers" in seconds else None,
        "precision": read_measured(job.precision) if "precision" in seconds else None,
        "models": models,
    }


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
        "components": None,
        "test": quality["test"],
        "validation": quality["validation"],
        "retention": quality["test"]["macro_f1"] / best if best else None,
        "brier_skill_ratio": None,
        "ece_above_tenth_difference": None,
        "bars": None,
        "floors": quality["floors"],
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
        components = weigh_bundle(job.bundle)
    else:
        sizes = bytes_of(job.student, [folder / MODEL_FILE])
        components = in_order({**weigh_graph(folder / MODEL_FILE), "tokenizer": sizes["tokenizer"]})
    model = _model(name, "variant", quality, sizes, best, bench)
    model["components"] = components
    gate = read_gate(folder)
    model["gate"] = {key: gate[key] for key in GATE_KEYS} | {"attempts": len(gate["tried"])}
    if name == chosen:
        model["latency"] |= {key: bench[key] for key in ("cold_start_ms", "peak_rss_bytes")}
    return model


def bytes_of(folder: Path, weights: Sequence[Path], *, whole: bool = False) -> dict[str, int]:
    """Bytes by file of a model with its tokenizer in `folder`; of a whole folder the other files as well."""
    sizes = {
        "weights": sum(path.stat().st_size for path in weights),
        "tokenizer": sum(path.stat().st_size for path in folder.glob("tokenizer*")),
    }
    if whole:
        sizes["other"] = folder_bytes(folder) - sum(sizes.values())
    return {**sizes, "total": sum(sizes.values())}


def _weights_of(folder: Path) -> list[Path]:
    """A trained model's weight files; its judged logits are none."""
    return [path for path in folder.glob("*.safetensors") if not path.name.startswith("logits")]


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
