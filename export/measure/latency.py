"""Latency of several models side by side, and the cold start of a bundle."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.export.measure.cpu import cpu_info
from distill.export.measure.texts import SYNTHETIC_TEXTS
from distill.export.runtime.cores import available_threads
from distill.export.runtime.errors import DistillError, InputError
from distill.export.runtime.reading.inputs import Row

__all__ = [
    "SYNTHETIC_TEXTS",
    "BenchTarget",
    "LatencyRow",
    "available_threads",
    "cold_start",
    "cpu_info",
    "time_interleaved",
]

# VmHWM rather than ru_maxrss: on Linux the latter starts at the size of the parent process
_COLD_START = """
import sys, time
start = time.perf_counter()
from distill.export.runtime import load
classifier, text = load(sys.argv[1], threads=int(sys.argv[2])), sys.argv[3]
rows = {"text": text, "pair": (text, text)}
classifier.predict([rows.get(classifier.input.kind, classifier.manifest.self_test.texts[0])])
elapsed = (time.perf_counter() - start) * 1000
peak = None
try:
    with open("/proc/self/status") as lines:
        peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
except OSError:
    pass
if not peak:
    try:
        import resource
    except ImportError:  # Windows
        resource = None
if not peak and resource:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
import json
print(json.dumps([elapsed, peak]))
"""


@dataclass(frozen=True)
class BenchTarget:
    """A callable to time: it takes a list of texts or pairs and returns when it is finished."""

    name: str
    call: Callable[[list[Row]], object]
    threads: int = 1
    runtime: str = "onnxruntime"


@dataclass(frozen=True)
class LatencyRow:
    """One row of a report's `latency`; times are for one call of `batch` texts."""

    name: str
    texts: str
    threads: int
    batch: int
    rounds: int
    runtime: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    texts_per_second: float


def time_interleaved(
    candidates: Sequence[BenchTarget],
    texts: Sequence[Row],
    *,
    kind: str = "real",
    rounds: int = 5,
    batch: int = 1,
    warmup: int = 10,
    progress: Callable[[int], None] | None = None,
) -> list[LatencyRow]:
    """Time all candidates in interleaved rounds, so that a slow minute of the machine affects all alike.

    In each round every candidate gets all texts in the same order, and each round begins with the next candidate.
    A call's time is its median over the rounds; percentiles are taken over those.

    Args:
        candidates: callables to time.
        texts: texts to time them with.
        kind: name of the texts in the rows.
        rounds: number of rounds.
        batch: number of texts per call.
        warmup: number of calls per candidate before the first round.
        progress: called with the number of texts finished since its last call.

    Raises:
        InputError: there are no candidates or texts, or a number is too small.
    """
    _check_settings(candidates, texts, rounds, batch, warmup)
    calls = [list(texts[start : start + batch]) for start in range(0, len(texts), batch)]
    for candidate in candidates:
        for step in range(warmup):
            candidate.call(calls[step % len(calls)])
    seconds = np.zeros((len(candidates), rounds, len(calls)))
    for round_ in range(rounds):
        for place in range(len(candidates)):
            which = (round_ + place) % len(candidates)
            seconds[which, round_] = _time_calls(candidates[which].call, calls)
            if progress is not None:
                progress(len(texts))
    return [
        _row(
            candidate,
            np.median(seconds[which], axis=0),
            kind=kind,
            texts=len(texts),
            rounds=rounds,
            batch=batch,
        )
        for which, candidate in enumerate(candidates)
    ]


def cold_start(bundle: str | Path, *, threads: int = 1) -> tuple[float, int | None]:
    """Return milliseconds from first import to first prediction, and peak resident bytes, of a fresh process.

    The peak is None if the system does not report it, in `/proc` or through `resource`, which Windows lacks.
    The start of the interpreter, which is the same for every Python program, does not count.

    Raises:
        DistillError: the process could not load the bundle and predict.
    """
    # -P: a file of the user's in the working directory must not be imported instead
    command = [sys.executable, "-P", "-c", _COLD_START, str(Path(bundle).resolve()), str(threads)]
    done = subprocess.run([*command, SYNTHETIC_TEXTS["short"][0]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DistillError(f"{bundle}: A fresh process could not load it and predict: {last}.")
    elapsed, peak = json.loads(done.stdout.strip().splitlines()[-1])
    return float(elapsed), None if peak is None else int(peak)


def _check_settings(
    candidates: Sequence[BenchTarget], texts: Sequence[Row], rounds: int, batch: int, warmup: int
) -> None:
    if not candidates:
        raise InputError("candidates: There is nothing to time. Give at least one.")
    if not texts:
        raise InputError("texts: There is nothing to time with. Give at least one text.")
    for name, value, low in (("rounds", rounds, 1), ("batch", batch, 1), ("warmup", warmup, 0)):
        if value < low:
            raise InputError(f"{name}: The value is {value}, but must be at least {low}.")


def _time_calls(call: Callable[[list[Row]], object], calls: list[list[Row]]) -> list[float]:
    seconds = []
    for texts in calls:
        start = time.perf_counter()
        call(texts)
        seconds.append(time.perf_counter() - start)
    return seconds


def _row(candidate: BenchTarget, seconds: Any, *, kind: str, texts: int, rounds: int, batch: int) -> LatencyRow:
    p50, p95, p99 = (float(value) * 1000 for value in np.percentile(seconds, [50, 95, 99]))
    return LatencyRow(
        name=candidate.name,
        texts=kind,
        threads=candidate.threads,
        batch=batch,
        rounds=rounds,
        runtime=candidate.runtime,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        # a clock too coarse for a call must not divide by zero
        texts_per_second=texts / max(float(seconds.sum()), 1e-9),
    )
