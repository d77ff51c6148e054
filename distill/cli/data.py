"""Commands on data: init reads a file of yours, forget removes a run's copies of a corpus."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import AsJson, Rows, check_output
from distill.files.atomic import write_text
from distill.files.extras import need


def init(
    file: Rows,
    out: Annotated[
        Path | None, typer.Option("--out", help="Path of the recipe to write; stdout by default.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask about what is unclear; take the likeliest reading.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Inspect a data file and write a starter recipe for it that `check` accepts.

    On a terminal it asks which columns hold the labels and the groups if several could; elsewhere it takes the
    likeliest and lists the others in comments.
    """
    need("train", "pydantic")
    from distill.recipe.starter.propose import propose_recipe

    streams = (sys.stdin, sys.stdout, sys.stderr)
    asks = not yes and not as_json and all(stream is not None and stream.isatty() for stream in streams)
    text = propose_recipe(file, _ask if asks else None)
    if out is not None:
        check_output(out)
        write_recipe(out, text)
    if as_json:
        print(json.dumps({"recipe": None if out is None else str(out), "toml": text}))
    elif out is None:
        print(_escaped(text, sys.stdout.encoding), end="")
    else:
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
    as_json: AsJson = False,
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
            if as_json or sys.stdin is None or not sys.stdin.isatty():
                raise InputError(
                    f"{run}: There is no terminal to ask for confirmation. Pass --yes to remove the copies."
                )
            print(f"{copies.files} files, {copies.bytes:,} bytes:", *copies.paths, sep="\n  ")
            if not typer.confirm("Remove them?"):
                print("Nothing was removed.")
                return
        remove_copies(copies)
    if as_json:
        paths = [str(path) for path in copies.paths]
        print(json.dumps({"removed": paths, "files": copies.files, "bytes": copies.bytes, "left": list(left)}))
        return
    removed = [f"removed: {path}" for path in copies.paths]
    print(*removed, f"{copies.files} files, {copies.bytes:,} bytes were removed", *left, sep="\n")


def write_recipe(path: Path, text: str) -> None:
    """Write a recipe.

    Raises:
        InputError: the file cannot be written.
    """
    from distill.export.runtime import InputError

    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: The file cannot be written ({error.strerror}). Check the folder.") from error
