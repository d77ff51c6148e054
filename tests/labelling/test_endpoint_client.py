"""Requests that fail, pause, are answered badly, or may not be sent at all."""

import time

import pytest

from distill.corpora.corpus import Split
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.labelling.codebook import codebook_of
from distill.labelling.endpoint.address import address_of
from distill.labelling.endpoint.client import Client, Failure, _seconds, key_from
from distill.labelling.endpoint.probe import probe, require_same
from distill.recipe.llm import VerbaliserRecipe
from tests.support.fake_openai import FakeModel, fake_openai

BOOK = codebook_of(VerbaliserRecipe(), SingleLabel(("joy", "fear")), Split([], None), 0)
MESSAGES = [{"role": "system", "content": "A. joy\nB. fear"}, {"role": "user", "content": "hi\n\nA?"}]
REQUEST = {"model": "m", "messages": MESSAGES, "logprobs": True}


def client(url: str, **settings: float) -> Client:
    given = {"retries": 2, "timeout_s": 5.0} | settings
    return Client(address_of(url, allow_remote=False), "", int(given["retries"]), given["timeout_s"])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1/v1", "is not the address"),
        ("127.0.0.1:8080/v1", "is not the address"),
        ("http://127.0.0.1:99999/v1", "is not the address"),
        ("http://user:secret@127.0.0.1/v1", "holds a user"),
        ("http://example.org/v1", "another machine"),
        ("http://127.0.0.1.example.org/v1", "another machine"),
        ("http://10.0.0.5:8000/v1", "another machine"),
    ],
)
def test_only_this_machine_is_asked_without_leave(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        address_of(url, allow_remote=False)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.9/v1", "http://[::1]:8080/v1"])
def test_this_machine_has_several_names(url: str) -> None:
    assert address_of(url, allow_remote=False).is_local


def test_a_key_must_be_there_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(InputError, match="A_KEY"):
        key_from("A_KEY")
    monkeypatch.setenv("A_KEY", "s3cret\r\nEvil: 1")
    with pytest.raises(InputError, match="A_KEY"):
        key_from("A_KEY")
    monkeypatch.setenv("A_KEY", "s3cret")
    assert key_from("A_KEY") == "s3cret"
    assert "s3cret" not in repr(Client(address_of("http://localhost/v1", allow_remote=False), "s3cret", 0, 1.0))


def test_the_key_is_sent_as_a_token() -> None:
    model = FakeModel()
    with fake_openai(model) as url:
        Client(address_of(url, allow_remote=False), "s3cret", 0, 5.0).ask(REQUEST, dict)
    assert model.headers[0]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("cut", "connection"), ("429", "429"), ("500", "500"), ("broken", "malformed")],
)
def test_what_a_last_attempt_fails_of_is_said(kind: str, status: str) -> None:
    model = FakeModel(trouble={kind: 1.0})
    with fake_openai(model) as url:
        assert client(url).ask(REQUEST, dict) == Failure(status)
    assert sum(model.asked.values()) == 3


def test_a_server_that_is_slow_times_out() -> None:
    model = FakeModel(delay=1.0)
    with fake_openai(model) as url:
        assert client(url, retries=0, timeout_s=0.2).ask(REQUEST, dict) == Failure("timeout")


def test_no_server_is_a_failed_connection() -> None:
    with fake_openai(FakeModel()) as url:
        pass
    assert client(url, retries=0).ask(REQUEST, dict) == Failure("connection")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_everything_ends_the_work(status: int) -> None:
    with fake_openai(FakeModel(status=status)) as url, pytest.raises(InputError, match=str(status)):
        client(url).ask(REQUEST, dict)


def test_a_row_that_is_refused_is_not_sent_again() -> None:
    model = FakeModel(status=400)
    with fake_openai(model) as url:
        assert client(url).ask(REQUEST, dict) == Failure("400")
    assert sum(model.asked.values()) == 1


def test_nobody_asks_before_the_time_that_the_server_names() -> None:
    model = FakeModel(trouble={"429": 1.0}, retry_after="0.6")
    with fake_openai(model) as url:
        start, one = time.monotonic(), client(url, retries=1)
        one.ask(REQUEST, dict)
    assert time.monotonic() - start > 0.6


def test_a_pause_of_an_hour_is_not_waited_for() -> None:
    """Or the test would be killed."""
    model = FakeModel(trouble={"429": 1.0}, retry_after="3600")
    with fake_openai(model) as url:
        assert client(url).ask(REQUEST, dict) == Failure("429")


def test_a_pause_is_seconds_or_a_date() -> None:
    assert _seconds(None) is None
    assert _seconds("soon") is None
    assert _seconds("nan") is None
    assert _seconds("inf") is None
    assert _seconds("2.5") == 2.5
    assert _seconds("-1") == 0.0
    assert _seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (_seconds("Wed, 21 Oct 2099 07:28:00 GMT") or 0) > 1e9


def test_a_probe_sends_texts_of_our_own_and_finds_out_what_is_given() -> None:
    for gives, options in ((20, 20), (5, 5), (0, 0)):
        model = FakeModel(gives=gives)
        with fake_openai(model) as url:
            server = probe(client(url), "m", BOOK)
        assert (server.model, server.reported, server.options) == ("m", "fake-1", options)


def test_a_server_that_refuses_to_give_as_many_is_asked_for_fewer_and_then_for_votes() -> None:
    for accepts, options in ((20, 20), (5, 5), (4, 0)):
        model = FakeModel(accepts=accepts)
        with fake_openai(model) as url:
            server = probe(client(url), "m", BOOK)
        assert (server.options, server.asked) == (options, options or 20)
        assert len(model.requests) == {20: 3, 5: 1 + 3, 4: 1 + 1 + 3}[accepts]


def test_a_path_is_sent_in_ascii() -> None:
    given = "http://127.0.0.1:1/büro%20zwei/a b/v1/"
    assert address_of(given, allow_remote=False).path == "/b%C3%BCro%20zwei/a%20b/v1"


def test_a_model_that_begins_with_something_else_is_refused() -> None:
    with fake_openai(FakeModel(begins="<think>")) as url, pytest.raises(InputError, match="none of three"):
        probe(client(url), "m", BOOK)
    silent = FakeModel(begins="<think>", gives=0)
    with fake_openai(silent) as url, pytest.raises(InputError, match="none of three"):
        probe(client(url), "m", BOOK)


def test_another_model_than_before_is_refused() -> None:
    with fake_openai(FakeModel()) as url:
        before = probe(client(url), "m", BOOK)
    with fake_openai(FakeModel(name="fake-2")) as url:
        now = probe(client(url), "m", BOOK)
    require_same(before, before)
    with pytest.raises(InputError, match="fake-2"):
        require_same(before, now)
