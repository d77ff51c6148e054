"""The probe: what a server can answer, found out with three texts of our own before any row is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from distill.artifacts.records import from_dict
from distill.export.runtime.errors import InputError
from distill.files.json_files import read_json, write_json
from distill.labelling.codebook import Codebook
from distill.labelling.endpoint.answers import next_tokens, option_scores, reported_model, vote
from distill.labelling.endpoint.client import Client, Failure, Request
from distill.labelling.endpoint.questions import MOST_OPTIONS, questions_of

SERVERS_FILE = "servers.json"

TEXTS = (
    "I slept well and the walk by the river did me good.",
    "Nobody called back, and I do not know what to do next.",
    "The form has to be handed in by Friday.",
)

# log-probabilities that are asked for, the first number that a server accepts; none give more than the first
TOPS = (MOST_OPTIONS, 5)

# answers to a request with something that a server does not know
REFUSALS = ("400", "422", "501")


@dataclass(frozen=True)
class Server:
    """A model behind a server.

    Attributes:
        model: its name in the recipe.
        reported: its name as the server reports it.
        options: tokens whose log-probabilities the server gives; 0 where there are none, and votes are counted.
        asked: tokens whose log-probabilities it is asked for.
    """

    model: str
    reported: str
    options: int
    asked: int = MOST_OPTIONS


def request_of(model: str, messages: list[dict[str, str]], *, sample: int | None, asked: int = 0) -> Request:
    """Return the JSON of a chat completion.

    Args:
        model: its name.
        messages: of the chat.
        sample: number of a sampled answer; None asks for the log-probabilities of the next token.
        asked: the number of tokens whose log-probabilities are asked for.
    """
    request: Request = {"model": model, "messages": messages, "stream": False}
    if sample is None:
        least = {"max_tokens": 1, "temperature": 0.0, "seed": 0}
        return {**request, **least, "logprobs": True, "top_logprobs": asked}
    return {**request, "max_tokens": 4, "temperature": 1.0, "seed": sample}


def probe(client: Client, model: str, book: Codebook) -> Server:
    """Ask a server about three texts of our own, and return what it can answer.

    Args:
        client: of the server.
        model: its name in the recipe.
        book: the labels.

    Raises:
        InputError: it does not answer, or its answers are none of the options.
    """
    question = replace(questions_of(book)[0], shots=())  # which are rows of the corpus
    shown = [question.messages(book, text) for text in TEXTS]
    for asked in TOPS:
        replies = _replies(client, [request_of(model, one, sample=None, asked=asked) for one in shown])
        if isinstance(replies, Failure) and replies.status in REFUSALS:
            continue
        given = _given(replies, model)
        tokens = [next_tokens(reply) for reply in given]
        if any(one is None for one in tokens):
            break
        options = min(len(one or {}) for one in tokens)
        unnamed = [option_scores(one or {"": 0}, question.options)[1] for one in tokens]
        _require_answers(sum(count < len(question.options) for count in unnamed), model)
        return Server(model, reported_model(given[0]), min(options, asked), asked)
    given = _given(_replies(client, [request_of(model, one, sample=0) for one in shown]), model)
    _require_answers(sum(vote(reply, question.options) is not None for reply in given), model)
    return Server(model, reported_model(given[0]), 0)


def known_server(folder: Path, model: str) -> Server | None:
    """Return what an earlier probe of a model found; None if there was none."""
    path = folder / SERVERS_FILE
    known = read_json(path).get(model) if path.is_file() else None
    return None if known is None else from_dict(Server, known)


def note_server(folder: Path, server: Server) -> None:
    """Write what a probe found, and what earlier ones found of other models."""
    path = folder / SERVERS_FILE
    others: Mapping[str, Any] = read_json(path) if path.is_file() else {}
    write_json({**others, server.model: asdict(server)}, path)


def require_same(known: Server, found: Server) -> None:
    """Refuse a server that now answers differently from the one that gave the answers so far.

    Raises:
        InputError: it reports another model, or gives other log-probabilities.
    """
    if known == found:
        return
    raise InputError(
        f"`url`: The server reports the model {found.reported!r} with {found.options} log-probabilities, and the "
        f"answers so far are of {known.reported!r} with {known.options}. Start that one again, or remove the "
        "folder answers/ of the run."
    )


def _replies(client: Client, requests: Sequence[Request]) -> list[Any] | Failure:
    """Return the answers to some requests, or the first failure."""

    def read(reply: Any) -> Any:
        next_tokens(reply)  # refuses what is not an answer
        return reply

    found: list[Any] = []
    for request in requests:
        reply = client.ask(request, read)
        if isinstance(reply, Failure):
            return reply
        found.append(reply)
    return found


def _given(replies: list[Any] | Failure, model: str) -> list[Any]:
    if isinstance(replies, Failure):
        raise InputError(
            f"`url`: The server did not answer a test question ({replies.status}). Check that it runs and has the "
            f"model {model}."
        )
    return replies


def _require_answers(answered: int, model: str) -> None:
    if not answered:
        raise InputError(
            f"`url`: {model} began none of three test answers with one of the options. Use a model that answers "
            "without thinking aloud, or say in `prompt` how to answer."
        )
