"""Build `report.json` and `report.html` from the artifacts that the stages left."""

from collections.abc import Mapping
from pathlib import Path

from distill.artifacts.bench import read_bench
from distill.artifacts.choices import read_measured, read_ranking
from distill.artifacts.model_report import SplitQuality
from distill.artifacts.plan import read_plan
from distill.artifacts.records import from_dict
from distill.artifacts.report import (
    FORMAT_VERSION,
    CorpusCounts,
    Environment,
    Headline,
    LayerCandidate,
    Report,
    TrainingCurve,
    write_report_file,
)
from distill.bench.measured import measured_bundle
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.evaluator import evaluator_of
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import available_threads
from distill.files.atomic import write_text
from distill.report.attribution import SeedModels, attribution, spread
from distill.report.budget import budget_report
from distill.report.calibration import with_calibration
from distill.report.model_reports import RunOutcome, model_reports
from distill.report.models import RunModel, run_models
from distill.report.page import render_page
from distill.report.training import read_curve
from distill.report.words import word_report
from distill.runs.context import Job
from distill.runs.stage import package_versions
from distill.teachers.tokenizers import load_tokenizer
from distill.training.callback import METRICS_FILE
from distill.variants.select import choose_variant
from distill.variants.variant import form_of, qat_forms

PAGE_FILE = "report.html"


def write_report(job: Job, seconds: Mapping[str, float]) -> None:
    """Write `report.json` and `report.html` into the run's folder."""
    report = build_report(job, seconds)
    write_report_file(report, job.folder)
    write_text(job.folder / PAGE_FILE, render_page(report))


def build_report(job: Job, seconds: Mapping[str, float]) -> Report:
    """Return the report of a run whose bench is done.

    Args:
        job: the run, with the seed that ships.
        seconds: the duration of every stage that the run had.
    """
    recipe, corpus = job.recipe, load_corpus(job.corpus)
    task, gold = corpus.task, label_matrix(corpus.test, corpus.task)
    evaluator = evaluator_of(task)
    chosen, models = choose_variant(job), run_models(job)
    bench = read_bench(job.bench)
    run = RunOutcome(models, job.reference, bench, chosen, job.bundle)
    compared = {name: models[name] for name in ("student", "twin", chosen) if name in models}
    attributed = attribution(models[job.reference], compared, gold, evaluator, seed=recipe.seed)
    before_tuning = models["teacher"].quality().get("before_tuning")
    return Report(
        format_version=FORMAT_VERSION,
        recipe=recipe.model_dump(mode="json"),
        task=task.kind,
        labels=corpus.task.labels,
        seed=job.seed,
        environment=_environment(),
        corpus=CorpusCounts({name: len(split) for name, split in corpus.splits()}, corpus.notes),
        seconds=seconds,
        chosen=chosen,
        budget=None
        if not recipe.budget.asked
        else budget_report(
            recipe.budget,
            read_plan(job.plan) if "plan" in seconds else None,
            measured_bundle(bench, job.bundle, chosen, threads=recipe.budget.threads),
            form_of(chosen),
        ),
        words=word_report(load_tokenizer(job.student), load_tokenizer(job.teacher), corpus.test.texts),
        teacher_before_tuning=None if before_tuning is None else from_dict(SplitQuality, before_tuning["test"]),
        distillation_gain=None if attributed.gain is None else attributed.gain["student"],
        attribution=attributed,
        seeds=spread(_seed_models(job), gold, evaluator, seed=recipe.seed),
        layer_search=_layer_search(job.layers) if "layers" in seconds else None,
        precision=read_measured(job.precision) if "precision" in seconds else None,
        models=with_calibration(model_reports(run, task), models, job.reference, gold, task, seed=recipe.seed),
        training=_training_curves(job, models, evaluator.headline),
        headline=Headline(evaluator.headline, evaluator.title),
    )


def _environment() -> Environment:
    cpu = cpu_info()
    return Environment(
        cpu_model=cpu["model"],
        isa_flags=tuple(cpu["flags"]),
        cores=available_threads(),
        gpu=_gpu(),
        packages=package_versions(),
    )


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _layer_search(folder: Path) -> tuple[LayerCandidate, ...]:
    return tuple(from_dict(LayerCandidate, candidate) for candidate in read_ranking(folder))


def _seed_models(job: Job) -> list[SeedModels]:
    """Return the models per seed; none where the recipe has one student."""
    if not job.recipe.seeds:
        return []
    seeds = []
    for branch in job.branches():
        models = run_models(branch)
        ships = models[choose_variant(branch)]
        seeds.append(SeedModels(branch.seed, models["student"], ships, models.get("twin")))
    return seeds


def _training_curves(job: Job, models: Mapping[str, RunModel], headline: str) -> tuple[TrainingCurve, ...]:
    """Return the curves of all sessions that logged metrics; an ensemble and a checkpoint have none."""
    sessions = [(model.name, model.kind, model.folder) for model in models.values() if model.kind != "variant"]
    sessions += [(f"student as {form}", "variant", job.qat(form)) for form in qat_forms(job.recipe)]
    return tuple(
        read_curve(name, kind, folder / METRICS_FILE, headline)
        for name, kind, folder in sessions
        if (folder / METRICS_FILE).is_file()
    )
