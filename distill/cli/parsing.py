"""The parsing of commands that take texts as arguments: what is an option, what a file, and what a text."""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from distill.export.runtime import InputError

# what a table or a file of lines is called; a text of one word may end so too, which -- says
FILE_NAME = re.compile(r"\S+\.(csv|tsv|jsonl?|ndjson|parquet|txt|xlsx)(\.(gz|zip|zst|xz|bz2))?", re.IGNORECASE)

OPTION = re.compile(r"--[A-Za-z][\w-]*(=.*)?", re.DOTALL)


def without_types_of_flags(parameters: list[Any]) -> list[Any]:
    """Return a command's parameters, of which those that take no value show none in the help.

    typer shows `<bool>` beside `--json`, as if `--json true` were meant.
    """
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class PlainCommand(TyperCommand):
    """A command whose flags show no type in the help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help shows them."""
        return without_types_of_flags(super().get_params(ctx))


class TextCommand(TyperCommand):
    """A command whose arguments may be texts: none of them is taken for options that are written together.

    Otherwise `-1 is how I feel` would be read as the options `-1`, `-i`, `-s` and so on, and its h asks for help.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help shows them."""
        return without_types_of_flags(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an unknown option, and a text that begins with a dash, before anything is parsed."""
        options = [option for option in self.get_params(ctx) if option.param_type_name == "option"]
        known = {
            name: not getattr(option, "is_flag", False)
            for option in options
            for name in (*option.opts, *option.secondary_opts)
        }
        refuse_dashes(options_of(args), known)
        return list(super().parse_args(ctx, args))


def options_of(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments before a `--`, behind which everything is a text."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def refuse_dashes(arguments: Sequence[str], known: Mapping[str, bool]) -> None:
    """Refuse what begins with a dash and is not an option: it is neither a text nor the bundle.

    Args:
        arguments: those before a `--`.
        known: the command's options, and whether a value follows each.

    Raises:
        InputError: there is such an argument; the message never quotes it, because it may be a text.
    """
    for before, argument in zip(("", *arguments), arguments, strict=False):
        name = argument.partition("=")[0]
        if not argument.startswith("-") or name in known or known.get(before, False):
            continue
        close = get_close_matches(name, known, n=1) if OPTION.fullmatch(argument) else []
        guess = f" Did you mean {close[0]}?" if close else ""
        raise InputError(f"A text begins with a dash, or an option is unknown.{guess} Put -- before such texts.")


def file_among(texts: Sequence[str]) -> Path | None:
    """Return the file that a single argument names; None where there are texts alone.

    Raises:
        InputError: one of several arguments is the path of a file; or a single one is a folder's, or has the name
            of a file that is not there.
    """
    paths = [text for text in texts if os.path.isfile(text)]
    if paths and len(texts) > 1:
        raise InputError(f"{paths[0]}: This is a file among texts. Give it alone, or put -- before the texts.")
    if paths:
        return Path(paths[0])
    if len(texts) == 1 and os.path.isdir(texts[0]):
        raise InputError(f"{texts[0]}: This is a folder. Give a file of rows, or put -- before a text.")
    if len(texts) == 1 and FILE_NAME.fullmatch(texts[0]):
        raise InputError(f"{texts[0]}: There is no such file. Correct the path, or put -- before a text.")
    return None
