"""Exit statuses of commands that were interrupted, or whose reader left."""

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from distill.cli.parsing import without_types_of_flags
from distill.runs.interrupts import Interrupted

# the status that shells report after SIGPIPE, by its number because Windows does not have it
NO_READER = 128 + 13

# the status that shells report after Ctrl-C
INTERRUPTED = 128 + signal.SIGINT


class CommandGroup(TyperGroup):
    """Commands that end with status 130 after Ctrl-C, and without a message when a pipe (`| head -1`) closes."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help shows them."""
        return without_types_of_flags(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and flush what it printed."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:  # it may be closed from the start
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # output that is still buffered has no reader either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(NO_READER) from None
        return result


def leave_at_once(status: int) -> NoReturn:
    """End this process without its teardown, which takes seconds once torch is loaded."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it may be closed from the start
            stream.flush()
    os._exit(status)


def how_to_resume(error: KeyboardInterrupt, program: str, arguments: Sequence[str]) -> str:
    """Return the message after an interrupt: the stage that was running, and the command as it was typed."""
    where = f" during stage {error.stage}" if isinstance(error, Interrupted) else ""
    return f"Interrupted{where}. To resume, run: {shlex.join([_program(program), *arguments])}"


def _program(path: str) -> str:
    """Return the name by which the user's shell finds this program."""
    return path if Path(path).name == "distill" and shutil.which("distill") != path else "distill"
