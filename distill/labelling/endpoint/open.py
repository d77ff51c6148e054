"""A labeller from a recipe: its server probed, its cache opened, and what it will cost said before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from distill.export.runtime.reading.inputs import Row
from distill.labelling.codebook import Codebook, text_of
from distill.labelling.endpoint.address import Address, address_of
from distill.labelling.endpoint.cache import AnswerCache
from distill.labelling.endpoint.client import Client, key_from
from distill.labelling.endpoint.labeller import EndpointLabeller
from distill.labelling.endpoint.probe import known_server, note_server, probe, require_same
from distill.labelling.endpoint.questions import questions_of
from distill.recipe.llm import EndpointRecipe
from distill.runs.progress import Reporter
from distill.teachers.store import LabelIdentity, label_split

# characters per token of text in Latin letters; other scripts have about one token per character
LATIN_CHARACTERS = 4

# rows whose lengths stand for all
SAMPLED = 1000

# share of options without a log-probability above which the answers say little
MOST_UNNAMED = 0.2


@dataclass(frozen=True)
class Estimate:
    """The requests about some rows, and the tokens that they send, roughly."""

    rows: int
    requests: int
    tokens: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.rows:,} rows, {self.requests:,} requests, about {self.tokens:,} tokens"


def estimate(book: Codebook, rows: Sequence[Row], per_row: int) -> Estimate:
    """Return what labelling rows sends, from the lengths of some of them.

    Args:
        book: the labels and the prompt.
        rows: texts.
        per_row: requests about each of them.
    """
    questions = questions_of(book)
    step = max(1, len(rows) // SAMPLED)
    sampled = [rows[row] for row in range(0, len(rows), step)]
    lengths = [
        sum(tokens_of(message["content"]) for message in question.messages(book, text_of(row)))
        for row in sampled
        for question in questions
    ]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    return Estimate(len(rows), len(rows) * per_row, round(len(rows) * per_row * mean))


def endpoint_of(recipe: EndpointRecipe) -> Address:
    """Return the address of a recipe's server, and check that its key can be read; nothing is sent.

    Raises:
        InputError: the url or the key cannot be used.
    """
    key_from(recipe.key_env)
    return address_of(recipe.url, allow_remote=recipe.allow_remote)


@contextmanager
def open_endpoint(recipe: EndpointRecipe, book: Codebook, folder: Path) -> Iterator[EndpointLabeller]:
    """Open the cache of answers, and probe the server if no earlier command has.

    Args:
        recipe: of the server.
        book: the labels and the prompt.
        folder: of the answers.

    Raises:
        InputError: the url or the key cannot be used, or the server does not answer.
    """
    address = endpoint_of(recipe)
    client = Client(address, key_from(recipe.key_env), recipe.retries, recipe.timeout_s)
    book = book if address.is_local else book.masked()
    with AnswerCache(folder) as cache:
        server = known_server(folder, recipe.model)
        if server is None:
            server = probe(client, recipe.model, book)
            note_server(folder, server)
        try:
            yield EndpointLabeller(
                book, server, client, cache, recipe.concurrency, recipe.samples, not address.is_local, total=0
            )
        finally:
            client.stop()


def label_rows(
    labeller: EndpointLabeller, folder: Path, rows: Sequence[Row], identity: LabelIdentity, reporter: Reporter
) -> None:
    """Label one split; an interrupted execution resumes with the first request that has no answer.

    Args:
        labeller: of an open endpoint.
        folder: gets the shards.
        rows: texts.
        identity: of the scores; every shard carries it.
        reporter: shows a bar.

    Raises:
        InputError: the server fails, or is not the one that gave earlier answers.
    """
    with reporter.bar(f"look for answers about {identity.split}", len(rows)) as advance:
        left = labeller.unanswered(rows, advance)
    if left:
        kept = len(rows) * labeller.requests_per_row - left
        reporter.say(
            f"  {identity.split}: {estimate(labeller.book, rows, labeller.requests_per_row)}"
            + (f"; {kept:,} are answered already" if kept else "")
        )
        if kept:  # by a server that must still be the same
            require_same(labeller.server, probe(labeller.client, labeller.server.model, labeller.book))
    with reporter.bar(f"ask about {identity.split}", len(rows)) as advance:
        asking = replace(labeller, total=len(rows), advance=lambda count: advance(count, _news(asking)))
        label_split(folder, rows, asking.label, identity)
    for line in complaints(asking):
        reporter.say(f"warning: {identity.split}: {line}")


def complaints(labeller: EndpointLabeller) -> tuple[str, ...]:
    """Return what went wrong without ending the work, as sentences."""
    tally, lines = labeller.tally, []
    if tally.failed_rows:
        lines.append(
            f"{tally.failed_rows} rows have no answer ({tally.by_status()}) and got the mean scores of the others."
        )
    if tally.options and tally.unnamed / tally.options > MOST_UNNAMED:
        lines.append(
            f"The server names no log-probability of {tally.unnamed / tally.options:.0%} of the options. Let it "
            "give more of them, or use fewer labels."
        )
    return tuple(lines)


def _news(labeller: EndpointLabeller) -> str:
    return f"failed {labeller.tally.failed_rows}" if labeller.tally.failed_rows else ""


def tokens_of(text: str) -> float:
    """Return roughly the number of tokens in a text."""
    latin = sum(character.isascii() for character in text)
    return latin / LATIN_CHARACTERS + (len(text) - latin)
