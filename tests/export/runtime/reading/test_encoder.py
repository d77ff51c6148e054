"""Any text ends in ids or in an InputError, whatever the tokenizer does, panics of its Rust code among it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from distill.export.runtime import BundleError, InputError, load
from distill.export.runtime.reading.encoder import BATCH_CHARACTERS, Encoder, open_tokenizer
from distill.export.runtime.reading.inputs import MAX_TEXT_CHARACTERS
from tests.support.tiny_bundle import MAX_TOKENS, make_tiny_bundle, tiny_tokenizer

NASTY = {
    "empty": "",
    "one character": "x",
    "a megabyte of one word": "a" * 2**20,
    "a megabyte of words": "sad day " * 2**17,
    "a megabyte of signs": "!" * 2**20,
    "NUL": "sad\0day\0",
    "right to left": "שלום عليكم \u202esad\u202c",
    "combining marks": "e" + "\u0301" * 10_000,
    "emoji sequences": "👨‍👩‍👧‍👦🏳️‍🌈👍🏽" * 500,
    "lines": "i am sad\n" * 10_000,
    "long compatibility forms": "\ufdfa" * 10_000,
    "every plane": "".join(chr(plane << 16 | low) for plane in range(17) for low in range(0, 0xD800, 997)),
    "not characters": "\ufffe\uffff\U0010ffff\ufeff",
}


class PanicException(BaseException):
    """As pyo3's, which cannot be imported."""


class Failing:
    """A tokenizer that cannot do anything with a text that has a Z."""

    padding = truncation = None

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.inner = tiny_tokenizer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, text: str) -> Any:
        if "Z" in text:
            raise self.error
        return self.inner.encode(text)

    def encode_batch(self, texts: list[str]) -> Any:
        return [self.encode(text) for text in texts]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(make_tiny_bundle(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.timeout(300)
def test_nasty_texts_end_in_a_result(classifier: Any, name: str) -> None:
    start = time.process_time()
    (prediction,) = classifier.predict([NASTY[name]])
    assert set(prediction.scores) == set(classifier.labels)
    assert time.process_time() - start < 30


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_ends_in_a_result_or_in_an_input_error(classifier: Any, text: str) -> None:
    surrogate = any("\ud800" <= character <= "\udfff" for character in text)
    try:
        found = classifier.predict([text])
    except InputError:
        assert surrogate
    else:
        assert len(found) == 1
        assert not surrogate


def test_a_text_beyond_the_bound_is_refused_with_its_length(classifier: Any) -> None:
    with pytest.raises(
        InputError, match=r"texts\[1\]: The text has 1048577 characters, but must have at most 1048576"
    ):
        classifier.predict(["sad", "x" * (MAX_TEXT_CHARACTERS + 1)])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [PanicException("my secret"), ValueError("my secret"), TypeError("my secret")])
def test_a_tokenizer_that_fails_names_the_text_and_never_quotes_it(threads: int, error: BaseException) -> None:
    encoder = Encoder(Failing(error), MAX_TOKENS, threads=threads)
    with pytest.raises(InputError, match=r"texts\[7\]: The bundle's tokenizer fails on it") as caught:
        encoder.encode(["sad", "my secret Z"], [3, 7])
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(InputError, match=r"texts\[3\]: The text cannot be tokenized. It must be valid Unicode"):
        encoder.encode(["\ud800", "sad"], [3, 7])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_whoever_asks_to_stop_is_heard(threads: int, error: BaseException) -> None:
    with pytest.raises(type(error)):
        Encoder(Failing(error), MAX_TOKENS, threads=threads).encode(["sad", "Z"], [0, 1])


def test_a_real_panic_is_one_of_our_errors(capfd: pytest.CaptureFixture[str]) -> None:
    state = json.loads(tiny_tokenizer().to_str())
    state["post_processor"]["special_tokens"].pop("[CLS]")
    broken = json.dumps(state)
    with pytest.raises(BundleError, match="a special token or a text that is not there"):
        open_tokenizer(broken.encode(), Path("tokenizer.json"))
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match=r"texts\[0\]: The bundle's tokenizer fails on it"):
        Encoder(Tokenizer.from_str(broken), MAX_TOKENS).encode(["sad"], [0])
    assert "panicked" in capfd.readouterr().err  # which is why such a file is not even opened


def test_threads_and_long_batches_change_no_id() -> None:
    texts = ["sad " * 3, "i am happy today", "", "not " * (BATCH_CHARACTERS // 8)]
    plain = Encoder(tiny_tokenizer(), MAX_TOKENS).encode(texts, range(4))
    assert [row.truncated for row in plain] == [False, False, False, True]
    for some in (texts, texts[:3], texts * 3):
        found = Encoder(tiny_tokenizer(), MAX_TOKENS, threads=2).encode(some, range(len(some)))
        assert found == (plain * 3)[: len(some)]
