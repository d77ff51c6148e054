"""Commands on a recipe or a run: its stages, search, plan, check, init and forget."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.exit import how_to_resume, leave_at_once
from distill.cli.options import (
    AsJson,
    Invocation,
    Overrides,
    Quiet,
    RecipeName,
    Rows,
    Runs,
    check_output,
)
from distill.cli.tables import print_corpus, print_plan, print_summary, print_trials
from distill.files.atomic import write_text
from distill.files.extras import need, need_export
from distill.runs.interrupts import StopRequest
from distill.runs.libraries import prepared_libraries

if TYPE_CHECKING:
    from distill.pipeline.state import Run


def run(
    context: typer.Context,
    recipe: RecipeName = "quickstart",
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Run all stages: corpus, teacher, soft labels, student and twin, export, gate, bundle, bench, report."""
    finished = _run_until("report", context, recipe, overrides, runs, quiet)
    from distill.report.verdict import require_passed

    print_summary(finished.recipe.name, finished.layout.folder)
    require_passed(finished.layout.folder, is_accepted=finished.recipe.export.allow_worse_than_baseline)


def stages_through(until: str, description: str, result: Callable[["Run"], Path]) -> Callable[..., None]:
    """Return a command that runs the stages up to and including one, and prints where its result is."""

    def command(
        context: typer.Context,
        recipe: RecipeName,
        overrides: Overrides = None,
        runs: Runs = Path("runs"),
        quiet: Quiet = False,
    ) -> None:
        finished = _run_until(until, context, recipe, overrides, runs, quiet)
        print(result(finished))
        if until == "report":
            from distill.report.verdict import require_passed

            require_passed(finished.layout.folder, is_accepted=finished.recipe.export.allow_worse_than_baseline)

    command.__doc__ = description
    return command


def search(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Tune recipe values on validation: each trial trains one student, and unpromising ones stop early."""
    need("train", "optuna")
    finished = _run_until("search", context, recipe, overrides, runs, quiet)
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
        planned = _load_run(recipe, [*(overrides or []), *asked], Path("runs"), quiet, exports=True)
        place = Path(f"{planned.recipe.name}-plan.toml") if out is None else out
        check_output(place)
        from distill.planning.plan import plan_recipe
        from distill.planning.result import planned_recipe

        found = plan_recipe(planned.recipe, planned.reporter, started)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print_plan(found)
    _write_recipe(place, planned_recipe(planned.recipe, found).to_toml())
    print(f"recipe: {place}", file=sys.stderr if as_json else sys.stdout)


def check(recipe: RecipeName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Validate a recipe and its corpus without training: rows, labels, lengths, leaks, truncated texts."""
    with prepared_libraries():
        loaded = _load_run(recipe, overrides, Path("runs"), quiet=False)
        from distill.pipeline.check import check_recipe

        checked = check_recipe(loaded.recipe, loaded.reporter)
    if as_json:
        print(json.dumps(checked.to_dict(), indent=2))
        return
    print_corpus(checked.reading.report, checked.base_models)


def init(
    file: Rows,
    out: Annotated[
        Path | None, typer.Option("--out", help="Path of the recipe to write; stdout by default.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask about what is unclear; take the likeliest reading.")
    ] = False,
) -> None:
    """Inspect a data file and write a starter recipe for it that `check` accepts.

    On a terminal it asks which columns hold the labels and the groups if several could; elsewhere it takes the
    likeliest and lists the others in comments.
    """
    need("train", "pydantic")
    from distill.recipe.starter import propose_recipe

    streams = (sys.stdin, sys.stdout, sys.stderr)
    asks = not yes and all(stream is not None and stream.isatty() for stream in streams)
    text = propose_recipe(file, _ask if asks else None)
    if out is None:
        print(_escaped(text, sys.stdout.encoding), end="")
        return
    check_output(out)
    _write_recipe(out, text)
    print(out)


def _escaped(toml: str, encoding: str | None) -> str:
    """Return a recipe with TOML's escapes for what an encoding lacks: all of it is in strings or comments."""

    def escape(character: str) -> str:
        try:
            character.encode(encoding or "ascii")
        except UnicodeEncodeError:
            return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
        return character

    return "".join(map(escape, toml))


def _ask(question: str, answers: Sequence[str]) -> int:
    """Ask on the terminal, on stderr because the recipe may go to stdout, and return the place of the answer."""
    lines = [f"  {place}. {answer}" for place, answer in enumerate(answers, 1)]
    print(question, *lines, sep="\n", file=sys.stderr)
    number = 0
    while not 1 <= number <= len(answers):
        try:
            number = typer.prompt("Number", default=1, type=int, err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None
    return number - 1


def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, which contains recipe.toml.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing.")] = False,
) -> None:
    """Remove every copy of the corpus that a run made: splits, quarantine, and leftovers of a killed run.

    Models, bundle and report are kept, and the next `distill run` reads the source again. Your own files, caches
    outside the run and backups are not touched; those that are known are listed.
    """
    need("train", "filelock")
    from distill.export.runtime import InputError
    from distill.files.lock import exclusive
    from distill.runs.forget import find_copies, left_outside, remove_copies

    find_copies(run)  # before the lock, which would create a file in a folder that is not a run
    with exclusive(run):
        copies = find_copies(run)
        left = left_outside(run, copies)
        if copies.paths and not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise InputError(
                    f"{run}: There is no terminal to ask for confirmation. Pass --yes to remove the copies."
                )
            print(f"{copies.files} files, {copies.bytes:,} bytes:", *copies.paths, sep="\n  ")
            if not typer.confirm("Remove them?"):
                print("Nothing was removed.")
                return
        remove_copies(copies)
    removed = [f"removed: {path}" for path in copies.paths]
    print(*removed, f"{copies.files} files, {copies.bytes:,} bytes were removed", *left, sep="\n")


def _load_run(
    recipe: str, overrides: list[str] | None, runs: Path, quiet: bool, *, exports: bool = False
) -> "Run":
    need("train", "pydantic")
    need("train", "torch")
    if exports:  # or the missing extra would be noticed only after training
        need_export()
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
            loaded = _load_run(recipe, overrides, runs, quiet, exports=until in ("export", "report"))
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


def _write_recipe(path: Path, text: str) -> None:
    from distill.export.runtime import InputError

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: The file cannot be written ({error.strerror}). Check the folder.") from error
