"""Bodies of requests, checked: what is asked, without anything that is not expected."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from distill.export.runtime.deciding.call_time import Thresholds
from distill.export.runtime.reading.inputs import PAIR, TEXT
from distill.export.runtime.reading.turns import TURNS
from distill.serving.limits import Limits
from distill.serving.refusal import BAD_REQUEST, TOO_LARGE, UNPROCESSABLE, Refusal

# what a bundle reads -> what one of the inputs of /predict must then be, and the form that a refusal shows
TEI_FORMS: Mapping[str, tuple[type, str]] = {
    TEXT: (
        str,
        'inputs: Two texts in one list are a pair, and this bundle reads single texts. Send [["text"], ["text"]].',
    ),
    PAIR: (tuple, 'inputs: This bundle reads pairs. Send [["first", "second"], ["first", "second"]].'),
    TURNS: (
        list,
        "inputs: This bundle reads conversations. Send them to /v1/predict.",
    ),  # no list comes so far
}

Text = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """Content of a body of `/v1/predict`: texts, and by which bundle and rule they are decided."""

    texts: list[Text]
    model: str | None = None
    top_k: int | None = None
    thresholds: Thresholds | None = None


@dataclass(frozen=True)
class AskedToExplain:
    """Content of a body of `/v1/explain`: one text, the label to explain, and whether to look for a deletion."""

    text: Text
    model: str | None = None
    label: str | None = None
    minimal: bool = False


@dataclass(frozen=True)
class AskedAsTei:
    """Content of a body of `/predict`, in the form of text-embeddings-inference; `single` is one text alone."""

    texts: list[Text]
    single: bool
    raw_scores: bool
    truncate: bool


def read_asked(body: bytes, limits: Limits) -> Asked:
    """Return the content of a body of `/v1/predict`.

    Raises:
        Refusal: it is no such object, or has too many or too long texts.
    """
    data = _object(body, ("texts", "model", "top_k", "thresholds"))
    texts = data.get("texts")
    if not isinstance(texts, list):
        raise Refusal(UNPROCESSABLE, "texts: The value must be a list of texts.")
    model = data.get("model")
    if model is not None and not isinstance(model, str):
        raise Refusal(UNPROCESSABLE, "model: The value must be a string.")
    return Asked(_checked(texts, limits), model, data.get("top_k"), data.get("thresholds"))


def read_asked_to_explain(body: bytes, limits: Limits) -> AskedToExplain:
    """Return the content of a body of `/v1/explain`.

    Raises:
        Refusal: it is no such object, or its text is too long.
    """
    data = _object(body, ("text", "model", "label", "minimal"))
    model, label, minimal = data.get("model"), data.get("label"), data.get("minimal", False)
    if "text" not in data:
        raise Refusal(UNPROCESSABLE, "text: The key is missing.")
    for name, value in (("model", model), ("label", label)):
        if value is not None and not isinstance(value, str):
            raise Refusal(UNPROCESSABLE, f"{name}: The value must be a string.")
    if not isinstance(minimal, bool):
        raise Refusal(UNPROCESSABLE, "minimal: The value must be true or false.")
    return AskedToExplain(_checked([data["text"]], limits)[0], model, label, minimal)


def read_asked_as_tei(body: bytes, limits: Limits) -> AskedAsTei:
    """Return the content of a body of `/predict`.

    Inputs are one text, the two texts of a pair, or a list of lists of one or two texts.

    Raises:
        Refusal: it is no such object, or has too many or too long texts.
    """
    data = _object(body, ("inputs", "raw_scores", "truncate"))
    inputs = data.get("inputs")
    flags = {name: data.get(name, default) for name, default in (("raw_scores", False), ("truncate", True))}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise Refusal(UNPROCESSABLE, f"{name}: The value must be true or false.")
    if isinstance(inputs, str):
        texts, single = [inputs], True
    elif isinstance(inputs, list) and inputs and isinstance(inputs[0], str):
        texts, single = [_sequence(inputs)], True
    elif isinstance(inputs, list) and inputs:
        texts, single = [_sequence(item) for item in inputs], False
    else:
        raise Refusal(
            UNPROCESSABLE, "inputs: The value must be a text, a pair of texts, or a list such as [[text], [text]]."
        )
    return AskedAsTei(_checked(texts, limits), single, flags["raw_scores"], flags["truncate"])


def check_tei_form(texts: Sequence[Text], kind: str) -> None:
    """Check that inputs of `/predict` are what a bundle reads, of the given kind.

    Raises:
        Refusal: one is not; it says what to send.
    """
    form, refusal = TEI_FORMS[kind]
    if not all(isinstance(text, form) for text in texts):
        raise Refusal(UNPROCESSABLE, refusal)


def _sequence(item: object) -> Any:
    """Return one text, or the two of a pair."""
    if not isinstance(item, list) or not 1 <= len(item) <= 2 or not all(isinstance(text, str) for text in item):
        raise Refusal(
            UNPROCESSABLE,
            "inputs: Each value must be a list of one text, or of the two texts of a pair. "
            'Send [["text"], ["text"]].',
        )
    return item[0] if len(item) == 1 else tuple(item)


def _object(body: bytes, known: Collection[str]) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):  # its message may quote the body
        raise Refusal(BAD_REQUEST, "The body is not JSON in UTF-8.") from None
    if not isinstance(data, dict):
        raise Refusal(UNPROCESSABLE, f"The body must be a JSON object with {', '.join(known)}.")
    if not data.keys() <= set(known):  # the unknown key may be a text
        raise Refusal(UNPROCESSABLE, f"The body has an unknown key. Known are {', '.join(known)}.")
    return data


def _no_number(_: str) -> NoReturn:
    raise ValueError


def _checked(texts: list[Any], limits: Limits) -> list[Text]:
    if len(texts) > limits.texts:
        raise Refusal(
            TOO_LARGE, f"texts: There are {len(texts)}, but at most {limits.texts} are taken. Send fewer at once."
        )
    for index, text in enumerate(texts):
        characters = characters_of(text)
        if characters > limits.characters:
            raise Refusal(
                TOO_LARGE,
                f"texts[{index}]: The text has {characters} characters, but at most {limits.characters} are "
                "taken. Cut it.",
            )
    return texts


def characters_of(text: object) -> int:
    """Return the number of characters of a text, a pair or all turns of a conversation; 0 for what is none."""
    if isinstance(text, str):
        return len(text)
    parts = text.values() if isinstance(text, dict) else text if isinstance(text, list | tuple) else ()
    # a turn is a list or an object inside of the list; nothing that is read is nested deeper
    inner = [part if isinstance(part, str) else characters_in(part) for part in parts]
    return sum(len(part) if isinstance(part, str) else part for part in inner)


def characters_in(turn: object) -> int:
    """Return the number of characters in the strings of a list or an object."""
    parts = turn.values() if isinstance(turn, dict) else turn if isinstance(turn, list | tuple) else ()
    return sum(len(part) for part in parts if isinstance(part, str))
