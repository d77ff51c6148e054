"""The service with a bundle of turns: conversations as Python decides them, refused in a sentence."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from distill.export.runtime import Turn, load
from distill.export.runtime.reading.inputs import Turns
from distill.serving.app import Application
from distill.serving.limits import Limits
from distill.serving.log import Log
from distill.serving.openapi import openapi
from distill.serving.service import Service
from tests.serving.test_app import CANARY, Reply, call
from tests.support.tiny_turns import ROLES, TEMPLATE, make_turns_bundle

LIMITS = Limits(body_bytes=5000, texts=3, characters=200, waiting=1)

TALK = [Turn("client", "i feel sad"), Turn("therapist", "you feel sad"), Turn("client", "very")]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reads = Turns(2, ROLES, ("client",), segments=3, template=TEMPLATE)
    return make_turns_bundle(tmp_path_factory.mktemp("turns") / "bundle", reads)


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def app(bundle: Path, log: io.StringIO) -> Application:
    return Application(Service([bundle], (), limits=LIMITS, threads=1, log=Log(log)), None)


def post(app: Application, path: str, value: object) -> Reply:
    return asyncio.run(call(app, "POST", path, [json.dumps(value).encode()], {}))


def test_conversations_are_decided_as_in_python(app: Application, bundle: Path) -> None:
    talks = [TALK, TALK[:1]]
    expected = [prediction.to_dict() for prediction in load(bundle).predict(talks)]
    for texts in ([[turn._asdict() for turn in talk] for talk in talks], talks):
        reply = post(app, "/v1/predict", {"texts": texts})
        assert (reply.status, reply.json["predictions"]) == (200, json.loads(json.dumps(expected)))
    assert [found["context"] for found in reply.json["predictions"]] == [2, 0]
    paths = json.loads(json.dumps(openapi(LIMITS)["paths"]))
    answer = paths["/v1/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    described = answer["properties"]["predictions"]["items"]["properties"]
    assert reply.json["predictions"][0].keys() == described.keys()


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/predict", {"texts": [CANARY]}, 422, "the bundle reads turns of a conversation"),
        ("/v1/predict", {"texts": [[]]}, 422, "The list of turns is empty"),
        (
            "/v1/predict",
            {"texts": [[CANARY, "b"]]},
            422,
            "texts[0], turn 1: A turn must have a speaker and",
        ),
        ("/v1/predict", {"texts": [[["client", "a"], [CANARY, "a"]]]}, 422, "turn 2: The speaker is unknown"),
        ("/v1/predict", {"texts": [[["therapist", CANARY]]]}, 422, "a role that this bundle does not decide"),
        ("/v1/predict", {"texts": [[["client", CANARY * 20]]]}, 413, "at most 200 are taken"),
        ("/v1/explain", {"text": [["client", CANARY]]}, 422, "are not told apart. Use predict_turns"),
        ("/predict", {"inputs": CANARY}, 422, "This bundle reads conversations. Send them to /v1/predict."),
        ("/predict", {"inputs": [[["client", CANARY]]]}, 422, "must be a list of one text"),
    ],
)
def test_what_is_no_conversation_is_refused(
    app: Application, log: io.StringIO, path: str, body: object, status: int, said: str
) -> None:
    reply = post(app, path, body)
    assert (reply.status, said in reply.json["error"]) == (status, True), reply.json
    assert CANARY not in reply.body.decode() + log.getvalue()
