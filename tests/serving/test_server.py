"""The service as a process: signals, a swap while it answers, slow and impolite clients, what it prints."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from distill.export.runtime import InputError, load
from distill.serving.limits import Limits
from distill.serving.log import Log
from distill.serving.server import _on_hangup, bind, read_token
from distill.serving.service import Service
from tests.support.command import ROOT, run_cli
from tests.support.live_server import LiveServer, serving
from tests.support.tiny_bundle import make_tiny_bundle, rewrite_manifest

TEXT = "i am happy"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module", params=["", "httptools"], ids=["httptools", "h11"])
def server(
    bundle: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[LiveServer]:
    """Once with each parser of HTTP."""
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(bundle, "--threads", "2", log=log, without=request.param) as server:
        yield server


def test_it_answers_as_python_does(server: LiveServer, bundle: Path) -> None:
    found = server.client().post("/v1/predict", {"texts": [TEXT]}).json()["predictions"][0]
    assert found["scores"] == load(bundle)(TEXT).scores


def test_a_swap_under_load_loses_no_request(server: LiveServer, bundle: Path) -> None:
    """Each client sees the old bundle's answers first and the new one's later, and nothing else."""
    statuses: list[int] = []
    names: list[list[str]] = [[] for _ in range(4)]
    stop = threading.Event()

    def ask(seen: list[str]) -> None:
        client = server.client()
        while not stop.is_set():
            reply = client.post("/v1/predict", {"texts": [TEXT]})
            statuses.append(reply.status)
            seen.append(reply.json()["model"])

    before = sum(line.get("event") == "reload" for line in server.events())
    threads = [threading.Thread(target=ask, args=(seen,)) for seen in names]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    rewrite_manifest(bundle, name="swapped")
    server.signal(signal.SIGHUP)
    server.wait_for("reload", before + 1)
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    for seen in names:
        assert seen == sorted(seen, reverse=True)  # tiny, then swapped
        assert set(seen) == {"tiny", "swapped"}
    rewrite_manifest(bundle)
    server.signal(signal.SIGHUP)
    server.wait_for("reload", before + 2)


def test_pipelined_and_chunked_requests(server: LiveServer) -> None:
    body = json.dumps({"texts": [TEXT]}).encode()
    request = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    client = server.client()
    first = client.raw(request + request)
    second = client.raw(b"")
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    chunked = client.raw(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + parts)
    assert chunked.body == first.body


@pytest.mark.parametrize(
    "request_",
    [b"\x00\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/predict HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)
def test_what_is_not_http_is_answered_400_or_cut(server: LiveServer, request_: bytes) -> None:
    client = server.client()
    with suppress(ConnectionError):
        assert client.raw(request_).status in (400, 404)
    assert server.client().get("/healthz").status == 200


def test_an_endless_head_is_cut_off(server: LiveServer) -> None:
    client = server.client()
    with suppress(ConnectionError):  # h11 says 400 first
        assert client.raw(b"GET /healthz HTTP/1.1\r\n" + b"X-Long: " + b"a" * 40_000).status == 400
    assert server.client().get("/healthz").status == 200


def test_slow_clients_are_cut_off(bundle: Path, tmp_path: Path) -> None:
    with serving(bundle, "--receive-timeout", "0.3", log=tmp_path / "log") as server:
        silent, dripping, body = (socket.create_connection(server.address, 30) for _ in range(3))
        dripping.sendall(b"GET /healthz HTTP/1.1\r\nHost")
        body.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        for connection in (silent, dripping):
            with suppress(ConnectionResetError):
                assert connection.recv(1000) == b""
        assert body.recv(1000).startswith(b"HTTP/1.1 408")
        assert server.client().get("/healthz").status == 200


def test_a_signal_ends_it_after_open_requests(bundle: Path, tmp_path: Path) -> None:
    with serving(bundle, log=tmp_path / "log") as server:
        assert server.client().get("/healthz").status == 200
        server.signal(signal.SIGTERM)
        assert server.process.wait() == -signal.SIGTERM
        assert "Traceback" not in server.log.read_text()
    with serving(bundle, log=tmp_path / "log") as server:
        server.signal(signal.SIGINT)
        assert server.process.wait() == 128 + signal.SIGINT
        assert "Traceback" not in server.log.read_text()


def test_killed_and_started_again_it_answers(bundle: Path, tmp_path: Path) -> None:
    answers = []
    for _ in range(2):
        with serving(bundle, log=tmp_path / "log") as server:
            answers.append(server.client().post("/v1/predict", {"texts": [TEXT]}).body)
            server.signal(signal.SIGKILL)
    assert answers[0] == answers[1]


def test_it_starts_with_a_whole_bundle_or_not_at_all(bundle: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "onnx/model.onnx").write_bytes(b"")
    done = run_cli("serve", str(broken), "--port", "0")
    assert done.returncode == 2
    assert "Copy it again" in done.stderr
    pinned = run_cli("serve", str(bundle), "--port", "0", "--manifest-sha256", "0" * 64)
    assert "not the pinned one" in pinned.stderr
    twice = run_cli("serve", str(bundle), str(bundle), "--port", "0")
    assert "is another bundle's too" in twice.stderr


def test_an_address_in_use_is_one_sentence(server: LiveServer) -> None:
    with pytest.raises(InputError, match="address cannot be used"):
        bind(*server.address)
    with pytest.raises(InputError, match="address is unknown"):
        bind("no.such.host.invalid", 1)


@pytest.mark.parametrize("content", [b"", b"short", b"a" * 20 + b"\n" + b"b" * 20, b"\xff" * 20, b"a" * 5000])
def test_a_token_must_be_one_long_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InputError, match="must be one line of at least 16"):
        read_token(tmp_path / "token")
    (tmp_path / "token").write_bytes(b"a" * 16 + b"\n")
    assert read_token(tmp_path / "token") == "a" * 16
    with pytest.raises(InputError, match="cannot be read"):
        read_token(tmp_path)


CLIENTS = {"python": [sys.executable, "client.py"], "node": ["node", "client.mjs"], "curl": ["sh", "client.sh"]}


@pytest.mark.parametrize("tool", CLIENTS)
def test_the_example_clients(tool: str, server: LiveServer, bundle: Path) -> None:
    command = CLIENTS[tool]
    if shutil.which(tool if tool != "python" else sys.executable) is None:
        pytest.skip(f"{tool} is not installed")
    script = ROOT / "examples/service" / command[1]
    assert len(script.read_text().splitlines()) <= 20
    url = f"http://{server.address[0]}:{server.address[1]}"
    done = subprocess.run([command[0], str(script), url, TEXT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "joy" in done.stdout


def test_without_hangups_there_is_nothing_to_listen_to(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, whose event loop knows no signals."""
    monkeypatch.delattr(signal, "SIGHUP")
    service = Service([bundle], limits=Limits(), threads=1, log=Log(quiet=True))
    assert _on_hangup(service) == set()


def test_what_is_deployed_has_options_that_exist() -> None:
    unit = (ROOT / "deploy/distill-serve.service").read_text(encoding="utf-8")
    container = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = [word for word in (*command.split(), *json.loads(container.rpartition("CMD ")[2])) if word[:2] == "--"]
    shown = run_cli("serve", "--help").stdout
    assert {"--port", "--host", "--token-file"} == set(words)
    assert all(f" {word} " in shown for word in words)
    assert json.loads(container.partition("ENTRYPOINT ")[2].splitlines()[0])[-2:] == ["distill", "serve"]
