"""The last stages: bench and report, and the check of the finished bundle against its budget."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distill.artifacts.bench import read_bench
from distill.corpora.storage.parquet import SUBGROUPS_FILE
from distill.evaluation.budget import excesses
from distill.export.measure.cpu import cpu_info
from distill.export.precision import Variant, exported
from distill.export.runtime.cores import available_threads
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.pipeline.audited import read_audit, require_no_amplification, write_audit
from distill.pipeline.choice import recall
from distill.pipeline.choices import CHOICES, layers_choice, plan_choice, precision_choice
from distill.pipeline.shipment import shipping
from distill.pipeline.state import Run, StudentRun
from distill.recipe.budget import BudgetRecipe
from distill.runs.fingerprints import portable_recipe
from distill.runs.layout import CONTEXT_FREE, RunLayout
from distill.runs.stage import StageRecord
from distill.timing.measured import measured_bundle

if TYPE_CHECKING:
    from distill.timing.models import BenchInputs


def report_stages(run: Run) -> None:
    """Run the bench, check the bundle against its budget, and write the report.

    Raises:
        CheckFailedError: the bundle misses a bound of the budget.
    """
    student, variant = shipping(run)
    for choice in (plan_choice(run), layers_choice(run), precision_choice(run)):
        recall(run, choice)
    recipe, layout = run.recipe, student.layout
    inputs = {
        **run.digest(*_benched(run)),
        **run.fold_digest("corpus"),
        "bench": recipe.bench.model_dump(mode="json"),
        "cpu": cpu_info()["model"],
        "threads": available_threads(),
    }
    if recipe.budget.asked and recipe.budget.threads > 1:
        inputs["budget_threads"] = recipe.budget.threads

    def bench(folder: Path) -> None:
        from distill.timing.models import bench_models

        bench_models(folder, _bench_inputs(student, variant), run.reporter)

    run.stage("bench", layout.bench, inputs, bench)
    if recipe.budget.asked:
        threads = recipe.budget.threads
        measured = measured_bundle(read_bench(layout.bench), layout.bundle, variant.name, threads=threads)
        check_budget(measured, recipe.budget, layout.bench)
    if recipe.corpus.context is not None and recipe.objective.compare:
        context_stage(student)
    bound, found = recipe.export.max_bias_amplification, None
    if bound is not None:
        language = recipe.corpus.language
        run.stage(
            "audit",
            layout.audit,
            {**run.digest("teacher", "bundle"), "language": language},
            lambda folder: write_audit(folder, run.layout.folder, layout.bundle, language),
        )
        found = read_audit(layout.audit)
        require_no_amplification(found, bound)
    seconds = {name: record.seconds for name, record in run.records.items()}

    def report(folder: Path) -> None:
        from distill.report.build import ReportInputs, write_report
        from distill.report.card import reset_card

        reset_card(layout.bundle / "README.md")
        seeds = {each.seed: each.layout for each in run.students} if recipe.seeds else {}
        warnings = _warnings(student)
        write_report(
            ReportInputs(
                recipe,
                layout,
                student.seed,
                variant,
                run.corpus,
                seconds,
                seeds,
                run.fold_corpora,
                warnings,
                found,
            )
        )

    inputs = {**run.digest(*run.records), "recipe": portable_recipe(recipe), "seconds": seconds}
    inputs |= _subgroup_inputs([part.records for part in (run, *run.folds)])
    if recipe.budget.asked:
        inputs["budget"] = recipe.budget.model_dump(mode="json")
    run.stage("report", layout.report, inputs, report, extra_outputs=layout.report_files)
    from distill.report.card import update_card

    update_card(layout.bundle / "README.md", layout.folder)


def _subgroup_inputs(runs: Sequence[Mapping[str, StageRecord]]) -> dict[str, object]:
    """Return the content of the columns that divide the test rows, which no other stage depends on."""
    hashes = [records["corpus"].outputs.get(SUBGROUPS_FILE) for records in runs]
    return {"subgroups": hashes} if any(hashes) else {}


def context_stage(student: StudentRun) -> None:
    """Measure what the turns before the decided one are worth to the student that ships."""
    run, layout = student.run, student.layout
    prefix = layout.prefix
    names = [f"{prefix}{name}" for name in ("student", "quality/student", CONTEXT_FREE, f"quality/{CONTEXT_FREE}")]
    inputs = {
        **run.digest("corpus", "bundle", *names),
        **run.fold_digest("corpus", *names),
        "rounds": run.recipe.bench.rounds,
        "seed": run.recipe.seed,
        "cpu": cpu_info()["model"],
    }

    def work(folder: Path) -> None:
        from distill.training.context import ContextInputs, ContextTester, context_report

        corpora = run.fold_corpora or {layout.folder: run.corpus}
        reads = run.corpus.turns
        assert reads is not None
        testers = [
            ContextTester(
                corpus,
                place.student,
                place.quality("student"),
                place.context_free,
                place.quality(CONTEXT_FREE),
            )
            for corpus, place in ((corpus, replace(layout, folder=path)) for path, corpus in corpora.items())
        ]
        context_report(
            ContextInputs(
                testers,
                reads,
                run.recipe.student.family,
                run.recipe.corpus.max_tokens,
                layout.bundle,
                run.recipe.bench.rounds,
                run.recipe.seed,
                run.reporter,
            )
        ).write(folder)

    run.stage("context", layout.context, inputs, work)


def _warnings(student: StudentRun) -> tuple[str, ...]:
    """Return the warnings of `distill check` on the corpus that the run read and on the student's vocabulary."""
    from distill.labelling.cautions import cautions_of
    from distill.recipe.ensemble import reader_of
    from distill.teachers.tokenizers import load_tokenizer

    run, layout = student.run, student.layout
    bad_rows = Counter({"quarantined": run.corpus.notes.get("rows_quarantined", 0)})
    start, own = load_tokenizer(run.start), load_tokenizer(layout.student)
    return (*cautions_of(run.recipe), *run.sample.warnings(bad_rows, start, own, reader_of(run.recipe)))


