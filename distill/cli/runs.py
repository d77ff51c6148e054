"""Commands on a recipe: its stages, search, plan and check."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.data import write_recipe
from distill.cli.exit import how_to_resume, leave_at_once
from distill.cli.options import (
    AsJson,
    Invocation,
    Overrides,
    Quiet,
    RecipeName,
    Runs,
    check_output,
)
from distill.cli.tables import (
    print_corpus,
    print_plan,
    print_summary,
    print_trials,
    print_trials_json,
    print_windows,
)
from distill.files.extras import need, need_export, need_run
from distill.runs.interrupts import StopRequest
from distill.runs.libraries import prepared_libraries

if TYPE_CHECKING:
    from distill.pipeline.state import Run
    from distill.recipe.recipe import Recipe
    from distill.runs.layout import RunLayout


def run(
    context: typer.Context,
    recipe: RecipeName = "quickstart",
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run all stages: corpus, teacher, soft labels, student and twin, export, gate, bundle, bench, report."""
    finished = _run_until("report", context, recipe, overrides, runs, quiet)
    if as_json:
        print(json.dumps(_finished(finished.layout)))
    else:
        print_summary(finished.recipe.name, finished.layout.folder)
    _require_passed(finished.layout.folder, finished.recipe)


def stages_through(until: str, description: str, result: Callable[["Run"], Path]) -> Callable[..., None]:
    """Return a command that runs the stages up to and including one, and prints where its result is."""

    def command(
        context: typer.Context,
        recipe: RecipeName,
        overrides: Overrides = None,
        runs: Runs = Path("runs"),
        quiet: Quiet = False,
        as_json: AsJson = False,
    ) -> None:
        finished = _run_until(until, context, recipe, overrides, runs, quiet)
        place = result(finished)
        print(json.dumps({"result": str(place), **_finished(finished.layout)}) if as_json else place)
        if until == "report":
            _require_passed(finished.layout.folder, finished.recipe)

    command.__doc__ = description
    return command


def search(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tune recipe values on validation: each trial trains one student, and unpromising ones stop early."""
    need("train", "optuna")
    finished = _run_until("search", context, recipe, overrides, runs, quiet)
    if as_json:
        print_trials_json(finished.layout.search)
        return
    from distill.evaluation.evaluators import EVALUATORS

    print_trials(finished.layout.search, EVALUATORS[finished.recipe.corpus.task].title)


def plan(
    recipe: RecipeName,
    p95_ms: Annotated[
        float | None,
        typer.Option("--p95-ms", help="Upper bound on p95 latency for single texts, in milliseconds."),
    ] = None,
    size_mb: Annotated[
        float | None,
        typer.Option("--size-mb", help="Maximum bundle size in MB (10^6 bytes)."),
    ] = None,
    rss_mb: Annotated[
        float | None,
        typer.Option(
            "--rss-mb", help="Maximum peak memory of a process that answers one text, in MB (10^6 bytes)."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Number of onnxruntime threads; 1 unless the recipe sets it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Path of the recipe to write; NAME-plan.toml by default.")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the best student for a budget on this machine, in about a minute and without training.

    Latency and size do not depend on the values of the weights. Students of several kinds, depths and widths are
    therefore exported with random weights and the corpus's vocabulary, and timed on its texts from string to
    decision. Those that fit are printed, most promising first; how much quality each keeps is a prediction from
    students that were measured elsewhere. The best one, with its precision, is written as a recipe for
    `distill run`, which checks the finished bundle against the budget. If nothing fits, the exit status is 1 and
    no recipe is written.

    With a [budget] in the recipe, `distill run` makes the same plan first.
    """
    started = time.monotonic()
    bounds = {"p95_ms": p95_ms, "size_mb": size_mb, "rss_mb": rss_mb, "threads": threads}
    asked = [f"budget.{key}={value}" for key, value in bounds.items() if value is not None]
    with prepared_libraries():
        planned = _load_run(recipe, [*(overrides or []), *asked], Path("runs"), quiet, "export")
        place = Path(f"{planned.recipe.name}-plan.toml") if out is None else out
        check_output(place)
        from distill.planning.plan import plan_recipe
        from distill.planning.result import planned_recipe

        found = plan_recipe(planned.recipe, planned.reporter, started)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print_plan(found)
    write_recipe(place, planned_recipe(planned.recipe, found).to_toml())
    print(f"recipe: {place}", file=sys.stderr if as_json else sys.stdout)


def check(recipe: RecipeName, overrides: Overrides = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Validate a recipe and its corpus without training: rows, labels, lengths, leaks, truncated texts."""
    with prepared_libraries():
        loaded = _load_run(recipe, overrides, Path("runs"), quiet, "check")
        from distill.pipeline.check import check_recipe

        checked = check_recipe(loaded.recipe, loaded.reporter)
    if as_json:
        print(json.dumps(checked.to_dict(), indent=2))
        return
    print_corpus(checked.reading.report, checked.base_models, checked.pins)
    print_windows(checked.reading.windows)


def _finished(layout: "RunLayout") -> dict[str, str | None]:
    """Return the paths of what a run has so far."""
    places = {"bundle": layout.bundle, **dict(zip(("report", "page"), layout.report_files, strict=True))}
    return {
        "run": str(layout.folder),
        **{key: str(path) if path.exists() else None for key, path in places.items()},
    }


def _load_run(recipe: str, overrides: list[str] | None, runs: Path, quiet: bool, until: str) -> "Run":
    need_run(until)
    from distill.pipeline.state import Run
    from distill.recipe.load import load_recipe
    from distill.runs.layout import RunLayout
    from distill.runs.progress import Reporter

    loaded = load_recipe(recipe, overrides)
    return Run(loaded, RunLayout(runs / loaded.name), Reporter(quiet=quiet))


def _run_until(
    until: str, context: typer.Context, recipe: str, overrides: list[str] | None, runs: Path, quiet: bool
) -> "Run":
    stop = StopRequest()
    with stop.listening(), prepared_libraries():
        try:
            loaded = _load_run(recipe, overrides, runs, quiet, until)
            loaded.stop = stop
            if (
                until == "train" and loaded.recipe.export.trained_as_int8
            ):  # activation scales are fitted on a graph
                need_export()
            if until == "search":
                from distill.pipeline.search import run_search

                run_search(loaded)
            else:
                from distill.pipeline.runner import execute_run

                execute_run(loaded, until)
        except KeyboardInterrupt as error:
            typed: Invocation = context.obj
            print(how_to_resume(error, typed.program, typed.arguments), file=sys.stderr)
            leave_at_once(stop.exit_status)
    return loaded


def _require_passed(folder: Path, recipe: "Recipe") -> None:
    from distill.report.verdict import require_passed

    require_passed(folder, is_accepted=recipe.export.allow_worse_than_baseline)
