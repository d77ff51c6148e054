"""The parsing of commands that take texts as arguments."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from distill.export.runtime import InputError


class TextCommand(TyperCommand):
    """A command whose arguments may be texts: none of them is taken for options that are written together.

    Otherwise `-1 is how I feel` would be read as the options `-1`, `-i`, `-s` and so on, and its h asks for help.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse a text that begins with a dash before anything is parsed."""
        refuse_dashes(options_of(args))
        return list(super().parse_args(ctx, args))


def options_of(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments before a `--`, behind which everything is a text."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def refuse_dashes(arguments: Sequence[str]) -> None:
    """Refuse what begins with one dash and is longer than the short form of an option.

    Raises:
        InputError: there is such an argument.
    """
    if any(len(argument) > 2 and argument[0] == "-" and argument[1] != "-" for argument in arguments):
        raise InputError("A text begins with a dash, or an option is unknown. Put -- before such texts.")
