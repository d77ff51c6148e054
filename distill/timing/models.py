"""A run's bench: teacher, student, variants and TF-IDF, string in to decision out, interleaved in one run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill.artifacts.baseline import write_baseline_decisions
from distill.artifacts.bench import RunBench
from distill.artifacts.quality import record_of
from distill.artifacts.records import to_dict
from distill.artifacts.training import TrainingSummary
from distill.corpora.corpus import Corpus, label_matrix, test_groups
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.comparison import fold_scores
from distill.evaluation.decided import decided_logits, pooled
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.quality import EVALUATED, quality_of
from distill.export.graph.from_torch import export_fused
from distill.export.graph.session import GraphRunner
from distill.export.measure.latency import (
    BenchTarget,
    LatencyRow,
    available_threads,
    cold_start,
    time_interleaved,
)
from distill.export.measure.texts import synthetic_rows
from distill.export.runtime.classifier import Classifier, load, open_bundle
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import DistillError
from distill.export.runtime.manifest.manifest import read_manifest
from distill.export.runtime.reading.inputs import Input, Row
from distill.recipe.shipping import DecisionsRecipe
from distill.runs.progress import Reporter
from distill.teachers.checkpoints import load_classifier
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.layer_places import is_causal
from distill.teachers.tokenizers import load_tokenizer, pad_id_of
from distill.timing.tfidf import TfidfModel, fit_tfidf

THROUGHPUT_BATCH = 32

# reads a trained model from its folder
Load = Callable[[Path, Task], torch.nn.Module]


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with its tokenizer in a folder, and the decision that was fitted for it."""

    name: str
    folder: Path
    decision: Decision
    load: Load


@dataclass(frozen=True)
class ExportedVariant:
    """A variant's graph, and the decision that was fitted for it."""

    graph: Path
    decision: Decision


@dataclass(frozen=True)
class BenchInputs:
    """Everything that a run's bench depends on.

    Attributes:
        corpus: train rows for the baseline, test rows to time.
        folds: the corpus of each fold, where the baseline is evaluated out of fold; else empty.
        teacher: timed in PyTorch, and in fp32 by its graph; None where it is not an encoder.
        students: timed in PyTorch.
        variants: by name; each is timed as the bundle would be if it shipped.
        shipped: the name of the variant in the bundle.
        bundle: the bundle's folder.
        decisions: of the baseline.
        seed: of the baseline.
        max_tokens: length at which texts are cut.
        reads: what one row is.
        texts: the number of test texts.
        rounds: interleaved rounds.
        budget_threads: a number of threads that the bundle must be timed on too, because a budget bounds it there.
    """

    corpus: Corpus
    folds: tuple[Corpus, ...]
    teacher: TrainedModel | None
    students: tuple[TrainedModel, ...]
    variants: Mapping[str, ExportedVariant]
    shipped: str
    bundle: Path
    decisions: DecisionsRecipe
    seed: int
    max_tokens: int
    reads: Input
    texts: int
    rounds: int
    budget_threads: int = 1


def bench_models(folder: Path, inputs: BenchInputs, reporter: Reporter) -> None:
    """Train the baseline, time everything, and write `bench.json` and the baseline's decisions into a folder."""
    baseline = _baseline(inputs, reporter)
    write_baseline_decisions(baseline.decisions, folder)
    texts = list(inputs.corpus.unseen_texts[: inputs.texts])
    targets = [
        *(BenchTarget(model.name, _torch_call(model, inputs), runtime="pytorch") for model in _trained(inputs)),
        *_in_onnxruntime(inputs, folder),
        BenchTarget("tfidf", baseline.call, runtime="scikit-learn"),
    ]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with reporter.bar("bench", len(texts) * inputs.rounds * len(targets)) as advance:
        rows = time_interleaved(targets, texts, kind="real", rounds=inputs.rounds, progress=advance)
    torch.set_num_threads(before)
    rows += _bundle_rows(inputs, texts)
    milliseconds, peak = cold_start(inputs.bundle)
    RunBench(tuple(rows), milliseconds, peak, baseline.record).write(folder)


def _trained(inputs: BenchInputs) -> tuple[TrainedModel, ...]:
    return inputs.students if inputs.teacher is None else (inputs.teacher, *inputs.students)


def _bundle_rows(inputs: BenchInputs, texts: list[Row]) -> list[LatencyRow]:
    """Time the bundle on short and long texts, and its throughput on one thread and on all."""

    def target(threads: int = 1) -> list[BenchTarget]:
        return [BenchTarget(inputs.shipped, load(inputs.bundle, threads=threads).predict, threads=threads)]

    rows, single = [], target()
    for kind in ("short", "long"):
        rows += time_interleaved(single, synthetic_rows(kind, inputs.reads), kind=kind, rounds=inputs.rounds)
    for threads in sorted({1, available_threads()}):
        rows += time_interleaved(target(threads), texts, kind="real", rounds=inputs.rounds, batch=THROUGHPUT_BATCH)
    if inputs.budget_threads > 1:  # on one thread it is already timed beside all others
        rows += time_interleaved(target(inputs.budget_threads), texts, kind="real", rounds=inputs.rounds)
    return rows


