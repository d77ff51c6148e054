"""The service's routes, called without a network: what is answered, what is refused, and what is left behind."""

import asyncio
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from distill.export.runtime import load
from distill.export.runtime.reading.inputs import Pair, Text, Turns
from distill.serving.app import Application
from distill.serving.limits import Limits
from distill.serving.log import Log
from distill.serving.openapi import openapi
from distill.serving.refusal import Refusal
from distill.serving.requests import TEI_FORMS, check_tei_form
from distill.serving.service import Service
from tests.support.command import ROOT
from tests.support.tiny_bundle import LABELS, make_tiny_bundle, rewrite_manifest

CANARY = "canaryzeugnis"
LIMITS = Limits(body_bytes=2000, texts=3, characters=200, waiting=1, receive_seconds=0.2, answer_seconds=0.3)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Place:
    """An application on a tiny bundle, and its log."""

    bundle: Path
    service: Service
    app: Application
    log: io.StringIO

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        return asyncio.run(call(self.app, method, path, [body], headers))

    def post(self, path: str, value: object, **headers: str) -> Reply:
        return self.call("POST", path, json.dumps(value).encode(), **headers)


async def call(
    app: Application, method: str, path: str, chunks: list[bytes | None], headers: dict[str, str]
) -> Reply:
    """One request; `None` among the chunks never arrives."""
    waiting = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        chunk = waiting.pop(0)
        if chunk is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": named, "root_path": "", "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    await app(scope, receive, send)
    start, *rest = sent
    found = {name.decode(): text.decode() for name, text in start["headers"]}
    return Reply(start["status"], found, b"".join(message["body"] for message in rest))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Place]:
    def make(*, token: str | None = None, pins: tuple[str, ...] = (), task: str = "multi_label") -> Place:
        bundle = make_tiny_bundle(tmp_path / "bundle", task=task)
        log = io.StringIO()
        service = Service([bundle], pins, limits=LIMITS, threads=1, log=Log(log))
        return Place(bundle, service, Application(service, token), log)

    return make


@pytest.fixture
def place(make: Callable[..., Place]) -> Place:
    return make()


def test_predictions_are_those_of_python(place: Place) -> None:
    texts = ["i am happy", "you feel very sad today not calm"]
    reply = place.post("/v1/predict", {"texts": texts})
    expected = [
        {**prediction.to_dict(), "labels": list(prediction.labels)}
        for prediction in map(load(place.bundle), texts)
    ]
    assert reply.status == 200
    assert json.loads(json.dumps(expected)) == reply.json["predictions"]
    assert (reply.json["model"], reply.json["manifest_sha256"]) == ("tiny", place.service.bundles.first.sha256)
    cut = place.post("/v1/predict", {"texts": texts[:1], "model": "tiny", "top_k": 1, "thresholds": {"joy": 0}})
    assert len(cut.json["predictions"][0]["scores"]) == 1
    assert "joy" in cut.json["predictions"][0]["labels"]
    assert place.post("/v1/predict", {"texts": []}).json["predictions"] == []


def test_the_shape_of_text_embeddings_inference(place: Place) -> None:
    scores = load(place.bundle)("i am happy").scores
    expected = [{"score": scores[name], "label": name} for name in sorted(LABELS, key=lambda name: -scores[name])]
    assert place.post("/predict", {"inputs": "i am happy"}).json == expected
    assert place.post("/predict", {"inputs": ["i am happy"]}).json == expected
    several = place.post("/predict", {"inputs": [["i am happy"], ["sad"]], "raw_scores": False, "truncate": False})
    assert several.json[0] == expected
    assert len(several.json) == 2
    raw = place.post("/predict", {"inputs": "i am happy", "raw_scores": True}).json
    logits = load(place.bundle).logits(["i am happy"])[0]
    assert {row["label"]: row["score"] for row in raw} == dict(zip(LABELS, logits.tolist(), strict=True))
    long = "sad " * 20
    assert place.post("/predict", {"inputs": long}).status == 200
    refused = place.post("/predict", {"inputs": long, "truncate": False})
    assert (refused.status, refused.json["error_type"]) == (413, "validation")


@pytest.mark.parametrize(
    "inputs", [["one", "pair"], ["one", "two", "three"], [["one"], ["a", "pair"]], [["one"], "two"]]
)
def test_inputs_of_another_form_are_answered_with_the_form_to_send(place: Place, inputs: list[object]) -> None:
    refused = place.post("/predict", {"inputs": inputs})
    assert (refused.status, refused.json["error_type"]) == (422, "validation")
    assert refused.json["error"].endswith('Send [["text"], ["text"]].')


