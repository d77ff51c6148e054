"""A server that answers chat completions as an OpenAI-compatible one does, and misbehaves on request.

Its answers are a function of the question and the text alone, so that a disturbed run can be held against an
undisturbed one. What it was asked stays in memory.
"""

import hashlib
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# the share of requests that get each kind of trouble
Trouble = Mapping[str, float]


@dataclass
class FakeModel:
    """Knows words of labels: an option is likely where one of its words is in the text.

    `trouble` are the shares of requests that are cut, refused (429), failed (500), or answered with broken JSON, a
    NaN, or no log-probabilities. The same request gets the same trouble a second time only by chance.
    """

    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=dict)
    gives: int = 20  # log-probabilities; 0 gives none
    accepts: int = 20  # log-probabilities that a request may ask for; one for more is answered with status 400
    retry_after: str | None = "0"
    name: str = "fake-1"
    status: int = 200
    seed: int = 0
    delay: float = 0.0  # seconds before an answer
    writes: bool = False  # whether it answers with a text
    begins: str = ""  # what every answer begins with
    refuses: str = ""  # a part of texts that are answered with status 400
    spared: int = 0  # first requests without trouble
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)

    def is_refused(self, request: Mapping[str, Any]) -> bool:
        """Whether a request is answered with status 400."""
        asks_for = request.get("top_logprobs", 0) if request.get("logprobs") else 0
        return asks_for > self.accepts or bool(self.refuses and self.refuses in request["messages"][-1]["content"])

    def draw(self) -> str:
        """The trouble of the next request; empty for none."""
        with self.lock:
            at = self._draw.random() if sum(self.asked.values()) > self.spared else 1.0
        for kind, share in self.trouble.items():
            if at < share:
                return kind
            at -= share
        return ""

    def scores(self, messages: Sequence[Mapping[str, str]]) -> dict[str, float]:
        """The log-probability of each option of a question."""
        head, text = messages[0]["content"], messages[-1]["content"].rpartition("\n\n")[0].lower()
        if "Label: " in head:
            label = head.partition("Label: ")[2].partition("\n")[0].partition(":")[0]
            weights = {"yes": self._fit(label, text), "no": 0.0}
        else:
            lines = [line.split(". ", 1) for line in head.splitlines() if line[1:3] == ". "]
            weights = {letter: self._fit(shown.partition(":")[0], text) for letter, shown in lines}
        total = math.log(sum(map(math.exp, weights.values())))
        return {option: weight - total for option, weight in weights.items()}

    def _fit(self, label: str, text: str) -> float:
        noise = int.from_bytes(hashlib.sha256(f"{label}|{text}".encode()).digest()[:4]) / 2**32 - 0.5
        return 3.0 * any(word in text for word in self.words.get(label, (label,))) + noise

    def reply(self, request: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """The answer to a request."""
        if self.writes:
            seed = request["seed"]
            text = f'"words {seed} of {hashlib.sha256(str(seed).encode()).hexdigest()}"'
            return {"model": self.name, "choices": [{"message": {"role": "assistant", "content": text}}]}
        scores = self.scores(request["messages"])
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        best = max(scores, key=lambda option: scores[option])
        if not request.get("logprobs"):  # a vote: drawn from the scores by the seed
            draw = random.Random(f"{request['seed']}{request['messages'][-1]['content']}")
            (best,) = draw.choices(list(scores), [math.exp(score) for score in scores.values()])
        choice["message"] = {"role": "assistant", "content": self.begins or f" {best}."}
        if request.get("logprobs") and self.gives and kind != "no_logprobs":
            ranked = sorted(scores.items(), key=lambda pair: -pair[1])
            ranked += [(f"w{place}", -12.0 - place) for place in range(self.gives)]
            if self.begins:
                ranked = [(self.begins, 0.0), *((f"w{place}", -12.0 - place) for place in range(self.gives))]
            top = [{"token": f" {token}", "logprob": value} for token, value in ranked[: self.gives]]
            if kind == "nan":
                top[0]["logprob"] = float("nan")
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return {"id": "x", "object": "chat.completion", "model": self.name, "choices": [choice]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: FakeModel

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request, model = json.loads(body), self.model
        text = json.dumps(request, sort_keys=True)
        with model.lock:
            model.asked[text] += 1
            model.requests.append(request)
            model.headers.append(dict(self.headers))
        kind = model.draw()
        time.sleep(model.delay)
        if self.path != "/v1/chat/completions":
            self._send(404, b"{}")
        elif model.is_refused(request):
            self._send(400, b"{}")
        elif model.status != 200:
            self._send(model.status, b"{}")
        elif kind == "cut":
            self.close_connection = True
            self.connection.close()
        elif kind in ("429", "500"):
            self._send(int(kind), b'{"error": {"message": "busy"}}', model.retry_after)
        elif kind == "broken":
            self._send(200, b'{"choices": [{"mess')
        else:
            if not kind:
                with model.lock:
                    model.answered[text] += 1
            self._send(200, json.dumps(model.reply(request, kind)).encode())

    def _send(self, status: int, body: bytes, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None and status != 200:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass  # a client that was killed


@contextmanager
def fake_openai(model: FakeModel, port: int = 0) -> Iterator[str]:
    """Serve a model on this machine while the block runs; yield the url."""
    handler = type("Handler", (_Handler,), {"model": model})
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
