"""Progress on stderr: one line per stage, and a bar for anything slow."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from distill.files.printable import printable

LOG_SECONDS = 60.0  # between two lines of a bar without a terminal


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training: the model's name, the epoch's number from 1, and its headline on validation."""

    model: str
    number: int
    metric: str
    score: float


class Advance(Protocol):
    """A function that advances a bar."""

    def __call__(self, count: int, news: str = "") -> None:
        """Add `count` to the number done; `news` is shown beside the bar."""


class _LogBar:
    """An occasional line, for a log in which a bar cannot move."""

    def __init__(self, reporter: "Reporter", title: str, total: int) -> None:
        self._reporter, self._title, self._total = reporter, title, total
        self._done, self._said = 0, time.monotonic()

    def __call__(self, count: int, news: str = "") -> None:
        self._done += count
        if time.monotonic() - self._said >= LOG_SECONDS:
            self._said = time.monotonic()
            share = f"{self._done / max(self._total, 1):.0%}"
            self._reporter.say(f"  {self._title}: {share} {news}".rstrip())


class _Stderr(Console):
    """A console on stderr that falls silent when its reader leaves, instead of ending the work."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Reporter:
    """Printer of stages and bars on a console; with `quiet` it prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = _Stderr(stderr=True, quiet=quiet, highlight=False, emoji=False)

    @property
    def _moves(self) -> bool:
        """Return whether a moving bar can be seen."""
        return self._console.is_terminal and not self._console.quiet

    def say(self, line: str) -> None:
        """Print one line."""
        # a log has no width: a path broken in two could not be copied
        self._console.print(printable(line), markup=False, soft_wrap=True)

    @contextmanager
    def status(self, title: str) -> Iterator[None]:
        """Show a spinner while something works whose duration is unknown."""
        if not self._moves:
            yield
            return
        with self._console.status(title):
            yield

    @contextmanager
    def count(self, title: str) -> Iterator[Callable[[int], None]]:
        """Show a counter while something works whose number of items is unknown."""
        if not self._moves:
            yield lambda count: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:,}"))
        # otherwise rich treats the output of a command on stdout as part of the bar
        with Progress(*columns, console=self._console, transient=True, redirect_stdout=False) as progress:
            task = progress.add_task(title, total=None)
            yield lambda count: progress.update(task, advance=count)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator["Advance"]:
        """Show a bar; yield a function that takes the number done since its last call, and a line of news."""
        if not self._moves:
            yield _LogBar(self, title, total)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[news]}"),
        )
        with Progress(*columns, console=self._console, transient=True, redirect_stdout=False) as progress:
            task = progress.add_task(title, total=total, news="")

            def advance(count: int, news: str = "") -> None:
                progress.update(task, advance=count, news=news)

            yield advance
