"""The service for longer: many clients, a fuzzer, bundles exchanged under load, kills (docs/results/serving.md).

python -m tests.campaigns.serving BUNDLE [--clients 32] [--seconds 60] [--requests 10000] [--swaps 20] [--kills 10]
"""

import argparse
import json
import random
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from distill.export.measure.texts import synthetic_rows
from distill.export.runtime import load
from tests.support.live_server import Client, LiveServer, serving

CANARY = "canaryzeugnis"

OTHERS = ("/healthz", "/metrics", "/v1/manifest", "/openapi.json", f"/{CANARY}", "/v1/predict/")

ROUTES = ("/v1/predict", "/predict") * 6 + OTHERS

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", CANARY.upper())

GRACE_SECONDS = 20.0


def many_clients(bundle: Path, clients: int, seconds: float, folder: Path) -> dict[str, object]:
    """Every answer, of every client, must be the one that the text alone gets in this process."""
    classifier = load(bundle)
    texts = [text for text in synthetic_rows("short", classifier.input) if isinstance(text, str)]
    expected = {text: json.loads(json.dumps(classifier(text).to_dict())) for text in texts}
    wrong, counts = [0] * clients, [0] * clients
    times: list[list[float]] = [[] for _ in range(clients)]
    with serving(bundle, "--quiet", "--queue", str(clients), log=folder / "clients.log") as server:
        until = time.monotonic() + seconds

        def ask(number: int) -> None:
            rng, client = random.Random(number), server.client()
            while time.monotonic() < until:
                asked = rng.sample(texts, rng.choice((1, 1, 1, 4)))
                started = time.perf_counter()
                reply = client.post("/v1/predict", {"texts": asked})
                times[number].append(time.perf_counter() - started)
                counts[number] += 1
                alone = [expected[text] for text in asked]
                wrong[number] += reply.status != 200 or reply.json()["predictions"] != alone

        run_all(ask, clients)
        peak = server.peak_bytes / 1e6
    every = sorted(value for row in times for value in row)
    return {
        "clients": clients, "requests": sum(counts), "wrong": sum(wrong), "peak_mb": peak,
        "p50_ms": 1e3 * statistics.median(every), "p99_ms": 1e3 * every[int(0.99 * len(every))],
    }  # fmt: skip


