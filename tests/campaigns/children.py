"""Fuzz cases in a child process with limits of memory and time, so that whatever they do ends there."""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from distill.export.runtime import DistillError

MEMORY_BYTES = 4 * 2**30
CPU_SECONDS = 1800  # of one child's whole life
# of one case: computing, and in all, for a busy machine must not look like a case without an end
CASE_CPU_SECONDS = 30.0
CASE_SECONDS = 300.0
START_SECONDS = 120.0
# a child is exchanged now and then, so that nothing adds up
CASES_A_CHILD = 3000
RESULT, REFUSED = "result", "refused"


@dataclass
class Tally:
    """How the cases of each target ended, and what went wrong by case name."""

    ended: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, outcome: str) -> None:
        """Count one."""
        kind = outcome.partition(":")[0]
        self.ended.setdefault(name.partition("/")[0], Counter())[kind] += 1
        if kind not in (RESULT, REFUSED):
            self.wrong[name] = outcome


def run_cases(
    names: Iterable[str],
    prepare: Callable[[Path], Any],
    run: Callable[[str, Any], None],
    progress: Callable[[int, Tally], None] | None = None,
) -> Tally:
    """Run each case in a child; `prepare` makes in a folder what `run` needs. Both must be plain functions."""
    tally, child, used = Tally(), None, 0
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        for done, name in enumerate(names, start=1):
            if child is None or used >= CASES_A_CHILD:
                if child is not None:
                    child.stop()
                child, used = _Child(folder, prepare, run), 0
            outcome = child.ask(name)
            used += 1
            tally.add(name, outcome)
            if outcome.startswith(("hang", "killed")):
                child = None
            if progress is not None:
                progress(done, tally)
        if child is not None:
            child.stop()
    return tally


class _Child:
    """One process that runs cases until it dies or is told to stop."""

    def __init__(self, folder: str, prepare: Callable[[Path], Any], run: Callable[[str, Any], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, folder, prepare, run, CASE_CPU_SECONDS), daemon=True
        )
        self.process.start()
        theirs.close()
        if not self.connection.poll(START_SECONDS) or self.connection.recv() != "ready":
            raise RuntimeError("a child did not start")

    def ask(self, name: str) -> str:
        """How a case ended."""
        try:
            self.connection.send(name)
            if self.connection.poll(CASE_SECONDS):
                return str(self.connection.recv())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join()
            if self.process.exitcode == -signal.SIGPROF:
                return f"hang: longer than {CASE_CPU_SECONDS:.0f} s of computing"
            return f"killed: exit status {self.process.exitcode}"
        self.process.kill()
        self.process.join()
        return f"hang: longer than {CASE_SECONDS:.0f} s"

    def stop(self) -> None:
        """Let it end."""
        self.connection.send(None)
        self.process.join()


def _work(
    connection: Connection,
    folder: str,
    prepare: Callable[[Path], Any],
    run: Callable[[str, Any], None],
    cpu_seconds: float,
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(dir=folder) as own, tempfile.TemporaryFile() as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
        prepared = prepare(Path(own))
        connection.send("ready")
        while (name := connection.recv()) is not None:
            os.ftruncate(printed.fileno(), 0)
            os.lseek(printed.fileno(), 0, os.SEEK_SET)
            # its signal ends the process, in native code too
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            outcome = _outcome(name, prepared, run)
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.flush()
            said = os.pread(printed.fileno(), 300, 0).decode("utf-8", "replace").strip()
            connection.send(f"printed: {said!r}" if said else outcome)


def _outcome(name: str, prepared: Any, run: Callable[[str, Any], None]) -> str:
    try:
        run(name, prepared)
    except DistillError as error:
        # one sentence, which a terminal can be given
        return REFUSED if str(error).isprintable() else f"uncaught: not printable, {str(error)[:200]!r}"
    except BaseException:
        return f"uncaught: {traceback.format_exc()[-700:]}"
    return RESULT


def _memory_folder() -> str | None:
    """Files that are written thousands of times need no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
