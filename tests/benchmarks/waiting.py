"""What a training costs where its cores are shared: threads that spin while they wait beside threads that sleep.

    python -m tests.benchmarks.waiting --busy 10 --steps 20 --rounds 3

A process of its own trains an encoder of MiniLM's shape with random weights, first on the cores as they are, then
beside `--busy` processes that count; with the variables that OpenMP has by default, and with those that
`distill.runs.libraries` sets. The ways are interleaved. "The share of the cores says" is the time without busy
processes multiplied by (busy + threads) / threads, with which this machine's cores are shared out evenly.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from distill.export.runtime.cores import available_threads
from distill.runs.libraries import PASSIVE

CHILD = "--child"


def train(steps: int) -> None:
    """Train in this process, and print its seconds of wall and of CPU time."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(384, 12, 1536, activation="gelu", batch_first=True)
    model = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    rows = torch.randn(32, 28, 384)

    def step() -> None:
        model(rows).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep a number of processes counting."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(variables: dict[str, str], steps: int) -> dict[str, float]:
    """Return the seconds of one training in a process with these variables."""
    environment = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    environment |= {"OMP_NUM_THREADS": str(available_threads()), **variables}
    command = [sys.executable, "-m", "tests.benchmarks.waiting", CHILD, str(steps)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    seconds: dict[str, float] = json.loads(found)
    return seconds


def main() -> None:
    """Print the medians."""
    if CHILD in sys.argv:
        train(int(sys.argv[-1]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ways: dict[str, dict[str, str]] = {"default": {}, "passive": PASSIVE}
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(given.rounds):
        for number in dict.fromkeys((0, given.busy)):
            with busy(number):
                for name, variables in ways.items():
                    found.setdefault((name, number), []).append(measure(variables, given.steps))
    threads = available_threads()
    for (name, number), rounds in found.items():
        wall, cpu = (median(part[key] for part in rounds) for key in ("wall", "cpu"))
        alone = median(part["wall"] for part in found[name, 0])
        says = alone * (number + threads) / threads
        print(
            f"{name}, {number} busy: {wall:.1f} s wall, {cpu:.1f} s CPU; times alone {wall / alone:.1f}, times "
            f"what the share of the cores says {wall / says:.2f}"
        )


if __name__ == "__main__":
    main()
