"""The last stages: bench and report, and the check of the finished bundle against its budget."""

from pathlib import Path

from distill.artifacts.bench import read_bench
from distill.bench.measured import measured_bundle
from distill.evaluation.budget import excesses
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import available_threads
from distill.export.runtime.errors import CheckFailedError
from distill.pipeline.choices import CHOICES, recall_choices
from distill.pipeline.state import Run
from distill.runs.fingerprints import portable_recipe
from distill.variants.select import choose_branch, choose_variant
from distill.variants.variant import exported


def check_budget(under_way: Run) -> None:
    """Hold the finished bundle to the recipe's budget, by what the run's bench measured.

    Raises:
        CheckFailedError: it misses a bound; says by how much.
    """
    job = choose_branch(under_way.job)
    if not job.recipe.budget.asked:
        return
    bench, threads = read_bench(job.bench), job.recipe.budget.threads
    measured = measured_bundle(bench, job.bundle, choose_variant(job), threads=threads)
    over = excesses(measured, job.recipe.budget)
    if over:
        remedies = ["widen that bound or choose a smaller student"]
        missed = {one.key for one in over}
        if "size_mb" in missed:
            remedies.append("export.table_bits and student.min_piece_groups make a bundle smaller too")
        if "p95_ms" in missed:
            remedies.append(f"if the machine was busy, remove {job.bench} and run it again")
        raise CheckFailedError(f"budget: {'; '.join([*map(str, over), *remedies])}")


REPORT_FILES = ("report.json", "report.html")


def _benched(under_way: Run) -> list[str]:
    """The stages that the bench depends on: no choice, and no form that was made for one and not chosen."""
    job = under_way.job
    made = {f"{one.prefix}export/{name}" for one in job.branches() for name in exported(job.recipe)}
    exports = tuple(f"{one.prefix}export/" for one in job.branches())
    return [
        name
        for name in under_way.records
        if name not in CHOICES and (name in made or not name.startswith(exports))
    ]


def report_stages(under_way: Run) -> None:
    """Bench, the budget, report."""
    job, recipe = choose_branch(under_way.job), under_way.job.recipe
    recall_choices(under_way)
    inputs = {
        **under_way.digest(*_benched(under_way)),
        "bench": recipe.bench.model_dump(mode="json"),
        "cpu": cpu_info()["model"],
        "threads": available_threads(),
    }
    if recipe.budget.asked and recipe.budget.threads > 1:
        inputs["budget_threads"] = recipe.budget.threads

    def bench(folder: Path) -> None:
        from distill.pipeline.bench import bench_run

        bench_run(job, folder)

    under_way.stage("bench", job.bench, inputs, bench)
    check_budget(under_way)
    seconds = {name: record.seconds for name, record in under_way.records.items()}

    def report(folder: Path) -> None:
        from distill.report.build import write_report

        write_report(job, seconds)

    files = tuple(job.folder / name for name in REPORT_FILES)
    inputs = {**under_way.digest(*under_way.records), "recipe": portable_recipe(recipe), "seconds": seconds}
    if recipe.budget.asked:
        inputs["budget"] = recipe.budget.model_dump(mode="json")
    under_way.stage("report", job.folder / "report", inputs, report, also=files)
