"""What a user sees while a run works: one line a stage, a bar on anything slow; all of it on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, count: int, news: str = "") -> None:
        """So many more are done."""


class Reporter:
    """Prints stages and bars to a console; `quiet` prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, line: str) -> None:
        """One line."""
        self._console.print(line, markup=False)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator["Advance"]:
        """A bar; the function it gives takes how many were done since its last call, and a line of news."""
        if not self._console.is_terminal or self._console.quiet:
            yield lambda count, news="": None  # a log has no use for a moving bar
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[news]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=total, news="")

            def advance(count: int, news: str = "") -> None:
                progress.update(task, advance=count, news=news)

            yield advance