def _in_onnxruntime(inputs: BenchInputs, folder: Path) -> list[BenchTarget]:
    """Return the teacher in fp32 by its graph, the bundle, and every other variant as it would ship.

    A teacher that has no fused graph, such as one with adapters, is timed in PyTorch alone.
    """
    targets = []
    graph = None if inputs.teacher is None else _teacher_graph(inputs.teacher, inputs, folder)
    if inputs.teacher is not None and graph is not None:
        targets.append(BenchTarget(inputs.teacher.name, _graph_call(inputs.teacher, inputs, graph)))
        graph.unlink()
    for name, variant in inputs.variants.items():
        classifier = load(inputs.bundle) if name == inputs.shipped else as_bundled(inputs.bundle, variant)
        targets.append(BenchTarget(name, classifier.predict))
    return targets


def as_bundled(bundle: Path, variant: ExportedVariant) -> Classifier:
    """Open a variant in place of what ships in a bundle."""
    manifest = read_manifest(bundle)
    return open_bundle(
        manifest.deciding_by(variant.decision.policy, variant.decision.objects_beside(manifest.objects)),
        variant.graph.read_bytes(),
        (bundle / manifest.tokenizer_file).read_bytes(),
        where=bundle,
    )


def _graph_call(teacher: TrainedModel, inputs: BenchInputs, graph: Path) -> Callable[[list[Row]], object]:
    """Return the teacher's tokenizer, graph and decision as one function, which runs one text at a time."""
    task = inputs.corpus.task
    tokenizer, runner = load_tokenizer(teacher.folder), GraphRunner(graph)
    return lambda texts: teacher.decision.decide(runner.run_rows(_encoded(tokenizer, texts, inputs)), task)


def _teacher_graph(teacher: TrainedModel, inputs: BenchInputs, folder: Path) -> Path | None:
    """Return the teacher's fused graph; None for a decoder, and where its attention cannot be fused."""
    model, graph = load_classifier(teacher.folder, inputs.corpus.task).eval(), folder / "teacher.onnx"
    if is_causal(model.config):
        return None
    try:
        export_fused(model, model.config, graph)
    except DistillError:
        graph.unlink(missing_ok=True)
        return None
    return graph


def _torch_call(trained: TrainedModel, inputs: BenchInputs) -> Callable[[list[Row]], object]:
    task = inputs.corpus.task
    model, tokenizer = trained.load(trained.folder, task).eval(), load_tokenizer(trained.folder)

    def call(texts: list[Row]) -> object:
        with torch.inference_mode():
            batch = pad_batch(_encoded(tokenizer, texts, inputs), pad_id_of(tokenizer))
            return trained.decision.decide(model(*batch).numpy(), task)

    return call


def _encoded(tokenizer: Any, texts: list[Row], inputs: BenchInputs) -> TokenRows:
    return encode(tokenizer, texts, inputs.max_tokens, reads=inputs.reads)


@dataclass(frozen=True)
class _Baseline:
    """TF-IDF as a function of texts, its record, and its decisions on the rows that models are compared on."""

    call: Callable[[list[Row]], object]
    record: Mapping[str, Any]
    decisions: Bools


def _baseline(inputs: BenchInputs, reporter: Reporter) -> _Baseline:
    """Fit TF-IDF on the same train rows, and evaluate it the same way; out of fold where there are folds."""
    corpus, parts = inputs.corpus, []
    with reporter.bar("train the TF-IDF baseline", 1 + len(inputs.folds)) as advance:
        for fold in inputs.folds:
            logits = _tfidf_logits(fit_tfidf(fold, inputs.seed), fold)
            gold = label_matrix(fold.test, fold.task)
            decision = quality_of(logits, fold, inputs.decisions).decision
            parts.append(decided_logits(logits["test"], gold, decision, fold.task))
            advance(1)
        model = fit_tfidf(corpus, inputs.seed)
        advance(1)
    out_of_fold = pooled(parts) if parts else None
    logits = _tfidf_logits(model, corpus)
    quality = quality_of(logits, corpus, inputs.decisions, out_of_fold)
    decision = quality.decision
    tested = decision.decide(logits["test"], corpus.task) if out_of_fold is None else out_of_fold.decisions

    def call(texts: list[Row]) -> object:
        return decision.decide(model.logits(texts), corpus.task)

    record = to_dict(record_of(quality, TrainingSummary(model.parameters)))
    del record["decision"]
    if parts:
        groups = test_groups(inputs.folds)
        scores = fold_scores(evaluator_of(corpus.task), parts, groups, seed=inputs.seed)
        record["out_of_fold"] = to_dict(scores)
    return _Baseline(call, {**record, "bytes": model.sizes, "terms": model.terms}, tested)


def _tfidf_logits(model: TfidfModel, corpus: Corpus) -> dict[str, Logits]:
    """Return the baseline's raw logits ``(N, K)`` of the splits that it is evaluated on."""
    texts = {split: list(rows.texts) for split, rows in corpus.splits() if split in EVALUATED}
    return {split: model.logits(rows) for split, rows in texts.items() if rows}
