"""Refusals of a request: the status, and a message that never quotes a text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of refusal: its status, and the word in `error_type` that a client can branch on."""

    status: int
    word: str


BAD_REQUEST = Kind(400, "validation")
UNAUTHORIZED = Kind(401, "unauthorized")
NOT_FOUND = Kind(404, "not_found")
WRONG_METHOD = Kind(405, "method")
TOO_SLOW = Kind(408, "timeout")
TOO_LARGE = Kind(413, "validation")
WRONG_TYPE = Kind(415, "validation")
UNPROCESSABLE = Kind(422, "validation")
FAILED = Kind(500, "backend")
OVERLOADED = Kind(503, "overloaded")

KINDS = (
    BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, WRONG_METHOD, TOO_SLOW, TOO_LARGE, WRONG_TYPE, UNPROCESSABLE, FAILED,
    OVERLOADED,
)  # fmt: skip


class Refusal(Exception):
    """A request is refused; the message names field, bound and remedy."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
