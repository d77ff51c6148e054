"""How a command ends that was not let finish: Ctrl-C, or a reader that wants no more."""

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

from distill.runs.interrupts import Interrupted

NO_READER = 128 + 13  # the same of a command whose output nobody reads any more: SIGPIPE, which Windows has not

INTERRUPTED = 128 + signal.SIGINT  # what shells give a command that Ctrl-C ended


class CommandGroup(TyperGroup):
    """Commands that Ctrl-C ends with status 130, and that a closed pipe (`| head -1`) ends quietly."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            found = super().invoke(ctx)
            if sys.stdout is not None:  # it may be closed from the start
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # what is still to be written has no reader either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(NO_READER) from None
        return found


def leave_at_once(status: int) -> NoReturn:
    """End this process without taking it apart: with torch and its like loaded, that takes seconds."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it may be closed from the start
            stream.flush()
    os._exit(status)


def say_how_to_go_on(error: KeyboardInterrupt, program: str, arguments: Sequence[str]) -> str:
    """The sentence for whoever stopped a run: where it was, and the command as it was typed."""
    where = f" in stage {error.stage}" if isinstance(error, Interrupted) else ""
    return f"interrupted{where}; to go on: {shlex.join([_program(program), *arguments])}"


def _program(path: str) -> str:
    """The name by which the user's shell finds this program."""
    return path if Path(path).name == "distill" and shutil.which("distill") != path else "distill"
