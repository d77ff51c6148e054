"""The `distill` command: its verbs, and one message and exit status per kind of error."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from distill.cli import audit, bundles, data, explain, hub, models, runs, serve, show, watch, words
from distill.cli.debug import format_debug
from distill.cli.exit import CommandGroup
from distill.cli.options import Invocation
from distill.cli.parsing import PlainCommand, TextCommand
from distill.cli.verbose import verbosely
from distill.files.printable import escape_unencodable, printable
from distill.runs.shortage import refusal_of

UNEXPECTED = 70  # EX_SOFTWARE: neither a failed check (1) nor a wrong input (2)


RECIPES, MAKING, USING, CHECKING, DATA = (
    "Start from data",
    "Make a bundle",
    "Use a bundle",
    "Check a bundle",
    "Clean up",
)

# what each status of an ended command means; the table in docs/shipping.md is the same
STATUSES = {
    "0": "done",
    "1": "a check failed: gate, floor, budget, verdict, drift or self-test",
    "2": "the input is wrong, or disk or memory ran out; the message says what to do",
    "70": "a fault of this program; please report it with `--debug`",
    "130, 143": "interrupted by Ctrl-C or SIGTERM; the same command resumes",
    "141": "the reader of the output left",
}


@dataclass(frozen=True)
class Command:
    """A verb: its name, the function that it runs, its heading in the help, and an example for its own."""

    name: str
    function: Callable[..., None]
    heading: str
    example: str
    passes_unknown: bool = False  # otherwise click quotes a text that begins with a dash in its error


COMMANDS = (
    Command("init", data.init, RECIPES, "distill init rows.csv --out mine.toml"),
    Command("recipes", show.recipes, RECIPES, "distill recipes"),
    Command("check", runs.check, RECIPES, "distill check annomi-client --set corpus.source=CORPORA/annomi"),
    Command(
        "plan",
        runs.plan,
        RECIPES,
        "distill plan goemotions --p95-ms 1 --size-mb 4 --out small.toml && distill run small.toml",
    ),
    Command("convert", models.convert, RECIPES, "distill convert MODELS/bert-of-2019"),
    Command("run", runs.run, MAKING, "distill run goemotions --set corpus.source=CORPORA/goemotions --set seed=7"),
    Command(
        "teach",
        runs.stages_through(
            "teach",
            "Run the stages through the teacher: fine-tune one, or load a checkpoint.",
            lambda run: run.layout.teacher(),
        ),
        MAKING,
        "distill teach mine.toml --set teacher.epochs=5",
    ),
    Command(
        "label",
        runs.stages_through(
            "label",
            "Run the stages through the teacher's soft labels; an interrupted command resumes where it stopped.",
            lambda run: run.layout.folder / "labels",
        ),
        MAKING,
        "distill label mine.toml",
    ),
    Command(
        "train",
        runs.stages_through(
            "train",
            "Run the stages through the student and, for comparison, its twin.",
            lambda run: run.layout.student,
        ),
        MAKING,
        "distill train mine.toml --set objective.temperature=3",
    ),
    Command(
        "export",
        runs.stages_through(
            "export", "Run the stages through the bundle: ONNX, int8, the gate.", lambda run: run.layout.bundle
        ),
        MAKING,
        "distill export mine.toml --set \"export.precision=['int8-weights']\"",
    ),
    Command(
        "report",
        runs.stages_through(
            "report",
            "Run all stages, as `run` does, and print where the report is.",
            lambda run: run.layout.report_files[1],
        ),
        MAKING,
        "distill report mine.toml",
    ),
    Command(
        "search",
        runs.search,
        MAKING,
        "distill search mine.toml",
    ),
    Command(
        "predict",
        bundles.predict,
        USING,
        "distill predict bundle rows.csv --text message --id id --json > answers.jsonl",
        passes_unknown=True,
    ),
    Command(
        "explain",
        explain.explain,
        USING,
        'distill explain bundle "i can\'t do this anymore" --minimal',
        passes_unknown=True,
    ),
    Command("serve", serve.serve, USING, "distill serve bundle --port 8000 --token-file token.txt"),
    Command("show", show.show, USING, "distill show runs/quickstart"),
    Command("push", hub.push, USING, "distill push runs/quickstart ORG/NAME"),
    Command("eval", bundles.evaluate, CHECKING, "distill eval bundle test.csv --text message --labels mood"),
    Command("diff", bundles.diff, CHECKING, "distill diff old/bundle new/bundle rows.csv --text message"),
    Command(
        "bench",
        bundles.bench,
        CHECKING,
        "distill bench small/bundle large/bundle --texts lines.txt --picture quality.svg",
    ),
    Command(
        "verify",
        bundles.verify,
        CHECKING,
        'distill verify bundle --manifest-sha256 "$(sha256sum manifest.json | cut -c1-64)"',
    ),
    Command("words", words.words, CHECKING, "distill words runs/mine --against runs/mine/teacher"),
    Command("audit", audit.audit, CHECKING, "distill audit runs/mine --against runs/mine"),
    Command(
        "drift",
        watch.drift,
        CHECKING,
        "distill predict bundle rows.csv --monitor state.json && distill drift bundle state.json",
    ),
    Command("forget", data.forget, DATA, "distill forget runs/mine --yes"),
)


def command_line() -> typer.Typer:
    """Build the command line with all verbs."""
    statuses = (f"- {status}: {meaning}" for status, meaning in STATUSES.items())
    app = typer.Typer(
        cls=CommandGroup,
        help="Turn a corpus into a small, checked ONNX text classifier that runs without PyTorch.",
        # typer takes a paragraph for a line
        epilog="\n\n".join(
            ("**Exit statuses**", "", *statuses, "", "`--debug` after any command shows where an error came from.")
        ),
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_options)
    for command in COMMANDS:
        settings: dict[str, object] = {"ignore_unknown_options": True} if command.passes_unknown else {}
        app.command(
            command.name,
            epilog=f"Example: `{command.example}`",
            rich_help_panel=command.heading,
            context_settings=settings,
            cls=TextCommand if command.passes_unknown else PlainCommand,
        )(verbosely(command.function))
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error ends it with one message and a status, and `--debug` shows the traceback.

    Args:
        arguments: the verb and what follows it; those of this process if None.

    Raises:
        SystemExit: always, with the command's status.
    """
    if arguments is None:
        invocation = Invocation(sys.argv[0], tuple(sys.argv[1:]))
    else:
        invocation = Invocation("distill", tuple(arguments))
    options, debug = _without_debug(list(invocation.arguments))
    escape_unencodable()
    try:
        command_line()(args=options, prog_name="distill", obj=invocation)
    except Exception as error:
        if debug:
            print(format_debug(error), file=sys.stderr)
        refusal = refusal_of(error)
        # the message of a foreign exception may quote a text
        unexpected = f"unexpected {type(error).__name__}; please report it with the output of --debug"
        print(f"error: {printable(unexpected if refusal is None else str(refusal))}", file=sys.stderr)
        sys.exit(UNEXPECTED if refusal is None else refusal.exit_status)


def _print_version(asked: bool) -> None:
    if asked:
        from distill import __version__

        print(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options before the command."""


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Return the arguments without `--debug`, and whether it was there; after a `--` it is a text."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return options + arguments[end:], len(options) < end
