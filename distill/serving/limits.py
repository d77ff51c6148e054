"""Bounds of the service: what one request may be, and how many may wait."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on requests.

    Attributes:
        body_bytes: of one request's body.
        texts: in one request.
        characters: of one text; a pair's two count together.
        waiting: requests that wait for a thread; more are refused until some are answered.
        connections: open connections; more are refused.
        receive_seconds: until a request has arrived whole, and until a client has read its answer.
        answer_seconds: until a request is answered.
    """

    body_bytes: int = 2**20
    texts: int = 256
    characters: int = 20_000
    waiting: int = 64
    connections: int = 512
    receive_seconds: float = 10.0
    answer_seconds: float = 30.0
