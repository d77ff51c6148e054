"""The bench stage's work: what of a run is timed."""

from pathlib import Path

from distill.artifacts.quality import read_quality
from distill.bench.models import BenchInputs, ExportedVariant, Load, TrainedModel, bench_models
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Decision
from distill.runs.context import Job
from distill.teachers.checkpoints import load_classifier
from distill.variants.select import choose_variant
from distill.variants.variant import MODEL_FILE, exported


def bench_run(job: Job, folder: Path) -> None:
    """Time the models and the bundle of a run, and write `bench.json` into a folder."""
    recipe, budget = job.recipe, job.recipe.budget
    folders = {"student": job.student} | ({"twin": job.twin} if recipe.objective.compare else {})
    inputs = BenchInputs(
        corpus=load_corpus(job.corpus),
        teacher=_trained(job, "teacher", job.teacher, load_classifier),
        students=tuple(_trained(job, name, place, recipe.student.family.load) for name, place in folders.items()),
        variants={name: _variant(job.variant(name)) for name in exported(recipe)},
        shipped=choose_variant(job),
        bundle=job.bundle,
        decisions=recipe.decisions,
        seed=recipe.seed,
        max_tokens=recipe.corpus.max_tokens,
        texts=recipe.bench.texts,
        rounds=recipe.bench.rounds,
        budget_threads=budget.threads if budget.asked else 1,
    )
    bench_models(folder, inputs, job.reporter)


def _trained(job: Job, name: str, folder: Path, load: Load) -> TrainedModel:
    return TrainedModel(name, folder, _decision(job.quality(name)), load)


def _variant(folder: Path) -> ExportedVariant:
    return ExportedVariant(folder / MODEL_FILE, _decision(folder))


def _decision(folder: Path) -> Decision:
    return Decision.from_dict(read_quality(folder)["decision"])
