"""The command line: one short function a verb; results on stdout, progress and errors on stderr."""

import json
import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from distill.atomic import write_text
from distill.ending import CommandGroup, leave_at_once, say_how_to_go_on
from distill.interrupts import StopRequest
from distill.printing import (
    print_bench,
    print_corpus,
    print_evaluation,
    print_plan,
    print_summary,
    print_table,
    print_trials,
)
from distill.resources import refusal_of
from distill.tracebacks import format_debug
from export.runtime import MissingExtraError

if TYPE_CHECKING:
    from distill.job import Job
    from export.runtime import Prediction

UNEXPECTED = 70  # EX_SOFTWARE: neither a failed check (1) nor a wrong input (2)

app = typer.Typer(
    cls=CommandGroup,
    help="Turn a corpus into a small, checked ONNX text classifier that runs without PyTorch.",
    epilog="`--debug` with any command shows where an error came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

RecipeName = Annotated[
    str, typer.Argument(help="A packaged recipe's name (quickstart, goemotions, ...) or a TOML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key: --set student.layers=[0,3,5]"),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs, one folder for each recipe name.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
Bundle = Annotated[Path, typer.Argument(help="A bundle's folder: the one with manifest.json.")]
Rows = Annotated[Path, typer.Argument(help="csv, tsv, jsonl, json, parquet or txt file.")]
TextColumn = Annotated[str, typer.Option("--text", help="Column of the texts.")]
LabelColumn = Annotated[str, typer.Option("--labels", help="Column of the labels: names, ids, or delimited.")]
Header = Annotated[
    str | None, typer.Option("--columns", help="Column names of a file without a header, comma-separated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _print_version(asked: bool) -> None:
    if asked:
        from distill import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What stands before a command."""


def _need(extra: str, module: str) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(f'this command needs the {extra} extra: pip install "distill-text[{extra}]"')


def _need_export() -> None:
    _need("export", "onnx")
    _need("export", "optimum")


def _job(recipe: str, overrides: list[str] | None, runs: Path, quiet: bool, *, exports: bool = False) -> "Job":
    _need("train", "pydantic")
    _need("train", "torch")
    if exports:  # or it would be missed only after the training
        _need_export()
    from distill.job import Job
    from distill.progress import Reporter
    from distill.recipe import load_recipe

    _prepare_libraries()
    loaded = load_recipe(recipe, overrides)
    return Job(loaded, runs / loaded.name, Reporter(quiet=quiet))


def _prepare_libraries() -> None:
    """As many threads as this process may use, and no notices that would bury the one line that matters."""
    from export.runtime.bench import available_threads

    # before torch is imported, whose pool would be as large as the host and not as this container
    os.environ.setdefault("OMP_NUM_THREADS", str(available_threads()))
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import logging
    import warnings

    logging.getLogger().setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def _run_until(until: str, recipe: str, overrides: list[str] | None, runs: Path, quiet: bool) -> "Job":
    stop = StopRequest()
    with stop.listening():
        try:
            job = replace(_job(recipe, overrides, runs, quiet, exports=until in ("export", "report")), stop=stop)
            from distill.pipeline import run as run_stages
            from distill.pipeline import run_search
            from distill.variants import qat_forms

            if until == "train" and qat_forms(job.recipe):  # its scales are fitted on a graph
                _need_export()
            if until == "search":
                run_search(job)
            else:
                run_stages(job, until)
        except KeyboardInterrupt as error:
            print(say_how_to_go_on(error, sys.argv), file=sys.stderr)
            leave_at_once(stop.exit_status)
    return job


@app.command(epilog="Example: `distill run goemotions --set corpus.source=CORPORA/goemotions --set seed=7`")
def run(
    recipe: RecipeName = "quickstart", overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """All stages: corpus, teacher, soft labels, student and twin, export, gate, bundle, bench, report."""
    job = _run_until("report", recipe, overrides, runs, quiet)
    print_summary(job.recipe.name, job.folder)


@app.command(epilog="Example: `distill teach mine.toml --set teacher.epochs=5`")
def teach(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Up to and with the teacher: fine-tune it, or take over a checkpoint."""
    job = _run_until("teach", recipe, overrides, runs, quiet)
    print(job.teacher)


@app.command(epilog="Example: `distill label mine.toml`")
def label(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Up to and with the teacher's soft labels; an interrupted run goes on where it stopped."""
    job = _run_until("label", recipe, overrides, runs, quiet)
    print(job.folder / "labels")


@app.command(epilog="Example: `distill train mine.toml --set objective.temperature=3`")
def train(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Up to and with the student (and its twin, for comparison)."""
    job = _run_until("train", recipe, overrides, runs, quiet)
    print(job.student)


@app.command(epilog="Example: `distill export mine.toml --set \"export.precision=['int8-weights']\"`")
def export(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Up to and with the bundle: ONNX, int8, the gate."""
    job = _run_until("export", recipe, overrides, runs, quiet)
    print(job.bundle)


@app.command(epilog="Example: `distill report mine.toml`")
def report(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Up to and with the bench and the report: the same as run, but prints where the report is."""
    job = _run_until("report", recipe, overrides, runs, quiet)
    print(job.folder / "report.html")


@app.command(epilog="Example: `distill search mine.toml`, with [search.space] in the recipe")
def search(
    recipe: RecipeName, overrides: Overrides = None, runs: Runs = Path("runs"), quiet: Quiet = False
) -> None:
    """Tune values of the recipe on validation, a student a trial; bad ones are given up early."""
    _need("train", "optuna")
    job = _run_until("search", recipe, overrides, runs, quiet)
    print_trials(job.search)


@app.command(
    epilog="Example: `distill plan goemotions --p95-ms 1 --size-mb 4 --out small.toml && distill run small.toml`"
)
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
    job = _job(recipe, [*(overrides or []), *asked], Path("runs"), quiet, exports=True)
    place = Path(f"{job.recipe.name}-plan.toml") if out is None else out
    _refuse_place(place)
    from distill.planned import planned_recipe
    from distill.planning import plan_recipe

    found = plan_recipe(job.recipe, job.reporter, started).to_dict()
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_plan(found)
    _write_recipe(place, planned_recipe(job.recipe, found).to_toml())
    print(f"recipe: {place}", file=sys.stderr if as_json else sys.stdout)


@app.command(epilog="Example: `distill check annomi-client --set corpus.source=CORPORA/annomi`")
def check(recipe: RecipeName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Validate a recipe and its corpus without training: rows, labels, lengths, leaks, share of cut texts."""
    job = _job(recipe, overrides, Path("runs"), quiet=False)
    from distill.checking import check_job

    found = check_job(job)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_corpus(found)


@app.command(epilog="Example: `distill init rows.csv --out mine.toml`")
def init(
    file: Rows,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it; stdout otherwise.")] = None,
) -> None:
    """Look at a data file and write a starter recipe for it, which `check` accepts."""
    _need("train", "pydantic")
    from corpora.starter import propose_recipe

    text = propose_recipe(file)
    if out is None:
        print(text, end="")
        return
    _refuse_place(out)
    _write_recipe(out, text)
    print(out)


def _refuse_place(path: Path) -> None:
    """Before anything is measured: no file is written over, and the folder must be there."""
    from export.runtime import InputError

    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or choose another with --out")
    if path.exists():
        raise InputError(f"{path}: exists already; choose another name with --out, or remove it")


def _write_recipe(path: Path, text: str) -> None:
    from export.runtime import InputError

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check the folder") from error


@app.command(
    epilog="Example: `distill predict bundle --json < lines.txt > answers.jsonl`",
    # or click would quote a text that begins with a dash in its complaint
    context_settings={"ignore_unknown_options": True},
)
def predict(
    bundle: Bundle,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without any, lines of stdin.")] = None,
    as_json: AsJson = False,
    threads: Annotated[
        int | None, typer.Option(help="Threads; as many as CPU affinity and the container's quota give otherwise.")
    ] = None,
) -> None:
    """Decide texts, given as arguments or as lines of stdin: one line of labels (or one JSON object) for each."""
    from distill.progress import Reporter
    from distill.using import predict_blocks, predict_lines
    from export.runtime import InputError, load
    from export.runtime.cores import available_threads

    if any(text.startswith("-") for text in texts or ()) and "--" not in sys.argv:
        raise InputError("a text begins with a dash, or an option is not known; put -- before such texts")
    if not texts and sys.stdin is None:
        raise InputError("there is no text: give some as arguments, or lines on stdin")
    classifier = load(bundle, threads=available_threads() if threads is None else threads)
    # among answers on a terminal a moving bar would only be in the way
    reporter = Reporter(quiet=sys.stdout is not None and sys.stdout.isatty())
    blocks = predict_blocks(classifier, [texts]) if texts else predict_lines(classifier, _stdin(), reporter)
    with closing(blocks):  # or a bar would outlive an error
        for found in blocks:
            shown = [json.dumps(vars(one), ensure_ascii=False) if as_json else _in_words(one) for one in found]
            print(*shown, sep="\n", flush=True)


def _stdin() -> BufferedIOBase:
    return cast(BufferedIOBase, sys.stdin.buffer)


def _in_words(found: "Prediction") -> str:
    """The decision of one text in one line; one that was not made says how sure it would have been."""
    if found.abstained:
        return f"abstained (confidence {found.confidence:.2f})"
    return ", ".join(f"{name} {found.scores[name]:.2f}" for name in found.labels) or "-"


@app.command(name="eval", epilog="Example: `distill eval bundle test.csv --text message --labels mood`")
def evaluate(
    bundle: Bundle,
    file: Rows,
    text: TextColumn = "text",
    labels: LabelColumn = "labels",
    delimiter: Annotated[str, typer.Option(help="Splits a string of several labels.")] = ",",
    columns: Header = None,
    as_json: AsJson = False,
) -> None:
    """Quality, calibration and truncation of a bundle on labelled rows of your own."""
    from distill.progress import Reporter
    from distill.using import Columns, evaluate_bundle

    found = evaluate_bundle(bundle, file, Columns(text, labels, delimiter, _names(columns)), Reporter())
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_evaluation(found)


@app.command(epilog="Example: `distill diff old/bundle new/bundle rows.csv --text message`")
def diff(
    old: Bundle,
    new: Bundle,
    file: Rows,
    text: TextColumn = "text",
    columns: Header = None,
    as_json: AsJson = False,
) -> None:
    """Which decisions change between two bundles on the texts of a file, by label."""
    from distill.progress import Reporter
    from distill.using import Columns, compare_bundles

    found = compare_bundles(old, new, file, Columns(text=text, header=_names(columns)), Reporter())
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['rows_changed']} of {found['rows']} rows are decided differently")
    counts = {"(handed over to a person)": found["abstained"], **found["by_label"]}
    rows = [[name, str(n["gained"]), str(n["lost"])] for name, n in counts.items()]
    print_table("by label", ["label", "gained", "lost"], rows)


@app.command(epilog="Example: `distill bench small/bundle large/bundle --texts lines.txt --picture quality.svg`")
def bench(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to time side by side.")],
    texts: Annotated[Path | None, typer.Option("--texts", help="File of texts; synthetic ones otherwise.")] = None,
    text: TextColumn = "text",
    columns: Header = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of all bundles.")] = 5,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw quality against latency into this .svg or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency end to end, string in to decision out, single texts and batches, one and all threads; bytes."""
    from distill.bundle_bench import bench_bundles
    from distill.progress import Reporter
    from distill.using import Columns, texts_of
    from export.runtime.cores import available_threads

    if picture is not None:
        _check_picture(picture, bundles)
    own = None if texts is None else texts_of(texts, Columns(text=text, header=_names(columns)))
    found = bench_bundles(bundles, own, sorted({1, available_threads()}), rounds, Reporter())
    if as_json:
        print(json.dumps(found, indent=2), flush=True)
    else:
        print_bench(found)
    if picture is not None:  # last, so that a full disk takes the picture alone
        from distill.bench_picture import draw_quality

        draw_quality(found, picture)


def _check_picture(picture: Path, bundles: list[Path]) -> None:
    """Before minutes of measuring: what would keep the picture from being drawn."""
    from distill.bundle_bench import macro_f1_of
    from export.runtime import InputError
    from export.runtime.manifest import read_manifest

    if picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--picture {picture}: must end in .svg or .png")
    if not picture.parent.is_dir():
        raise InputError(f"--picture {picture}: there is no such folder; make it, or choose another")
    if picture.is_dir():
        raise InputError(f"--picture {picture}: is a folder; name a file")
    if not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise InputError(f"--picture {picture}: cannot be written; check its rights, or choose another folder")
    _need("train", "matplotlib")
    if all(macro_f1_of(read_manifest(bundle)) is None for bundle in bundles):
        raise InputError(
            "--picture: no bundle's manifest has metrics.test.macro_f1, so there is no quality to draw; "
            "leave --picture out, or bench bundles that `distill run` made"
        )


@app.command(epilog='Example: `distill verify bundle --manifest-sha256 "$(sha256sum manifest.json | cut -c1-64)"`')
def verify(
    bundle: Bundle,
    manifest_sha256: Annotated[str | None, typer.Option(help="The manifest must have exactly this hash.")] = None,
) -> None:
    """Check a bundle's hashes and contract, and repeat its self-test on this machine."""
    from export.runtime import verify as verify_bundle

    worst = verify_bundle(bundle, manifest_sha256=manifest_sha256)
    print(f"{bundle}: whole, and answers as when it was made (largest logit difference {worst:.2g})")


@app.command(epilog="Example: `distill forget runs/mine --yes`")
def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: the one with recipe.toml.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove every copy of the corpus that a run made: splits, quarantine, and what a killed run left of them.

    Models, bundle and report stay, and `distill run` reads the source again. Your own files, caches outside the
    run, and backups are yours to remove: what is known of them is named.
    """
    _need("train", "filelock")
    from distill.forget import find_copies, left_outside, remove_copies
    from distill.lock import exclusive
    from export.runtime import InputError

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


def _names(columns: str | None) -> tuple[str, ...] | None:
    return None if columns is None else tuple(name.strip() for name in columns.split(","))


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, and whether it was there; behind a `--` it is a text."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return options + arguments[end:], len(options) < end


def main() -> None:
    """Entry point: one sentence and a status for what can go wrong; `--debug` shows the traceback."""
    arguments, debug = _without_debug(sys.argv[1:])
    try:
        app(args=arguments, prog_name="distill")
    except Exception as error:
        if debug:
            print(format_debug(error), file=sys.stderr)
        refusal = refusal_of(error)
        # a message that is not ours may hold a text
        unexpected = f"unexpected {type(error).__name__}; please report it with what --debug shows"
        print(f"error: {unexpected if refusal is None else refusal}", file=sys.stderr)
        sys.exit(UNEXPECTED if refusal is None else refusal.exit_status)