def run_all(ask: Callable[[int], None], clients: int) -> None:
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def drawn_value(rng: random.Random, depth: int = 0) -> object:
    """Any JSON value, often with a canary in it."""
    kinds = ["text", "number", "none", "bool", "odd"] + (["list", "dict"] if depth < 4 else [])
    kind = rng.choice(kinds)
    if kind == "text":
        return rng.choice((CANARY, "", "😭", "\ud800", "a" * rng.randrange(3000), "\x00", f"{CANARY}\n{CANARY}"))
    if kind == "list":
        return [drawn_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == "dict":
        keys = ("texts", "inputs", "model", "top_k", "thresholds", "truncate", "raw_scores", CANARY)
        return {rng.choice(keys): drawn_value(rng, depth + 1) for _ in range(rng.randrange(4))}
    values = {"number": rng.choice((0, -1, 1, 10**30, 0.5, 1e308)), "none": None, "bool": rng.random() < 0.5}
    return values.get(kind, float("nan"))


def drawn_request(rng: random.Random) -> bytes:
    """A request that is well-formed, odd, or no HTTP at all."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(1, 400)) + b"\r\n\r\n"
    shapes: tuple[object, ...] = (
        {"texts": [drawn_value(rng) for _ in range(rng.randrange(4))]},
        {"texts": [CANARY], "thresholds": drawn_value(rng), "top_k": drawn_value(rng)},
        {"inputs": drawn_value(rng), "truncate": rng.random() < 0.5},
        drawn_value(rng),
    )
    body = json.dumps(rng.choice(shapes)).encode()
    if rng.random() < 0.2:
        cut = rng.randrange(len(body) + 1)
        body = body[:cut] + rng.randbytes(rng.randrange(8)) + body[cut + rng.randrange(8) :]
    headers = [b"Host: " + rng.choice((b"localhost", CANARY.encode(), b"\xff")), b"X-Canary: " + CANARY.encode()]
    if rng.random() < 0.3:
        headers.append(b"Authorization: Bearer " + CANARY.encode())
    if rng.random() < 0.1:
        headers.append(b"Content-Encoding: gzip")
    if rng.random() < 0.1:
        headers += [b"Transfer-Encoding: chunked"]
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if rng.random() < 0.7 else body
    else:
        length = len(body) if rng.random() < 0.95 else rng.choice((0, 1, 10**9, -1))
        headers.append(b"Content-Length: %d" % length)
    path = rng.choice(ROUTES) + rng.choice(("", "", f"?q={CANARY}", "?a=%ff"))
    method = "POST" if rng.random() < 0.7 else rng.choice(METHODS)
    return f"{method} {path} HTTP/1.1\r\n".encode() + b"\r\n".join(headers) + b"\r\n\r\n" + body


def fuzz(bundle: Path, requests: int, seed: int, folder: Path, without: str) -> dict[str, object]:
    """No answer of 5xx, none that does not come, and the canary in no answer, metric or line of the log."""
    rng, statuses, slowest = random.Random(seed), Counter[str](), 0.0
    leaks = 0
    limits = ("--max-bytes", "5000", "--max-characters", "2000", "--receive-timeout", "1")
    with serving(bundle, *limits, log=folder / "fuzz.log", without=without) as server:
        for _ in range(requests):
            client = server.client(timeout=GRACE_SECONDS)
            request = drawn_request(rng)
            started = time.monotonic()
            try:
                reply = client.raw(request, expects_body=not request.startswith(b"HEAD"))
                statuses[str(reply.status)] += 1
                leaks += CANARY.encode() in reply.body + repr(reply.headers).encode()
            except ConnectionError:
                statuses["closed"] += 1
            except TimeoutError:
                statuses["hang"] += 1
            slowest = max(slowest, time.monotonic() - started)
            client.close()
        text = server.client().get("/metrics").body
        alive = server.client().post("/v1/predict", {"texts": ["still here"]}).status
    log = (folder / "fuzz.log").read_bytes()
    return {
        "requests": requests, "statuses": dict(sorted(statuses.items())), "slowest_s": slowest,
        "canary_in_answers": leaks, "canary_in_metrics": CANARY.encode() in text.lower(),
        "canary_in_log": CANARY.encode() in log.lower(), "tracebacks": log.count(b"Traceback"),
        "answers_after": alive,
    }  # fmt: skip


def swaps(bundle: Path, times: int, folder: Path) -> dict[str, object]:
    """Clients ask while the folder behind a link is exchanged again and again."""
    copies = [shutil.copytree(bundle, folder / name) for name in ("one", "two")]
    link = folder / "current"
    link.symlink_to(copies[0])
    failed, asked = Counter[str](), [0] * 8
    stop = threading.Event()
    with serving(link, "--quiet", log=folder / "swaps.log") as server:

        def ask(number: int) -> None:
            client = server.client()
            while not stop.is_set():
                asked[number] += 1
                try:
                    status = client.post("/v1/predict", {"texts": ["hello there"]}).status
                    if status != 200:
                        failed[str(status)] += 1
                except (ConnectionError, TimeoutError) as error:
                    failed[type(error).__name__] += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for swap in range(times):
            fresh = folder / "fresh"
            fresh.symlink_to(copies[(swap + 1) % 2])
            fresh.replace(link)
            server.signal(signal.SIGHUP)
            server.wait_for("reload", swap + 1)
        stop.set()
        for thread in threads:
            thread.join()
    return {"swaps": times, "requests": sum(asked), "failed": dict(failed)}


def kills(bundle: Path, times: int, folder: Path) -> dict[str, object]:
    """Killed while it answers, the next start answers the same."""
    answers = set()
    for number in range(times):
        with serving(bundle, log=folder / "kills.log") as server:
            answers.add(server.client().post("/v1/predict", {"texts": ["hello there"]}).body)
            _kill_while_answering(server, 0.01 * number)
    return {"kills": times, "different_answers": len(answers)}


def _kill_while_answering(server: LiveServer, delay: float) -> None:
    def ask(client: Client) -> None:
        try:
            while True:
                client.post("/v1/predict", {"texts": ["hello there"] * 200})
        except (ConnectionError, TimeoutError):
            return

    thread = threading.Thread(target=ask, args=(server.client(),))
    thread.start()
    time.sleep(0.1 + delay)
    server.signal(signal.SIGKILL)
    thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    for name, value in {
        "clients": 32,
        "seconds": 60,
        "requests": 10_000,
        "swaps": 20,
        "kills": 10,
        "seed": 1,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, bundle = Path(place), given.bundle.absolute()
        print("clients", json.dumps(many_clients(bundle, given.clients, given.seconds, folder)), flush=True)
        for parser, without in {"httptools": "", "h11": "httptools"}.items():
            found = fuzz(bundle, given.requests, given.seed, folder, without)
            print(f"fuzz, {parser}", json.dumps(found), flush=True)
        print("swaps", json.dumps(swaps(bundle, given.swaps, folder)), flush=True)
        print("kills", json.dumps(kills(bundle, given.kills, folder)), flush=True)


if __name__ == "__main__":
    main()
