"""The command line as a user runs it: inside this process, or in one of its own where that is what matters.

Importing what trains costs seven seconds of CPU, so tests call `run_cli`. `run_process` and `command_of` are
for signals, pipes, closed streams, a terminal, the network filter, and for what must be freshly imported.
"""

import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import numpy as np

from distill.cli.app import main

ROOT = Path(__file__).resolve().parents[2]


def command_of(*arguments: str, cut_off: bool = False) -> list[str]:
    """`cut_off`: without a network, see no_network.py."""
    before = "from tests.support.no_network import forbid; forbid(); " if cut_off else ""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {before}from distill.cli.app import main; main()"
    return [sys.executable, "-c", code, *arguments]


def run_process(*arguments: str, cut_off: bool = False) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = command_of(*arguments, cut_off=cut_off)
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def run_cli(
    *arguments: str, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The command inside this process; what it sets for libraries ends with it (tests/cli/test_app.py)."""
    given, out, err = (_stream(text) for text in (stdin or "", "", ""))
    with ExitStack() as stack:
        stack.enter_context(_same_draws_afterwards())
        stack.enter_context(chdir(cwd or ROOT))
        for name, stream in {"stdin": given, "stdout": out, "stderr": err}.items():
            stack.enter_context(mock.patch.object(sys, name, stream))
        stack.enter_context(mock.patch.object(os, "_exit", _exit))
        status = _status_of_main(arguments)
    return subprocess.CompletedProcess(["distill", *arguments], status, _text_of(out), _text_of(err))


def _status_of_main(arguments: Sequence[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def _exit(status: int) -> NoReturn:
    raise SystemExit(status)


def _stream(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)


def _text_of(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data = stream.buffer
    assert isinstance(data, io.BytesIO)
    return data.getvalue().decode()


@contextmanager
def _same_draws_afterwards() -> Iterator[None]:
    """Restore random states and the number of torch's threads, which a command sets for its process."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    of_torch = None if torch is None else (torch.get_rng_state(), torch.get_num_threads())
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        if of_torch is not None:
            torch.set_rng_state(of_torch[0])
            torch.set_num_threads(of_torch[1])
