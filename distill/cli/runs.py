"""Commands over a recipe: run, its stages one by one, search, plan, check, init and forget."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.exit import leave_at_once, say_how_to_go_on
from distill.cli.libraries import prepared_libraries
from distill.cli.options import (
    AsJson,
    Invocation,
    Overrides,
    Quiet,
    RecipeName,
    Rows,
    Runs,
    need,
    need_export,
    refuse_place,
)
from distill.cli.tables import print_corpus, print_plan, print_summary, print_trials
from distill.files.atomic import write_text
from distill.runs.interrupts import StopRequest

if TYPE_CHECKING:
    from distill.runs.context import Job


def run(
    context: typer.Context,
    recipe: RecipeName = "quickstart",
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Run all stages: corpus, teacher, soft labels, student and twin, export, gate, bundle, bench, report."""
    job = _run_until("report", context, recipe, overrides, runs, quiet)
    print_summary(job.recipe.name, job.folder)


def stages_through(until: str, description: str, result: Callable[["Job"], Path]) -> Callable[..., None]:
    """Return a command that runs the stages up to and including one, and prints where its result is."""

    def command(
        context: typer.Context,
        recipe: RecipeName,
        overrides: Overrides = None,
        runs: Runs = Path("runs"),
        quiet: Quiet = False,
    ) -> None:
        print(result(_run_until(until, context, recipe, overrides, runs, quiet)))

    command.__doc__ = description
    return command


def search(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Tune values of the recipe on validation, a student a trial; bad ones are given up early."""
    need("train", "optuna")
    job = _run_until("search", context, recipe, overrides, runs, quiet)
    print_trials(job.search)


def plan(
    recipe: RecipeName,
    p95_ms: Annotated[
        float | None,
        typer.Option("--p95-ms", help="95 % of the texts, each alone, take at most so many milliseconds."),
    ] = None,
    size_mb: Annotated[
        float | None,
        typer.Option("--size-mb", help="The whole bundle weighs at most so many MB, 10^6 bytes each."),
    ] = None,
    rss_mb: Annotated[
        float | None,
        typer.Option("--rss-mb", help="A process that answers a text needs at most so many MB, 10^6 bytes each."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of onnxruntime; 1 if the recipe does not say.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the recipe; NAME-plan.toml otherwise.")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the best student for a budget on this machine, in a minute and before anything is trained.

    Latency and bytes do not depend on what weights were learnt. So students of several kinds, depths and widths
    are exported with random weights and the corpus's vocabulary, and timed on its texts, string in to decision
    out. What fits is printed, the probably best first (a guess, from what such students kept of a teacher where
    it was measured), and the best is written as a recipe for `distill run`, which holds its bundle to the budget.
    The precision is chosen too. Where nothing fits the status is 1, and no recipe is written.

    A [budget] in a recipe makes `distill run` do the same first.
    """
    started = time.monotonic()
    bounds = {"p95_ms": p95_ms, "size_mb": size_mb, "rss_mb": rss_mb, "threads": threads}
    asked = [f"budget.{key}={value}" for key, value in bounds.items() if value is not None]
    with prepared_libraries():
        job = _job(recipe, [*(overrides or []), *asked], Path("runs"), quiet, exports=True)
        place = Path(f"{job.recipe.name}-plan.toml") if out is None else out
        refuse_place(place)
        from distill.planning.plan import plan_recipe
        from distill.planning.result import planned_recipe

        found = plan_recipe(job.recipe, job.reporter, started)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print_plan(found)
    _write_recipe(place, planned_recipe(job.recipe, found).to_toml())
    print(f"recipe: {place}", file=sys.stderr if as_json else sys.stdout)


def check(recipe: RecipeName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Validate a recipe and its corpus without training: rows, labels, lengths, leaks, share of cut texts."""
    with prepared_libraries():
        job = _job(recipe, overrides, Path("runs"), quiet=False)
        from distill.pipeline.check import check_job

        found = check_job(job)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_corpus(found)


def init(
    file: Rows,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it; stdout otherwise.")] = None,
) -> None:
    """Look at a data file and write a starter recipe for it, which `check` accepts."""
    need("train", "pydantic")
    from distill.recipe.starter import propose_recipe

    text = propose_recipe(file)
    if out is None:
        print(text, end="")
        return
    refuse_place(out)
    _write_recipe(out, text)
    print(out)


def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: the one with recipe.toml.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove every copy of the corpus that a run made: splits, quarantine, and what a killed run left of them.

    Models, bundle and report stay, and `distill run` reads the source again. Your own files, caches outside the
    run, and backups are yours to remove: what is known of them is named.
    """
    need("train", "filelock")
    from distill.export.runtime import InputError
    from distill.files.lock import exclusive
    from distill.runs.forget import find_copies, left_outside, remove_copies

    find_copies(run)  # or a lock would be made in a folder that is no run
    with exclusive(run):
        copies = find_copies(run)
        left = left_outside(run, copies)
        if copies.paths and not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise InputError(f"{run}: forgetting asks before it removes; without a terminal give --yes")
            print(f"{copies.files} files, {copies.bytes:,} bytes:", *copies.paths, sep="\n  ")
            if not typer.confirm("remove them?"):
                print("nothing is removed")
                return
        remove_copies(copies)
    removed = [f"removed: {path}" for path in copies.paths]
    print(*removed, f"{copies.files} files, {copies.bytes:,} bytes are gone", *left, sep="\n")


def _job(recipe: str, overrides: list[str] | None, runs: Path, quiet: bool, *, exports: bool = False) -> "Job":
    need("train", "pydantic")
    need("train", "torch")
    if exports:  # or it would be missed only after the training
        need_export()
    from distill.recipe.load import load_recipe
    from distill.runs.context import Job
    from distill.runs.progress import Reporter

    loaded = load_recipe(recipe, overrides)
    return Job(loaded, runs / loaded.name, Reporter(quiet=quiet))


def _run_until(
    until: str, context: typer.Context, recipe: str, overrides: list[str] | None, runs: Path, quiet: bool
) -> "Job":
    stop = StopRequest()
    with stop.listening(), prepared_libraries():
        try:
            job = replace(_job(recipe, overrides, runs, quiet, exports=until in ("export", "report")), stop=stop)
            from distill.pipeline.runner import run as run_stages
            from distill.pipeline.search import run_search
            from distill.variants.variant import qat_forms

            if until == "train" and qat_forms(job.recipe):  # its scales are fitted on a graph
                need_export()
            if until == "search":
                run_search(job)
            else:
                run_stages(job, until)
        except KeyboardInterrupt as error:
            typed: Invocation = context.obj
            print(say_how_to_go_on(error, typed.program, typed.arguments), file=sys.stderr)
            leave_at_once(stop.exit_status)
    return job


def _write_recipe(path: Path, text: str) -> None:
    from distill.export.runtime import InputError

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check the folder") from error