@pytest.mark.parametrize(
    ("kind", "texts", "said"),
    [
        ("text", ["one", ("a", "pair")], 'Send [["text"], ["text"]].'),
        ("pair", [("a", "pair"), "one"], 'Send [["first", "second"], ["first", "second"]].'),
        ("turns", ["one"], "Send them to /v1/predict."),
    ],
)
def test_the_form_follows_from_what_a_bundle_reads(
    kind: str, texts: list[str | tuple[str, str]], said: str
) -> None:
    assert set(TEI_FORMS) == {kind.kind for kind in (Text, Pair, Turns)}
    with pytest.raises(Refusal, match=re.escape(said)):
        check_tei_form(texts, kind)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON in UTF-8"),
        (b'{"texts": ["\xff"]}', 400, "not JSON in UTF-8"),
        (b'{"texts": [NaN]}', 400, "not JSON in UTF-8"),
        (b"[" * 1500, 400, "not JSON in UTF-8"),
        (b"[]", 422, "must be a JSON object"),
        (b'{"texts": ["a"], "%s": 1}' % CANARY.encode(), 422, "unknown key"),
        (b'{"texts": "%s"}' % CANARY.encode(), 422, "texts: The value must be a list"),
        (b'{"texts": [["%s"]]}' % CANARY.encode(), 422, r"texts\[0\]: The text must be a string, but is list"),
        (b'{"texts": ["a", null]}', 422, r"texts\[1\]: The text must be a string"),
        (b'{"texts": ["\\ud800"]}', 422, "cannot be tokenized"),
        (b'{"texts": ["a"], "model": 3}', 422, "model: The value must be a string"),
        (b'{"texts": ["a"], "model": "%s"}' % CANARY.encode(), 404, "Served are tiny"),
        (b'{"texts": ["a"], "top_k": 0}', 422, "top_k"),
        (b'{"texts": ["a"], "top_k": "1"}', 422, "top_k"),
        (b'{"texts": ["a"], "thresholds": {"%s": 1}}' % CANARY.encode(), 422, "not a label with a threshold"),
        (b'{"texts": ["a"], "thresholds": [1]}', 422, "thresholds"),
        (b'{"texts": ["a"], "thresholds": 1e999}', 422, "thresholds"),
        (b'{"texts": ["a", "b", "c", "d"]}', 413, "texts: There are 4, but at most 3"),
        (b'{"texts": ["%s"]}' % (b"a" * 201), 413, r"texts\[0\]: The text has 201 characters"),
        (b'{"texts": ["%s"]}' % (b"a" * 2000), 413, "more than 2000 bytes"),
    ],
)
def test_what_is_refused(place: Place, body: bytes, status: int, message: str) -> None:
    reply = place.call("POST", "/v1/predict", body)
    assert reply.status == status, reply.body
    assert re.search(message, reply.json["error"])
    assert CANARY not in reply.body.decode() + place.log.getvalue()


def test_other_routes_and_methods(place: Place) -> None:
    assert place.call("GET", f"/{CANARY}").status == 404
    assert place.call("GET", "/v1/predict").status == 405
    assert place.call("HEAD", "/healthz").status == 200
    assert place.call("POST", "/healthz").status == 405
    assert place.call("GET", "/v1/predict/").status == 404
    assert place.call("POST", "/v1/predict", b"{}", content_encoding="gzip").status == 415
    assert place.call("GET", "/healthz").json == {"status": "ok", "bundles": ["tiny"]}
    manifest = place.call("GET", "/v1/manifest").json["bundles"][0]
    assert (manifest["labels"], manifest["thresholds"]) == (list(LABELS), [0.5, 0.4, 0.6])
    assert "self_test" not in manifest
    assert CANARY not in place.log.getvalue()


