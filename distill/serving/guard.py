"""A protocol around the HTTP server's own, which cuts off slow clients and refuses too many of them."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

_BUSY_BODY = b'{"error":"Too many connections.","error_type":"overloaded"}'

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUSY_BODY), _BUSY_BODY)
)


MAX_HEAD_BYTES = 2**14


class OneWrite:
    """A transport that sends what is written in one turn of the event loop at once.

    The server writes the head of an answer and its body one after the other: two packets.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep bytes until the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Send what is kept, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data, self._waiting = b"".join(self._waiting), []
        if data and not self._transport.is_closing():
            self._transport.write(data)


class Guard(asyncio.Protocol):
    """One connection, of at most `most`; it hands everything to `inner`.

    The head of a request must arrive within `seconds` of its first byte (and of the connection) and not be too
    large, and a client that does not read its answer for as long is disconnected. The application bounds bodies.
    """

    def __init__(self, inner: Any, connections: set["Guard"], *, seconds: float, most: int) -> None:
        self._inner, self._connections, self._seconds, self._most = inner, connections, seconds, most
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it."""
        stream = cast(asyncio.Transport, transport)  # uvloop's have its methods and do not inherit it
        if len(self._connections) >= self._most:
            stream.write(BUSY)
            stream.close()
            return
        self._connections.add(self)
        self._transport = stream
        self._inner.connection_made(OneWrite(stream))
        self._head = self._timer()

    def data_received(self, data: bytes) -> None:
        """Hand bytes on, and stop the clock once they make the head of a request."""
        if self._transport is None:
            return
        self._inner.data_received(data)
        cycle = getattr(self._inner, "cycle", None)
        if cycle is not None and not cycle.response_complete:
            self._head, self._head_bytes = _stop(self._head), 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._cut()
        elif self._head is None:
            self._head = self._timer()

    def eof_received(self) -> Any:
        """Hand it on."""
        return self._inner.eof_received() if self._transport is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on, and make room."""
        self._head, self._answer = _stop(self._head), _stop(self._answer)
        if self._transport is not None:
            self._connections.discard(self)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read its answer."""
        self._inner.pause_writing()
        self._answer = self._timer()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._answer = _stop(self._answer)
        self._inner.resume_writing()

    def _timer(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._seconds, self._cut)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def guarded(protocol: Callable[..., Any], *, seconds: float, most: int) -> Callable[..., Guard]:
    """Return a factory of guarded connections that share one count."""
    connections: set[Guard] = set()

    def make(**settings: Any) -> Guard:
        return Guard(protocol(**settings), connections, seconds=seconds, most=most)

    return make


def _stop(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer, and return the one that runs then: none."""
    if timer is not None:
        timer.cancel()
    return None
