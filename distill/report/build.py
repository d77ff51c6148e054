"""Build `report.json` and `report.html` from the artifacts that the stages left."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from distill.artifacts.baseline import read_baseline_decisions
from distill.artifacts.bench import RunBench, read_bench
from distill.artifacts.context import read_context
from distill.artifacts.plan import read_plan
from distill.artifacts.precision import read_precision
from distill.artifacts.ranking import read_ranking
from distill.artifacts.records import from_dict
from distill.artifacts.report import (
    FORMAT_VERSION,
    BudgetReport,
    CorpusCounts,
    Environment,
    FoldsReport,
    Headline,
    Report,
    TrainingCurve,
    write_report_file,
)
from distill.artifacts.training import TRAINING_FILE, read_training
from distill.artifacts.tuning import TuningRecord, read_tuning
from distill.corpora.corpus import Corpus, test_groups
from distill.corpora.script_groups import test_columns
from distill.evaluation.bias import Audit
from distill.evaluation.comparison import FoldScores, paired_bootstrap
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.subgroups import SubgroupReport, subgroup_report
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import available_threads
from distill.export.precision import Variant, qat_precisions
from distill.export.runtime.classifier import load
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.reading.inputs import segments_of
from distill.files.atomic import write_text
from distill.recipe.ensemble import reference_name
from distill.recipe.recipe import Recipe
from distill.report.attribution import SeedModels, attribution, spread
from distill.report.budget import budget_report
from distill.report.calibration import with_calibration
from distill.report.folds import folds_report, test_gold
from distill.report.handed_over import handed_over
from distill.report.model_reports import BASELINE, RunOutcome, model_reports
from distill.report.models import RunModel, run_models
from distill.report.page import render_page
from distill.report.tested import tested_rows
from distill.report.training import read_curve
from distill.report.used_words import used_words
from distill.report.verdict import Bundled, verdict_of
from distill.report.words import word_report
from distill.runs.layout import RunLayout
from distill.runs.stage import package_versions
from distill.teachers.tokenizers import load_tokenizer
from distill.timing.measured import measured_bundle
from distill.training.callback import METRICS_FILE
from distill.variants.select import shipping_variant

PAGE_FILE = "report.html"


@dataclass(frozen=True)
class ReportInputs:
    """Everything that a report depends on.

    Attributes:
        recipe: as the run resolved it.
        layout: of the student that ships.
        seed: of that student.
        variant: that ships.
        corpus: its test rows are compared on.
        seconds: the duration of every stage that the run had.
        seeds: the layout of each of several students; empty where there is one.
        folds: the folder of each fold's run with its corpus, whose test rows are compared on; empty where the
            corpus has a test split.
        warnings: what may mislead in the corpus, and in what the tokenizers make of it.
        audit: of identity terms, where the recipe bounds their amplification.
    """

    recipe: Recipe
    layout: RunLayout
    seed: int
    variant: Variant
    corpus: Corpus
    seconds: Mapping[str, float]
    seeds: Mapping[int, RunLayout]
    folds: Mapping[Path, Corpus]
    warnings: tuple[str, ...] = ()
    audit: Audit | None = None

    @property
    def tested(self) -> tuple[Corpus, ...]:
        """The corpora whose test rows are compared on."""
        return tuple(self.folds.values()) or (self.corpus,)


def write_report(inputs: ReportInputs) -> None:
    """Write `report.json` and `report.html` into the run's folder."""
    report = build_report(inputs)
    write_report_file(report, inputs.layout.folder)
    write_text(inputs.layout.folder / PAGE_FILE, render_page(report))


