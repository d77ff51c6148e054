"""The part of the report that is per model: quality, bytes, gate and latency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distill.artifacts.bench import RunBench
from distill.artifacts.model_report import (
    GateResult,
    Latency,
    ModelBytes,
    ModelReport,
    Timing,
)
from distill.artifacts.records import from_dict, to_dict
from distill.artifacts.variant import MODEL_FILE, read_gate
from distill.evaluation.evaluators import evaluator_of
from distill.export.measure.components import in_order, weigh_bundle, weigh_graph
from distill.export.runtime.deciding.task import Task
from distill.files.sizes import folder_bytes
from distill.report.models import RunModel
from distill.report.quantization import quantization_cost

BASELINE = "tfidf"


@dataclass(frozen=True)
class RunOutcome:
    """A finished run: its models by name, `bench.json`, and the bundle with the name of the variant in it."""

    models: Mapping[str, RunModel]
    reference: str
    bench: RunBench
    chosen: str
    bundle: Path

    def latency(self, name: str) -> Latency:
        """Return the timings of one model."""
        rows = tuple(from_dict(Timing, to_dict(row)) for row in self.bench.rows_of(name))
        if name != self.chosen:
            return Latency(rows)
        return Latency(rows, self.bench.cold_start_ms, self.bench.peak_rss_bytes)


def model_reports(run: RunOutcome, task: Task) -> list[ModelReport]:
    """Return the report of every model: trained models, then variants, then the baseline.

    Calibration is not compared with the teacher's yet.
    """
    trained = [_trained_report(run, model) for model in run.models.values() if model.source is None]
    reports = [_with_ensemble_bytes(report, trained) for report in trained]
    reports += [_variant_report(run, model, task) for model in run.models.values() if model.source is not None]
    reports.append(_baseline_report(run))
    headline = evaluator_of(task).headline
    headlines = {report.name: report.test.metric(headline) for report in reports}
    best = headlines[run.reference]
    return [replace(report, retention=headlines[report.name] / best if best else None) for report in reports]


def _report(run: RunOutcome, model: RunModel, parameters: int | None, sizes: ModelBytes) -> ModelReport:
    quality = model.quality()
    return ModelReport(
        name=model.name,
        kind=model.kind,
        parameters=parameters,
        bytes=sizes,
        components=None,
        test=quality.test,
        validation=quality.validation,
        retention=None,
        brier_skill_ratio=None,
        ece_above_tenth_difference=None,
        acceptance_checks=None,
        floors=quality.floors,
        gate=None,
        latency=run.latency(model.name),
    )


def _baseline_report(run: RunOutcome) -> ModelReport:
    """Return the report of TF-IDF, whose quality and bytes the bench measured."""
    unset = dict.fromkeys(
        ("components", "retention", "brier_skill_ratio", "ece_above_tenth_difference", "bars", "gate")
    )
    identity = {"name": BASELINE, "kind": "baseline", "latency": to_dict(run.latency(BASELINE))}
    return from_dict(ModelReport, {**unset, **run.bench.baseline, **identity})


def _trained_report(run: RunOutcome, model: RunModel) -> ModelReport:
    weights = [path for path in model.folder.glob("*.safetensors") if not path.name.startswith("logits")]
    return _report(run, model, model.quality().parameters, _model_bytes(model.folder, weights))


def _with_ensemble_bytes(report: ModelReport, trained: Sequence[ModelReport]) -> ModelReport:
    """Return the report of an ensemble with the bytes of all its teachers, any other as it is."""
    if report.name != "ensemble":
        return report
    sizes = [other.bytes for other in trained if other.kind == "teacher" and other is not report]
    weights, tokenizer = sum(size.weights for size in sizes), sum(size.tokenizer for size in sizes)
    return replace(report, bytes=ModelBytes(weights, tokenizer, total=weights + tokenizer))


def _variant_report(run: RunOutcome, variant: RunModel, task: Task) -> ModelReport:
    student = run.models["student"]
    graph = variant.folder / MODEL_FILE
    if variant.name == run.chosen:
        files = list((run.bundle / "onnx").iterdir())
        sizes = _model_bytes(run.bundle, files)
        other = folder_bytes(run.bundle) - sizes.total
        sizes = replace(sizes, other=other, total=sizes.total + other)
        components = weigh_bundle(run.bundle)
    else:
        sizes = _model_bytes(student.folder, [graph])
        components = in_order({**weigh_graph(graph), "tokenizer": sizes.tokenizer})
    gate = read_gate(variant.folder)
    return replace(
        _report(run, variant, student.quality().parameters, sizes),
        components=components,
        gate=GateResult(
            passed=gate.passed,
            checks=gate.checks,
            kept_fp32=gate.kept_fp32,
            batch_invariant=gate.batch_invariant,
            operators=gate.operators,
            sensitivity=gate.sensitivity,
            attempts=len(gate.tried),
        ),
        quantization=quantization_cost(variant, student, variant.source or student, task),
    )


def _model_bytes(folder: Path, weights: Sequence[Path]) -> ModelBytes:
    """Return the bytes of weight files, and of the tokenizer in a folder."""
    weight_bytes = sum(path.stat().st_size for path in weights)
    tokenizer_bytes = sum(path.stat().st_size for path in folder.glob("tokenizer*"))
    return ModelBytes(weight_bytes, tokenizer_bytes, total=weight_bytes + tokenizer_bytes)
