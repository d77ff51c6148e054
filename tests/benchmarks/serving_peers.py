"""Requests per second and core: `distill serve` beside FastAPI and LitServe around a transformers pipeline.

    python -m tests.benchmarks.serving_peers BUNDLE PEERS_ENV/bin/python [--requests 400] [--rounds 9]

All run at once, and are asked in turns. They serve the same graph (the peers through Optimum), one text per
request, over kept connections on loopback. Requests per core are those per second that the service's processes
have computed; what the clients compute does not count.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distill.export.measure.cpu import cpu_info
from distill.export.measure.texts import synthetic_rows
from distill.export.runtime import load
from tests.benchmarks.markdown import head_lines, line
from tests.support.live_server import Client, serving

PEER = Path(__file__).with_name("serving_peer.py")

WARM_UP = 10


def cpu_seconds(stats: Sequence[str], root: int) -> float:
    """Return what a process and all that it started have computed, ended children included.

    Args:
        stats: the line `/proc/PID/stat` of each process.
        root: the process's id.
    """
    parents, ticks = {}, {}
    for stat in stats:
        number, _, rest = stat.partition(" (")
        fields = rest.rpartition(") ")[2].split()
        parents[int(number)] = int(fields[1])
        ticks[int(number)] = sum(map(int, fields[11:15]))  # own, and of children that ended
    family, waiting = set(), {root}
    while waiting:
        family |= waiting
        waiting = {child for child, parent in parents.items() if parent in waiting} - family
    return sum(ticks.get(member, 0) for member in family) / os.sysconf("SC_CLK_TCK")


def all_stats() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found.append(path.read_text())
        except OSError:  # it has ended
            continue
    return found


@contextmanager
def peer(python: Path, kind: str, bundle: Path) -> Iterator[tuple[int, tuple[str, int]]]:
    """Run a peer's service, and end it and all that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    command = [str(python), str(PEER), kind, str(bundle), str(address[1])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, start_new_session=True, env=environment, cwd=folder
        )
        try:
            _wait(process, address)
            yield process.pid, address
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", address: tuple[str, int]) -> None:
    """Wait for a first answer; importing torch takes a while."""
    for _ in range(600):
        assert process.poll() is None, "the peer ended"
        try:
            if Client(address, timeout=30.0).post("/predict", {"text": "hello"}).status == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise TimeoutError("the peer does not answer")


def measured(
    pid: int, address: tuple[str, int], path: str, bodies: Sequence[object], clients: int
) -> tuple[float, float]:
    """Return requests per second that the service computed, and per second of the clock."""

    def ask(mine: Sequence[object]) -> None:
        client = Client(address)
        for body in mine:
            reply = client.post(path, body)
            assert reply.status == 200, reply.body

    ask(bodies[:WARM_UP])
    before, started = cpu_seconds(all_stats(), pid), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, [bodies[number::clients] for number in range(clients)]))
    seconds = time.perf_counter() - started
    return len(bodies) / (cpu_seconds(all_stats(), pid) - before), len(bodies) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("python", type=Path)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args()
    bundle = given.bundle.resolve()
    texts = [text for text in synthetic_rows("short", load(bundle).input) if isinstance(text, str)]
    asked = [texts[number % len(texts)] for number in range(given.requests)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(serving(bundle, "--quiet", "--threads", "1", log=folder / "log"))
        services = {"distill serve": (server.process.pid, server.address, "inputs")}
        for kind in ("fastapi", "litserve"):
            services[kind] = (*stack.enter_context(peer(given.python, kind, bundle)), "text")
        machine = f"{cpu_info()['model']}; {load(bundle).manifest.name}"
        print(f"{machine}; {given.rounds} rounds of {given.requests} requests")
        print(f"load {os.getloadavg()[0]:.0f}\n")
        print(
            *head_lines(["service", "clients", "requests per second and core", "ours over it", "of the clock"]),
            sep="\n",
        )
        for clients in (1, given.clients):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in services}
            for _ in range(given.rounds):  # other work on the machine meets all of them
                for name, (pid, address, key) in services.items():
                    bodies = [{key: text} for text in asked]
                    found[name].append(measured(pid, address, "/predict", bodies, clients))
            ours = [per_core for per_core, _ in found["distill serve"]]
            for name, rounds in found.items():
                ratios = [mine / per_core for mine, (per_core, _) in zip(ours, rounds, strict=True)]
                per_core, clock = (statistics.median(each) for each in zip(*rounds, strict=True))
                ratio = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
                print(line([name, str(clients), f"{per_core:.0f}", ratio, f"{clock:.0f}"]), flush=True)
        print(f"\nload {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