def _bench_inputs(student: StudentRun, ships: Variant) -> "BenchInputs":
    """Return everything that is timed."""
    from distill.artifacts.quality import read_quality
    from distill.artifacts.variant import MODEL_FILE
    from distill.teachers.checkpoints import load_classifier
    from distill.timing.models import BenchInputs, ExportedVariant, TrainedModel

    run, layout = student.run, student.layout
    recipe, budget = run.recipe, run.recipe.budget
    folders = {"student": layout.student} | ({"twin": layout.twin} if recipe.objective.compare else {})
    load_student = recipe.student.family.load
    teacher = None
    if recipe.teacher.kind == "classifier":
        decision = read_quality(layout.quality("teacher")).decision
        teacher = TrainedModel("teacher", layout.teacher(), decision, load_classifier)
    return BenchInputs(
        corpus=run.corpus,
        folds=tuple(run.fold_corpora.values()),
        teacher=teacher,
        students=tuple(
            TrainedModel(name, folder, read_quality(layout.quality(name)).decision, load_student)
            for name, folder in folders.items()
        ),
        variants={
            variant.name: ExportedVariant(
                layout.variant(variant.name) / MODEL_FILE, read_quality(layout.variant(variant.name)).decision
            )
            for variant in exported(recipe.export.shippable)
        },
        shipped=ships.name,
        bundle=layout.bundle,
        decisions=recipe.decisions,
        seed=recipe.seed,
        max_tokens=recipe.corpus.max_tokens,
        reads=run.tokens.reads,
        texts=recipe.bench.texts,
        rounds=recipe.bench.rounds,
        budget_threads=budget.threads if budget.asked else 1,
    )


def check_budget(measured: dict[str, float], budget: BudgetRecipe, bench: Path) -> None:
    """Check the finished bundle against the recipe's budget, by the measurements of the run's bench.

    Args:
        measured: p95, bytes and memory of the bundle, by bound.
        budget: the bounds.
        bench: folder of the bench, for the remedy.

    Raises:
        CheckFailedError: it misses a bound; the message says by how much.
        InputError: there is a bound on memory, which this system does not report.
    """
    if budget.rss_mb is not None and "rss_mb" not in measured:
        raise InputError(
            "budget.rss_mb: This system does not report how much memory a process used. Remove the bound."
        )
    missed = excesses(measured, budget)
    if not missed:
        return
    remedies = ["widen that bound or choose a smaller student"]
    keys = {excess.key for excess in missed}
    if "size_mb" in keys:
        remedies.append("export.table_bits and student.min_piece_groups make a bundle smaller too")
    if "p95_ms" in keys:
        remedies.append(f"if the machine was busy, remove {bench} and run it again")
    raise CheckFailedError(f"budget: {'; '.join([*map(str, missed), *remedies])}")


def _benched(run: Run) -> list[str]:
    """Return the stages that the bench depends on: no choices, and no variants made for one but not chosen."""
    layouts = [student.layout for student in run.students]
    variants = [variant.name for variant in exported(run.recipe.export.shippable)]
    return [name for name in run.records if name not in CHOICES and _is_benched(name, layouts, variants)]


def _is_benched(name: str, layouts: Collection[RunLayout], variants: Collection[str]) -> bool:
    exports = tuple(f"{layout.prefix}export/" for layout in layouts)
    made = {f"{prefix}{variant}" for prefix in exports for variant in variants}
    return name in made or not name.startswith(exports)