def build_report(inputs: ReportInputs) -> Report:
    """Return the report of a run whose bench is done."""
    recipe, corpus, layout, seconds = inputs.recipe, inputs.corpus, inputs.layout, inputs.seconds
    task, gold = corpus.task, test_gold(inputs.tested)
    evaluator = evaluator_of(task)
    chosen, models = inputs.variant.name, run_models(recipe, layout, tuple(inputs.folds))
    reference = reference_name(recipe)
    bench = read_bench(layout.bench)
    run = RunOutcome(models, reference, bench, chosen, layout.bundle)
    tested = {name: model.test_decisions(task) for name, model in models.items()}
    tested[BASELINE] = read_baseline_decisions(layout.bench)
    compared = {name: tested[name] for name in (reference, "student", "twin", chosen) if name in tested}
    groups = test_groups(inputs.tested)
    attributed = attribution(reference, compared, gold, evaluator, groups, seed=recipe.seed)
    over_baseline, over_teacher = (
        paired_bootstrap(evaluator, [tested[chosen]], [tested[other]], gold, groups, seed=recipe.seed)
        for other in (BASELINE, reference)
    )
    before_tuning = models["teacher"].quality().before_tuning
    start = layout.start(own_base=recipe.student.base is not None)
    tokenizers = load_tokenizer(layout.student), load_tokenizer(start)
    named = Headline(evaluator.headline, evaluator.title)
    reports = with_calibration(model_reports(run, task), models, reference, gold, task, seed=recipe.seed)
    shipped = next(model for model in reports if model.name == chosen)
    bundle = load(layout.bundle)
    score = shipped.test.metric(named.key)
    left = handed_over(bundle, [one.test.texts for one in inputs.tested])
    bundled = Bundled(chosen, score, shipped.retention, over_teacher, left, tested[chosen], gold)
    return Report(
        format_version=FORMAT_VERSION,
        recipe=recipe.model_dump(mode="json"),
        task=task.kind,
        labels=corpus.task.labels,
        seed=inputs.seed,
        environment=_environment(),
        corpus=CorpusCounts({name: len(split) for name, split in corpus.splits()}, corpus.notes),
        seconds=seconds,
        chosen=chosen,
        budget=_budget(inputs, bench),
        words=word_report(*tokenizers, _test_texts(inputs.tested)),
        teacher_before_tuning=None if before_tuning is None else before_tuning.test,
        distillation_gain=None if attributed.gain is None else attributed.gain["student"],
        attribution=attributed,
        seeds=spread(_seed_models(inputs), gold, evaluator, groups, seed=recipe.seed),
        layer_search=read_ranking(layout.layers).ranking if "layers" in seconds else None,
        precision=read_precision(layout.precision) if "precision" in seconds else None,
        models=reports,
        training=_training_curves(inputs, models, evaluator.headline),
        headline=named,
        folds=_folds(inputs, models, bench),
        warnings=inputs.warnings,
        verdict=verdict_of(bundled, task.labels, named, over_baseline, (attributed.gain or {}).get(chosen)),
        context=read_context(layout.context) if "context" in seconds else None,
        tested=tested_rows(tested, chosen, gold, evaluator, groups, seed=recipe.seed),
        day=datetime.now(UTC).date().isoformat(),
        audit=inputs.audit,
        tuning=_tuning(models),
        subgroups=_subgroups(inputs, models, tested, gold),
        handed_over=left,
        used_words=used_words(bundle, corpus.validation.texts, corpus.validation.groups, seed=recipe.seed),
    )


def _tuning(models: Mapping[str, RunModel]) -> dict[str, TuningRecord] | None:
    """Return the teachers of which few weights were trained; None if there are none."""
    records = {name: read_tuning(model.folder) for name, model in models.items()}
    return {name: record for name, record in records.items() if record is not None} or None


def _subgroups(
    inputs: ReportInputs, models: Mapping[str, RunModel], decided: Mapping[str, Bools], gold: Floats
) -> SubgroupReport | None:
    """Return the models on each subgroup of the test rows; None where nothing divides them."""
    columns = test_columns(inputs.tested)
    if not columns:
        return None
    ships = inputs.variant.name
    names = [name for name, model in models.items() if model.kind != "variant" or name == ships]
    return subgroup_report(
        columns,
        {name: (models[name].test_scores(inputs.corpus.task), decided[name]) for name in names},
        gold,
        inputs.corpus.task.labels,
        ships,
    )


def _folds(inputs: ReportInputs, models: Mapping[str, RunModel], bench: RunBench) -> FoldsReport | None:
    if not inputs.folds:
        return None
    baseline = {BASELINE: from_dict(FoldScores, bench.baseline["out_of_fold"])}
    evaluator = evaluator_of(inputs.corpus.task)
    return folds_report(models, baseline, inputs.tested, evaluator, seed=inputs.recipe.seed)


def _budget(inputs: ReportInputs, bench: RunBench) -> BudgetReport | None:
    budget, layout = inputs.recipe.budget, inputs.layout
    if not budget.asked:
        return None
    plan = read_plan(layout.plan) if "plan" in inputs.seconds else None
    measured = measured_bundle(bench, layout.bundle, inputs.variant.name, threads=budget.threads)
    return budget_report(budget, plan, measured, inputs.variant.precision)


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


def _seed_models(inputs: ReportInputs) -> list[SeedModels]:
    """Return the models per seed; none where the recipe has one student."""
    seeds = []
    for seed, layout in inputs.seeds.items():
        models = run_models(inputs.recipe, layout, tuple(inputs.folds))
        ships = models[shipping_variant(layout, inputs.recipe.export).name]
        seeds.append(SeedModels(seed, models["student"], ships, models.get("twin")))
    return seeds


def _training_curves(
    inputs: ReportInputs, models: Mapping[str, RunModel], headline: str
) -> tuple[TrainingCurve, ...]:
    """Return the curves of all sessions that logged metrics; an ensemble and a checkpoint have none."""
    sessions = [(model.name, model.kind, model.folder) for model in models.values() if model.kind != "variant"]
    sessions += [
        (f"student as {precision}", "variant", inputs.layout.qat(precision))
        for precision in qat_precisions(inputs.recipe.export.shippable)
    ]
    return tuple(
        read_curve(name, kind, folder / METRICS_FILE, headline, kept=_kept_step(folder))
        for name, kind, folder in sessions
        if (folder / METRICS_FILE).is_file()
    )


def _kept_step(folder: Path) -> int | None:
    return read_training(folder).best_step if (folder / TRAINING_FILE).is_file() else None


def _test_texts(tested: Sequence[Corpus]) -> Iterator[str]:
    """Yield every text of the rows that are tested, both of a pair."""
    return (text for corpus in tested for row in corpus.test.texts for text in segments_of(row))
