"""Requests to an OpenAI-compatible server: attempts, pauses, and what a failure is called."""

import email.utils
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, final

from distill.export.runtime.errors import InputError
from distill.labelling.endpoint.address import Address
from distill.labelling.endpoint.answers import MalformedAnswer

COMPLETIONS = "/chat/completions"

# an answer of one token with its log-probabilities has a few kilobytes
MOST_BYTES = 4_000_000

# seconds before the first further attempt, and at most before any; each is twice the one before
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

# a server that asks for a longer pause is not waited for
LONGEST_ASKED = 600.0

# answers that another attempt may change
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

# answers that no other row will change
FINAL = {
    401: "Put the right key into the variable that `key_env` names.",
    403: "Put a key that may use it into the variable that `key_env` names.",
    404: "Check `url`, which ends with /v1 for most servers, and the name of its `model`.",
}

Found = TypeVar("Found")

# the JSON of a chat completion
Request = Mapping[str, object]


@dataclass(frozen=True)
class Failure:
    """A request without a whole answer; `status` is a number of HTTP, timeout, connection or malformed."""

    status: str


class Stopped(Exception):
    """The work that a request belonged to has ended."""


@final
@dataclass
class Client:
    """A server as a function of requests, for any number of threads; each keeps one connection.

    Attributes:
        address: of the server.
        key: sent as a bearer token; empty sends none.
        retries: further attempts at a failed request.
        timeout_s: seconds without any byte before an attempt fails.
    """

    address: Address
    key: str = field(repr=False)
    retries: int
    timeout_s: float
    stopped: threading.Event = field(default_factory=threading.Event)
    _own: threading.local = field(default_factory=threading.local, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _not_before: float = 0.0

    def ask(self, request: Request, read: Callable[[Any], Found]) -> Found | Failure:
        """Return what `read` makes of the answer to a request, or what its last attempt failed of.

        Args:
            request: the JSON of a chat completion.
            read: raises `MalformedAnswer` for an answer that is not whole.

        Raises:
            InputError: the server refuses every request.
            Stopped: the work has ended.
        """
        body = json.dumps(request, ensure_ascii=False).encode()
        failure = Failure("connection")
        for attempt in range(self.retries + 1):
            self._pause(attempt)
            status, asked, reply = self._attempt(body)
            if reply is not None:
                try:
                    return read(json.loads(reply))
                except (ValueError, RecursionError, MalformedAnswer):
                    status = "malformed"
            failure = Failure(status)
            if asked is not None:
                if asked > LONGEST_ASKED:
                    break
                self._hold(asked)
            if status.isdigit() and int(status) not in PASSING:
                break
        return failure

    def stop(self) -> None:
        """End every pause; no further attempt is made."""
        self.stopped.set()

    def _attempt(self, body: bytes) -> tuple[str, float | None, bytes | None]:
        """Return the status, the seconds that the server asks to wait, and the body of a good answer."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection = self._connection()
            connection.request("POST", self.address.path + COMPLETIONS, body, headers)
            response = connection.getresponse()
            data = response.read(MOST_BYTES + 1)
        except TimeoutError:
            self._close()
            return "timeout", None, None
        except (OSError, http.client.HTTPException):
            self._close()
            return "connection", None, None
        if response.will_close or len(data) > MOST_BYTES:
            self._close()
        if response.status in FINAL:
            raise InputError(f"`url`: The server answers with status {response.status}. {FINAL[response.status]}")
        if response.status != http.client.OK:
            return str(response.status), _seconds(response.headers.get("Retry-After")), None
        return "malformed" if len(data) > MOST_BYTES else "200", None, data[: MOST_BYTES + 1]

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self.address.scheme == "https" else http.client.HTTPConnection
            connection = kind(self.address.host, self.address.port, timeout=self.timeout_s)
            self._own.connection = connection
        return connection

    def _close(self) -> None:
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
            self._own.connection = None

    def _hold(self, seconds: float) -> None:
        """Let no thread ask before the time that the server named."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _pause(self, attempt: int) -> None:
        """Wait before an attempt: longer before each further one, and never before the server's own time."""
        pause = 0.0
        if attempt:
            # spread, so that threads that failed together do not come back together
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        while True:
            with self._lock:
                wait = max(pause, self._not_before - time.monotonic())
            if self.stopped.wait(max(wait, 0.0)) or self.stopped.is_set():
                raise Stopped
            pause = 0.0
            if time.monotonic() >= self._not_before:
                return


def key_from(variable: str | None) -> str:
    """Return the key in an environment variable; empty where none is named.

    Raises:
        InputError: the variable is not set.
    """
    if variable is None:
        return ""
    key = os.environ.get(variable, "")
    if not key.strip() or not key.isascii() or any(character in key for character in "\r\n"):
        raise InputError(f"`key_env` names {variable}, which holds no key. Set it before the command.")
    return key.strip()


def _seconds(value: str | None) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date; None if it is neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value)) if float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
