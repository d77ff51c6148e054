"""The service as an ASGI application: routes, token, refusals, one line of log and one count per request."""

import asyncio
import hmac
import json
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from distill.export.runtime import Classifier, DistillError, InputError, Prediction
from distill.export.runtime.manifest.manifest import contract
from distill.serving.limits import Limits
from distill.serving.openapi import openapi
from distill.serving.refusal import (
    FAILED,
    NOT_FOUND,
    OVERLOADED,
    TOO_LARGE,
    TOO_SLOW,
    UNAUTHORIZED,
    UNPROCESSABLE,
    WRONG_METHOD,
    WRONG_TYPE,
    Refusal,
)
from distill.serving.requests import (
    AskedAsTei,
    check_tei_form,
    read_asked,
    read_asked_as_tei,
    read_asked_to_explain,
)
from distill.serving.service import Service, expected_seconds

# answered without a token, for the program that restarts the service
OPEN_ROUTE = "/healthz"

RETRY_AFTER_SECONDS = "1"

UNKNOWN_ROUTE = "(unknown)"

Messages = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Answer:
    """A body of an answer, its type, and the number of texts that it answers."""

    content: bytes
    texts: int = 0
    media_type: str = "application/json"


Handler = Callable[[Request], Awaitable[Answer]]


class Application:
    """The routes of a service; call it as an ASGI application."""

    def __init__(self, service: Service, token: str | None = None) -> None:
        self._service = service
        self._token = None if token is None else f"Bearer {token}".encode()
        posts: dict[str, Handler] = {
            "/v1/predict": self._predict,
            "/v1/explain": self._explain,
            "/predict": self._predict_as_tei,
        }
        gets: dict[str, Handler] = {
            OPEN_ROUTE: self._health,
            "/metrics": self._metrics,
            "/v1/manifest": self._manifest,
            "/v1/watch": self._watched,
            "/openapi.json": self._openapi,
        }
        # no path has a variable part, so a look-up does what a router does in a tenth of the time
        self._routes: dict[str, tuple[Collection[str], Handler]] = {
            path: (("POST",), handler) for path, handler in posts.items()
        }
        self._routes |= {path: (("GET", "HEAD"), handler) for path, handler in gets.items()}

    async def __call__(self, scope: Any, receive: Messages, send: Messages) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            response = await self._answered(Request(scope, receive))
            await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        started, texts, route = time.perf_counter(), 0, request.scope["path"]
        try:
            if route not in self._routes:
                route = UNKNOWN_ROUTE
                raise Refusal(NOT_FOUND, "The route is unknown. See /openapi.json.")
            methods, handler = self._routes[route]
            if request.method not in methods:
                raise Refusal(WRONG_METHOD, "The method is wrong. See /openapi.json.")
            self._check_token(route, request)
            answer = await handler(request)
            texts, response = answer.texts, Response(answer.content, media_type=answer.media_type)
        except Refusal as refusal:
            response = refused(refusal)
        except InputError as error:
            response = refused(Refusal(UNPROCESSABLE, str(error)))
        except ClientDisconnect:  # nobody reads this
            response = refused(Refusal(TOO_SLOW, "The client left."))
        except DistillError as error:
            response = refused(Refusal(FAILED, str(error)))
        except Exception as error:  # its message may quote a text, and so may its traceback
            self._service.log.event("error", route=route, type=type(error).__name__)
            response = refused(Refusal(FAILED, "The service failed. Its log has the kind of error."))
        return self._recorded(route, started, response, texts)

    def _recorded(self, route: str, started: float, response: Response, texts: int) -> Response:
        seconds = time.perf_counter() - started
        self._service.metrics.request(route, response.status_code, seconds)
        self._service.log.request(route, response.status_code, texts, seconds)
        return response

    def _check_token(self, route: str, request: Request) -> None:
        if self._token is None or route == OPEN_ROUTE:
            return
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._token):
            raise Refusal(UNAUTHORIZED, "The token is missing or wrong. Send it as Authorization: Bearer TOKEN.")

    async def _body(self, request: Request) -> bytes:
        """Return a request's body, within the bounds on bytes and time."""
        limits = self._service.limits
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(WRONG_TYPE, "The body is compressed. Send it as it is.")
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limits.body_bytes:
            raise _too_large(limits)
        chunks, size = [], 0
        try:
            async with asyncio.timeout(limits.receive_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limits.body_bytes:
                        raise _too_large(limits)
                    chunks.append(chunk)
        except TimeoutError:
            raise Refusal(TOO_SLOW, "The body took too long to arrive. Send it again.") from None
        return b"".join(chunks)

    async def _predict(self, request: Request) -> Answer:
        asked = read_asked(await self._body(request), self._service.limits)
        bundle = self._service.bundle(asked.model)
        classifier = bundle.classifier

        def work() -> tuple[list[Prediction], bytes]:
            # one by one: together, the last bits of a score may differ in graphs with attention
            found = list(classifier.stream(asked.texts, top_k=asked.top_k, thresholds=asked.thresholds))
            answer = {
                "model": bundle.name,
                "manifest_sha256": bundle.sha256,
                "predictions": [prediction.to_dict() for prediction in found],
            }
            return found, _json(answer)

        found, content = await self._service.answer(work, expected_seconds(bundle, asked.texts))
        self._service.metrics.predictions(bundle.name, found)
        self._service.save_watch_sometimes()
        return Answer(content, len(found))

    async def _predict_as_tei(self, request: Request) -> Answer:
        asked = read_asked_as_tei(await self._body(request), self._service.limits)
        bundle = self._service.bundle(None)
        check_tei_form(asked.texts, bundle.manifest.reads.kind)
        found, content = await self._service.answer(
            lambda: _as_tei(bundle.classifier, asked), expected_seconds(bundle, asked.texts)
        )
        self._service.metrics.predictions(bundle.name, found)
        self._service.save_watch_sometimes()
        return Answer(content, len(found))

    async def _explain(self, request: Request) -> Answer:
        asked = read_asked_to_explain(await self._body(request), self._service.limits)
        bundle = self._service.bundle(asked.model)

        def work() -> bytes:
            found = bundle.classifier.explain(asked.text, asked.label, minimal=asked.minimal)
            return _json({"model": bundle.name, "manifest_sha256": bundle.sha256, **found.to_dict()})

        # each word takes two texts' time, so never on the event loop
        return Answer(await self._service.answer(work, math.inf), 1)

    async def _health(self, request: Request) -> Answer:
        return Answer(_json({"status": "ok", "bundles": list(self._service.bundles.by_name)}))

    async def _metrics(self, request: Request) -> Answer:
        text = self._service.metrics.text(self._service.bundles, self._service.pending)
        return Answer(text.encode(), media_type="text/plain; version=0.0.4")

    async def _manifest(self, request: Request) -> Answer:
        bundles = self._service.bundles.by_name.values()
        return Answer(
            _json(
                {
                    "bundles": [
                        {
                            "manifest_sha256": bundle.sha256,
                            **contract(bundle.manifest),
                            "metrics": bundle.manifest.metrics,
                        }
                        for bundle in bundles
                    ]
                }
            )
        )

    async def _watched(self, request: Request) -> Answer:
        bundle = self._service.bundle(request.query_params.get("model"))
        return Answer(_json(bundle.monitor.state.to_dict()))

    async def _openapi(self, request: Request) -> Answer:
        return Answer(_json(openapi(self._service.limits)))


def refused(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused."""
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if refusal.kind == OVERLOADED else {}
    if refusal.kind in (TOO_LARGE, TOO_SLOW):
        headers["Connection"] = "close"  # the rest of the body is not read
    if refusal.kind == UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    content = _json({"error": str(refusal), "error_type": refusal.kind.word})
    return Response(content, refusal.kind.status, headers=headers, media_type="application/json")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(TOO_LARGE, f"The body has more than {limits.body_bytes} bytes. Send fewer texts at once.")


def _as_tei(classifier: Classifier, asked: AskedAsTei) -> tuple[list[Prediction], bytes]:
    """Return predictions, and the scores of each in the form of text-embeddings-inference, the highest first."""
    found = list(classifier.stream(asked.texts))
    cut = next((index for index, prediction in enumerate(found) if prediction.truncated), None)
    if cut is not None and not asked.truncate:
        raise Refusal(
            TOO_LARGE,
            f"texts[{cut}]: The text has more tokens than the bundle reads. Send truncate: true, or a "
            "shorter text.",
        )
    tables: Sequence[dict[str, float]] = [prediction.scores for prediction in found]
    if asked.raw_scores:
        rows = [classifier.logits([text])[0].tolist() for text in asked.texts]
        tables = [dict(zip(classifier.labels, row, strict=True)) for row in rows]
    answer = [
        [{"score": score, "label": label} for label, score in sorted(table.items(), key=lambda item: -item[1])]
        for table in tables
    ]
    return found, _json(answer[0] if asked.single else answer)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