def test_the_document_names_every_route_and_each_field(place: Place) -> None:
    document = place.call("GET", "/openapi.json").json
    assert document == json.loads(json.dumps(openapi(LIMITS)))
    routes = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    methods_of = {path: set(methods) - {"HEAD"} for path, (methods, _) in place.app._routes.items()}
    served = {(path, method) for path, methods in methods_of.items() for method in methods}
    assert routes == served
    schema = document["paths"]["/v1/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = place.post("/v1/predict", {"texts": ["sad"]}).json
    assert answer.keys() == schema["properties"].keys()
    described = schema["properties"]["predictions"]["items"]["properties"]
    assert answer["predictions"][0].keys() == described.keys() - {"context"}  # which is of conversations


def test_the_token_guards_everything_but_health(make: Callable[..., Place]) -> None:
    place = make(token="a" * 20)
    body = {"texts": ["sad"]}
    assert place.post("/v1/predict", body).status == 401
    refused = place.post("/v1/predict", body, authorization="Bearer wrong")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert place.post("/v1/predict", body, authorization="Bearer " + "a" * 20).status == 200
    assert place.call("GET", "/metrics").status == 401
    assert place.call("GET", "/healthz").status == 200
    assert "aaaa" not in place.log.getvalue()


def test_metrics_and_log_count_and_quote_nothing(place: Place) -> None:
    place.post("/v1/predict", {"texts": [f"{CANARY} happy", "sad"]})
    place.post("/v1/predict", {"texts": CANARY})
    text = place.call("GET", "/metrics").body.decode()
    assert 'distill_requests_total{route="/v1/predict",status="200"} 1\n' in text
    assert 'distill_requests_total{route="/v1/predict",status="422"} 1\n' in text
    assert 'distill_texts_total{model="tiny",outcome="decided"} 2\n' in text
    assert 'distill_request_seconds_count{route="/v1/predict"} 2\n' in text
    lines = [json.loads(line) for line in place.log.getvalue().splitlines()]
    assert [line.keys() for line in lines] == [{"time", "route", "status", "texts", "ms"}] * 3
    assert [(line["status"], line["texts"]) for line in lines] == [(200, 2), (422, 0), (200, 0)]
    assert CANARY not in text + place.log.getvalue()


def test_a_body_that_does_not_arrive_is_given_up(place: Place) -> None:
    reply = asyncio.run(call(place.app, "POST", "/v1/predict", [b'{"texts": [', None], {}))
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    many = [b" " * 900] * 4
    assert asyncio.run(call(place.app, "POST", "/v1/predict", list(many), {})).status == 413


def test_an_error_of_ours_is_500_and_says_its_kind_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(type(place.service.bundles.first.classifier), "stream", broken)
    reply = place.post("/v1/predict", {"texts": ["sad"]})
    assert (reply.status, reply.json["error_type"]) == (500, "backend")
    assert '"type": "ValueError"' in place.log.getvalue()
    assert CANARY not in reply.body.decode() + place.log.getvalue()


def test_a_full_queue_and_a_slow_answer_are_503(place: Place) -> None:
    async def fill() -> list[str]:
        loop = asyncio.get_running_loop()
        gate = asyncio.Event()
        service = place.service

        def wait() -> str:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            return "done"

        waiting = [asyncio.create_task(service.answer(wait, 9)) for _ in range(2)]  # one works, one waits
        await asyncio.sleep(0)
        said = []
        with pytest.raises(Refusal, match="Too many requests"):
            await service.answer(wait, 9)
        busy = await call(place.app, "POST", "/v1/predict", [b'{"texts": ["sad"]}'], {})
        said += [str(busy.status), busy.headers["retry-after"]]
        for task in waiting:
            with pytest.raises(Refusal, match="takes too long"):
                await task
        gate.set()
        while service.pending:
            await asyncio.sleep(0.01)
        return [*said, str((await call(place.app, "POST", "/v1/predict", [b'{"texts": ["sad"]}'], {})).status)]

    assert asyncio.run(fill()) == ["503", "1", "200"]


def test_a_bundle_is_exchanged_after_its_self_test(make: Callable[..., Place]) -> None:
    place = make()
    first = place.service.bundles.first.sha256
    rewrite_manifest(place.bundle, name="second")
    asyncio.run(place.service.reload())
    assert place.service.bundles.first.name == "second"
    second = place.service.bundles.first.sha256
    assert second != first
    (place.bundle / "onnx/model.onnx").write_bytes(b"no graph")
    asyncio.run(place.service.reload())
    assert place.service.bundles.first.sha256 == second
    assert place.post("/v1/predict", {"texts": ["sad"]}).status == 200
    text = place.call("GET", "/metrics").body.decode()
    assert 'distill_reloads_total{outcome="done"} 1' in text
    assert 'distill_reloads_total{outcome="refused"} 1' in text


def test_a_pin_holds_for_the_exchange_too(make: Callable[..., Place], tmp_path: Path) -> None:
    first = load(make_tiny_bundle(tmp_path / "bundle")).origin
    rewrite_manifest(tmp_path / "bundle", name="third")
    third = load(tmp_path / "bundle").origin
    assert first is not None
    assert third is not None
    place = make(pins=(first.manifest_sha256, third.manifest_sha256))
    rewrite_manifest(place.bundle, name="second")
    asyncio.run(place.service.reload())
    assert place.service.bundles.first.name == "tiny"
    rewrite_manifest(place.bundle, name="third")
    asyncio.run(place.service.reload())
    assert place.service.bundles.first.name == "third"


def test_a_text_has_the_same_bits_alone_and_among_others(tmp_path: Path) -> None:
    """A graph with attention, whose scores depend on batch-mates in their last bits."""
    texts = [" ".join(("i", "am", "so", "happy", "today")[: 1 + row % 5] * (1 + row % 3)) for row in range(40)]
    limits = Limits(texts=40)
    service = Service([ROOT / "tests/golden/layers-int8-static"], limits=limits, threads=1, log=Log(quiet=True))
    body = json.dumps({"texts": texts}).encode()
    reply = asyncio.run(call(Application(service), "POST", "/v1/predict", [body], {}))
    alone = [service.bundles.first.classifier(text).scores for text in texts]
    assert [prediction["scores"] for prediction in reply.json["predictions"]] == alone
    raw = json.dumps({"inputs": [[text] for text in texts], "raw_scores": True}).encode()
    tei = asyncio.run(call(Application(service), "POST", "/predict", [raw], {})).json
    logits = [service.bundles.first.classifier.logits([text])[0].max() for text in texts]
    assert [scores[0]["score"] for scores in tei] == logits


def test_an_explanation_is_that_of_python_and_names_each_field(place: Place) -> None:
    text = "you feel very sad today"
    reply = place.post("/v1/explain", {"text": text, "label": "sadness", "minimal": True})
    expected = load(place.bundle).explain(text, "sadness", minimal=True).to_dict()
    answer = {"model": "tiny", "manifest_sha256": place.service.bundles.first.sha256, **expected}
    assert (reply.status, reply.json) == (200, json.loads(json.dumps(answer)))
    paths = openapi(LIMITS)["paths"]
    schema = json.loads(json.dumps(paths))["/v1/explain"]["post"]["responses"]["200"]["content"]
    described = schema["application/json"]["schema"]["properties"]
    assert reply.json.keys() == described.keys()
    assert reply.json["words"][0].keys() == described["words"]["items"]["properties"].keys()
    assert reply.json["deletion"].keys() == described["deletion"]["properties"].keys()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "text: The key is missing"),
        ({"texts": ["a"]}, 422, "unknown key"),
        ({"text": [CANARY]}, 422, "must be a string"),
        ({"text": "a", "label": CANARY}, 422, "Name one of joy, sadness, calm"),
        ({"text": "a", "label": 1}, 422, "label: The value must be a string"),
        ({"text": "a", "minimal": 1}, 422, "minimal: The value must be true or false"),
        ({"text": "a" * 201}, 413, "has 201 characters"),
    ],
)
def test_what_is_not_explained(place: Place, body: object, status: int, message: str) -> None:
    reply = place.post("/v1/explain", body)
    assert (reply.status, message in reply.json["error"]) == (status, True)
    assert CANARY not in reply.body.decode() + place.log.getvalue()


