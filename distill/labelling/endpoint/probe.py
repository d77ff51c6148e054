"""The probe: what a server can answer, found out with three texts of our own before any row is sent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.records import from_dict
from distill.export.runtime.errors import InputError
from distill.files.json_files import read_json, write_json
from distill.labelling.codebook import Codebook
from distill.labelling.endpoint.answers import next_tokens, option_scores, reported_model, vote
from distill.labelling.endpoint.client import Client, Failure, Request
from distill.labelling.endpoint.questions import MOST_OPTIONS, Question, questions_of

SERVERS_FILE = "servers.json"

TEXTS = (
    "I slept well and the walk by the river did me good.",
    "Nobody called back, and I do not know what to do next.",
    "The form has to be handed in by Friday.",
)

# log-probabilities that are asked for; servers give no more
TOP = MOST_OPTIONS


@dataclass(frozen=True)
class Server:
    """A model behind a server.

    Attributes:
        model: its name in the recipe.
        reported: its name as the server reports it.
        options: tokens whose log-probabilities the server gives; 0 where there are none, and votes are counted.
    """

    model: str
    reported: str
    options: int


def request_of(model: str, messages: list[dict[str, str]], *, sample: int | None) -> Request:
    """Return the JSON of a chat completion.

    Args:
        model: its name.
        messages: of the chat.
        sample: number of a sampled answer; None asks for the log-probabilities of the next token.
    """
    request: Request = {"model": model, "messages": messages, "stream": False}
    if sample is None:
        least = {"max_tokens": 1, "temperature": 0.0, "seed": 0}
        return {**request, **least, "logprobs": True, "top_logprobs": TOP}
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
    question = questions_of(book)[0]
    replies = [_reply(client, model, question, book, text, sample=None) for text in TEXTS]
    tokens = [next_tokens(reply) for reply in replies]
    if all(one is not None for one in tokens):
        options, given = (
            min(len(one or {}) for one in tokens),
            [option_scores(one or {"": 0}, question.options) for one in tokens],
        )
        answered = sum(missing < len(question.options) for _, missing in given)
    else:
        options = 0
        replies = [_reply(client, model, question, book, text, sample=0) for text in TEXTS]
        answered = sum(vote(reply, question.options) is not None for reply in replies)
    if not answered:
        raise InputError(
            f"`url`: {model} began none of three test answers with one of the options. Use a model that answers "
            "without thinking aloud, or say in `prompt` how to answer."
        )
    return Server(model, reported_model(replies[0]), min(options, TOP))


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


def _reply(
    client: Client, model: str, question: Question, book: Codebook, text: str, *, sample: int | None
) -> Any:
    request = request_of(model, question.messages(book, text), sample=sample)

    def read(reply: Any) -> Any:
        next_tokens(reply)  # refuses what is not an answer
        return reply

    found = client.ask(request, read)
    if isinstance(found, Failure):
        raise InputError(
            f"`url`: The server did not answer a test question ({found.status}). Check that it runs and has the "
            f"model {model}."
        )
    return found
