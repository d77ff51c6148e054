"""A service in a process of its own, and the shortest client for it: one connection, blocking, no library."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.command import ROOT

JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Requests over one connection that is kept; `Connection: close` of the server opens another."""

    address: tuple[str, int]
    timeout: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)
    _socket: socket.socket | None = None
    _rest: bytes = b""

    def post(self, path: str, value: object, **headers: str) -> Reply:
        return self.send("POST", path, json.dumps(value).encode(), {**JSON, **headers})

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, b"", headers)

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        lines = {"Host": "localhost", "Content-Length": str(len(body)), **self.headers, **headers}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        return self.raw(head.encode("utf-8") + b"\r\n" + body, expects_body=method != "HEAD")

    def raw(self, request: bytes, *, expects_body: bool = True) -> Reply:
        """Send bytes as they are, and read one answer."""
        connection = self._connected()
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # the server may answer before it has read everything
            connection.sendall(request)
        while b"\r\n\r\n" not in self._rest:
            self._read(connection)
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0")) if expects_body else 0
        while len(self._rest) < length:
            self._read(connection)
        body, self._rest = self._rest[:length], self._rest[length:]
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(int(first.split()[1]), headers, body)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self.address, self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _read(self, connection: socket.socket) -> None:
        data = connection.recv(2**16)
        if not data:
            self.close()
            raise ConnectionError("the server closed the connection")
        self._rest += data


@dataclass
class LiveServer:
    """A running service."""

    process: subprocess.Popen[str]
    address: tuple[str, int]
    log: Path
    started: float

    def client(self, **settings: Any) -> Client:
        return Client(self.address, **settings)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, event: str, count: int = 1, seconds: float = 60.0) -> None:
        """Wait for a line of the log."""
        until = time.monotonic() + seconds
        while sum(line.get("event") == event for line in self.events()) < count:
            assert time.monotonic() < until, f"no event {event!r} in the log"
            time.sleep(0.02)

    @property
    def cpu_seconds(self) -> float:
        """The seconds that the process has computed, on Linux."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_bytes(self) -> int:
        """The most memory that was resident, on Linux."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


@contextmanager
def serving(*arguments: str | Path, log: Path, without: str = "") -> Iterator[LiveServer]:
    """Run `distill serve` on a free port, as if the module `without` were not installed, and end it afterwards."""
    hide = (
        "import importlib.util as u, sys; find = u.find_spec; "
        f"u.find_spec = lambda name, *rest: None if name == {without!r} else find(name, *rest); "
    )
    code = f"{hide}from distill.cli.app import main; main()"
    command = [sys.executable, "-c", code, "serve", *map(str, arguments), "--port", "0"]
    started = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith("http://"), log.read_text()
        url = urlsplit(line)
        yield LiveServer(process, (url.hostname or "", url.port or 0), log, started)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