def test_the_watch_counts_what_is_decided_and_survives_an_exchange(tmp_path: Path) -> None:
    bundle, folder = make_tiny_bundle(tmp_path / "bundle"), tmp_path / "watch"
    folder.mkdir()
    service = Service([bundle], limits=Limits(texts=300), threads=1, log=Log(quiet=True), watch=folder)
    app = Application(service)
    body = json.dumps({"texts": [f"sad {CANARY}"] * 150}).encode()
    asyncio.run(call(app, "POST", "/v1/predict", [body], {}))
    assert asyncio.run(call(app, "GET", "/v1/watch", [b""], {})).json["windows"] == []
    tei = json.dumps({"inputs": [["sad"]] * 100}).encode()
    asyncio.run(call(app, "POST", "/predict", [tei], {}))
    explained = json.dumps({"text": "sad"}).encode()
    asyncio.run(call(app, "POST", "/v1/explain", [explained], {}))
    state = asyncio.run(call(app, "GET", "/v1/watch", [b""], {})).json
    assert [window["counts"]["texts"] for window in state["windows"]] == [250]
    assert state["manifest_sha256"] == service.bundles.first.sha256
    assert list(folder.iterdir()) == []
    asyncio.run(service.reload())
    (path,) = folder.iterdir()
    assert json.loads(path.read_text("utf-8")) == state
    assert CANARY not in path.read_text("utf-8")
    asyncio.run(call(app, "POST", "/predict", [tei], {}))
    asyncio.run(
        service.reload()
    )  # nothing has changed: what was counted stays, though it is too little to be saved
    asyncio.run(call(app, "POST", "/predict", [tei], {}))
    rewrite_manifest(bundle, name="second")
    asyncio.run(service.reload())
    assert [window["counts"]["texts"] for window in json.loads(path.read_text("utf-8"))["windows"]] == [450]
    assert service.bundles.first.monitor.waiting == 0
    service.close()
