"""Ranks: the processes of one training, each of which works on its part of every batch.

Rank 0 is the process of the command: it holds the lock, evaluates, logs and saves. The others are its children,
one per GPU where there are GPUs. They get the model and the rows through a pipe, never through a file. The pipe
stays open, and they end as soon as it closes: when the training ends, and when rank 0 dies, however it dies. They
are in a session of their own, so that Ctrl-C strikes rank 0 alone, which finishes its step with them and saves.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from distill.export.runtime.errors import DistillError, ResourceError
from distill.runs.shortage import Shortage, shortage_of
from distill.training.gpus import require_gpus

LOOPBACK = "127.0.0.1"

# of a wait of one rank for another: rank 0 may evaluate for hours, and a rank that dies ends every wait by itself
WAIT = timedelta(days=30)

# seconds after the death of a rank in which rank 0 must have noticed it; NCCL may wait for ever
NOTICE_SECONDS = 30.0

# seconds in which the ranks must have ended once their pipe is closed
END_SECONDS = 10.0

READY, FAILED = b"ready\n", "this rank failed:"


@dataclass(frozen=True)
class Rank:
    """One of the `count` processes of a training; `group` is torch's, None for its default group."""

    number: int = 0
    count: int = 1
    group: Any = None

    def part(self, rows: Sequence[int]) -> Sequence[int]:
        """Return this rank's rows of a batch, of lengths like those of the others; none if there are too few."""
        return rows[self.number :: self.count]

    def seed(self, seed: int, step: int) -> None:
        """Seed the random draws of one step, such as dropout, so that a resumed training repeats them."""
        if self.count > 1:
            state = np.random.SeedSequence((seed, step, self.number)).generate_state(1, np.uint64)
            torch.manual_seed(int(state[0]))

    def add_up(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Replace the gradients of a model by their sums over the ranks, and return the sum of the losses."""
        if self.count == 1:
            return loss
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        flat = torch.cat([loss.reshape(1), *(gradient.reshape(-1) for gradient in gradients)])
        distributed.all_reduce(flat, group=self.group)
        total, *sums = torch.split(flat, [1, *(gradient.numel() for gradient in gradients)])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view_as(gradient))
        return torch.reshape(total, ())


@contextmanager
def ranks(count: int, work: object) -> Iterator[Rank]:
    """Start the other ranks, give them `work`, and be rank 0 inside; they end with the block.

    Args:
        count: number of processes; with 1 there are no others.
        work: what the others call `run` of.

    Raises:
        InputError: there are fewer GPUs.
        DistillError: another rank died.
    """
    if count == 1:
        yield Rank()
        return
    require_gpus(count)
    with ExitStack() as stack:
        stack.enter_context(_threads(max(1, torch.get_num_threads() // count)))
        stack.enter_context(_loopback())
        listener = socket.create_server((LOOPBACK, 0))  # torch itself would listen on every address
        port = listener.getsockname()[1]
        store = _store(port, count, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach())
        others = [_Other(number, count, port) for number in range(1, count)]
        stack.callback(_end, others)
        try:
            buffer = io.BytesIO()
            torch.save(work, buffer)
            for other in others:
                other.send(buffer.getbuffer())
            del buffer
            for other in others:
                other.expect_ready()
            group = _join(store, 0, count)
            stack.callback(distributed.destroy_process_group)
            yield Rank(0, count, group)
        except (RuntimeError, OSError) as error:  # torch's own, when a connection to another rank closes
            death = _death(others)
            if death is None:
                raise
            raise death from error


class _Other:
    """Another rank, from the side of rank 0."""

    def __init__(self, number: int, count: int, port: int) -> None:
        self.number = number
        self._ending = threading.Event()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open until it has ended
        self._header = {"number": number, "count": count, "port": port}
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
            "from distill.training.ranks import main; main()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())} | _gpu(number),
            start_new_session=True,
        )
        if torch.cuda.is_available():  # gloo notices by itself, NCCL may wait for ever
            threading.Thread(target=self._watch, daemon=True).start()

    def send(self, work: memoryview) -> None:
        """Write the work into its pipe, which then stays open."""
        assert self._process.stdin is not None
        header = json.dumps(self._header | {"bytes": len(work)}) + "\n"
        self._process.stdin.write(header.encode())
        self._process.stdin.write(work)
        self._process.stdin.flush()

    def expect_ready(self) -> None:
        """Wait until it has read its work.

        Raises:
            OSError: it died.
        """
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            raise BrokenPipeError

    def death(self) -> DistillError | None:
        """Return how it died, or None if it lives."""
        status = self._process.poll()
        if status is None:
            return None
        again = "Run the same command again. It resumes from the last checkpoint."
        if status < 0:
            name = signal.Signals(-status).name
            return DistillError(f"Process {self.number} of the training was ended by {name}. {again}")
        self._said.seek(0)
        last = self._said.read().decode("utf-8", "replace").rpartition(FAILED)[2].split()
        if last == [Shortage.MEMORY.name]:
            return ResourceError(
                f"Process {self.number} of the training ran out of memory. Lower training.rows_per_pass, and run "
                "the same command again. It resumes from the last checkpoint."
            )
        kind = last[0] if len(last) == 1 else f"status {status}"  # a message may quote a row
        return DistillError(
            f"Process {self.number} of the training failed ({kind}). Use training.processes = 1, which says why."
        )

    def begin_to_end(self) -> None:
        """Close its pipe."""
        self._ending.set()
        assert self._process.stdin is not None
        with suppress(OSError):  # it died before it had read everything
            self._process.stdin.close()

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it if it takes longer."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._said.close()

    def _watch(self) -> None:
        """End this process if the other one died and nothing else has noticed."""
        self._process.wait()
        if not self._ending.wait(NOTICE_SECONDS):
            os.write(2, f"{self.death()}\n".encode())
            os._exit(DistillError.exit_status)


def _death(others: Sequence[_Other]) -> DistillError | None:
    """Return how one of them died; None if none does within ten seconds."""
    for _ in range(100):
        for other in others:
            if (death := other.death()) is not None:
                return death
        time.sleep(0.1)
    return None


def _end(others: Sequence[_Other]) -> None:
    for other in others:
        other.begin_to_end()
    deadline = time.monotonic() + END_SECONDS
    for other in others:
        other.end(deadline - time.monotonic())


def _gpu(number: int) -> dict[str, str]:
    """Return the variable that shows one rank its own GPU alone; nothing without GPUs."""
    if not torch.cuda.is_available():
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
    return {"CUDA_VISIBLE_DEVICES": seen.split(",")[number]}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _loopback() -> Iterator[None]:
    """Have gloo talk over the loopback interface alone, in this process and in those that it starts."""
    name = "GLOO_SOCKET_IFNAME"
    before = os.environ.get(name)
    os.environ[name] = next(interface for _, interface in socket.if_nameindex() if interface.startswith("lo"))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _store(port: int, count: int, **options: Any) -> Any:
    """Return the table in which the ranks of a training find each other."""
    return distributed.TCPStore(LOOPBACK, port, count, **options)  # type: ignore[attr-defined]


def _join(store: Any, number: int, count: int) -> Any:
    """Join the group of all ranks, and return that of their GPUs."""
    distributed.init_process_group("gloo", store=store, rank=number, world_size=count, timeout=WAIT)
    return distributed.new_group(backend="nccl", timeout=WAIT) if torch.cuda.is_available() else None


def main() -> None:
    """Be another rank: read the work from the pipe, and do it until the pipe closes."""
    try:
        _work()
    except Exception as error:
        short = shortage_of(error) is Shortage.MEMORY
        sys.stderr.write(f"{FAILED} {Shortage.MEMORY.name if short else type(error).__name__}\n")
        os._exit(1)  # at once: rank 0 sees the connection close, and asks how


def _work() -> None:
    ready = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints
    header = json.loads(sys.stdin.buffer.readline())
    # the one sender is the process that started this one
    work = torch.load(io.BytesIO(sys.stdin.buffer.read(header["bytes"])), weights_only=False)
    threading.Thread(target=_end_with_pipe, daemon=True).start()
    os.write(ready, READY)
    number, count = header["number"], header["count"]
    group = _join(_store(header["port"], count, is_master=False), number, count)
    run: Callable[[Rank], object] = work.run
    run(Rank(number, count, group))
    threading.Event().wait()  # rank 0 may still be evaluating


def _end_with_pipe() -> None:
    os.read(0, 1)  # not of sys.stdin, whose lock Python takes when it ends
    os._exit(0)
