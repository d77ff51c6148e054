"""What a [budget] adds to a run: the plan at its beginning, and the finished bundle's check at its end."""

from pathlib import Path

from distill.budget import excesses
from distill.fingerprints import student_inputs
from distill.job import Job
from distill.json_files import read_json
from distill.members import members_of
from distill.planned import read_plan
from distill.run_stages import Run
from distill.stages import EXPORT_PACKAGES, package_versions
from distill.variants import choose_branch, choose_variant, folder_bytes
from export.runtime.bench import available_threads, cpu_info
from export.runtime.errors import CheckFailedError


def plan_stage(under_way: Run) -> None:
    """Where the recipe has a budget: choose the student by it, and go on with the recipe that names it.

    Raises:
        CheckFailedError: no student fits.
    """
    job, recipe = under_way.job, under_way.job.recipe
    if not (recipe.budget.asked and recipe.budget.choose):
        return
    from teachers.sources import resolve_model

    first = members_of(recipe)[0]
    inputs = {
        **under_way.digest("corpus"),
        "budget": recipe.budget.model_dump(mode="json"),
        "weights": resolve_model(first.source, first.pin).sha256,
        "pooling": recipe.teacher.pooling,
        "student": student_inputs(recipe.student),
        "terms": recipe.objective.terms(),
        "max_tokens": recipe.corpus.max_tokens,
        "texts": recipe.bench.texts,
        "seed": recipe.seed,
        # not how many cores there are: more than one is used only where the budget says so
        "cpu": {key: cpu_info()[key] for key in ("model", "flags")},
        **({"threads": available_threads()} if recipe.budget.threads > 1 else {}),
        "versions": package_versions(EXPORT_PACKAGES),
        **recipe.export.unusual("table_bits"),
    }

    def work(folder: Path) -> None:
        from distill.planning import plan_job

        plan_job(job, folder)

    under_way.stage("plan", job.plan, inputs, work)
    plan = read_plan(job.plan)
    best = plan["fits"][0]
    job.reporter.say(
        f"  {best['student']} in {best['precision']} is probably the best that fits: "
        f"p95 {best['p95_ms']:.2f} ms, {best['size_mb']:.2f} MB"
    )
    under_way.go_on_with(plan["chosen"])


def measured_bundle(job: Job) -> dict[str, float]:
    """`p95_ms` at the budget's number of threads, `size_mb` and `rss_mb` of a bundle that the bench has timed."""
    bench, threads = read_json(job.bench / "bench.json"), job.recipe.budget.threads
    asked = (choose_variant(job), "real", threads, 1, "onnxruntime")
    keys = ("name", "texts", "threads", "batch", "runtime")
    row = next(row for row in bench["rows"] if tuple(row[key] for key in keys) == asked)
    size = folder_bytes(job.bundle)
    return {"p95_ms": row["p95_ms"], "size_mb": size / 1e6, "rss_mb": bench["peak_rss_bytes"] / 1e6}


def check_budget(under_way: Run) -> None:
    """Hold the finished bundle to the recipe's budget, by what the run's bench measured.

    Raises:
        CheckFailedError: it misses a bound; says by how much.
    """
    job = choose_branch(under_way.job)
    if not job.recipe.budget.asked:
        return
    over = excesses(measured_bundle(job), job.recipe.budget)
    if over:
        remedies = ["widen that bound or choose a smaller student"]
        missed = {one.key for one in over}
        if "size_mb" in missed:
            remedies.append("export.table_bits and student.min_piece_groups make a bundle smaller too")
        if "p95_ms" in missed:
            remedies.append(f"if the machine was busy, remove {job.bench} and run it again")
        raise CheckFailedError(f"budget: {'; '.join([*map(str, over), *remedies])}")
