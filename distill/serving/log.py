"""The service's log: one JSON object per line, with numbers and names of routes; never a body, path or header."""

import json
import sys
import time
from typing import TextIO


class Log:
    """Lines on a stream; with `quiet` those of single requests are left out."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet

    def request(self, route: str, status: int, texts: int, seconds: float) -> None:
        """Write one answered request."""
        if not self._quiet:
            self._write({"route": route, "status": status, "texts": texts, "ms": round(1e3 * seconds, 3)})

    def event(self, event: str, **values: object) -> None:
        """Write what happened to the service itself."""
        self._write({"event": event, **values})

    def _write(self, values: dict[str, object]) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        if stream is None:  # closed from the start
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        print(json.dumps({"time": stamp, **values}), file=stream, flush=True)
