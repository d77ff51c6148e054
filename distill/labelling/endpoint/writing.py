"""Texts that a language model behind a server writes: train rows in other words, and new ones per label."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.reading.scrub import scrub
from distill.export.runtime.errors import InputError
from distill.labelling.codebook import plain, text_of
from distill.labelling.endpoint.answers import MalformedAnswer, content
from distill.labelling.endpoint.client import Client, Failure, Request, key_from
from distill.labelling.endpoint.labeller import MOST_FAILED, Tally
from distill.labelling.endpoint.open import SAMPLED, endpoint_of, tokens_of
from distill.labelling.endpoint.workers import in_threads
from distill.recipe.llm import EndpointRecipe
from distill.runs.progress import Reporter

# not .jsonl, which is a log to a stage: later stages depend on these texts
WRITTEN_FILE = "written.txt"

WRITING = ("rewrite", "write")

# rows that show how people in the corpus write
EXAMPLES = 4

DRAWN = {"max_tokens": 200, "temperature": 1.0}

REWRITE = (
    "Rewrite the text in other words. Keep its meaning, its tone, its register and about its length. Answer with "
    "the new text alone."
)
WRITE = (
    "Here are texts of one collection. Write one new text that could be from it: the same register and length, "
    "another content. Answer with the new text alone."
)


@dataclass(frozen=True)
class Task:
    """One text to be written: its number, the messages that ask for it, and the request with them."""

    number: int
    messages: Sequence[Mapping[str, str]]
    request: Request


def tasks(
    corpus: Corpus, ways: Sequence[str], count: int, model: str, *, scrubs: bool, seed: int
) -> Iterator[Task]:
    """Yield requests for `count` texts, the ways in turn; the same seed yields the same requests.

    Args:
        corpus: its train rows are what is rewritten, and examples; with labels each new text is of one label.
        ways: `rewrite`, `write`, or both.
        count: number of texts.
        model: its name.
        scrubs: whether personal data is masked in what is sent.
        seed: of the draws.
    """
    draw, train, task = np.random.default_rng((seed, count)), corpus.train, corpus.task
    gold = label_matrix(train, task) if corpus.is_labelled else np.ones((len(train), 1), dtype=np.float32)
    members = [rows for rows in (np.flatnonzero(column) for column in gold.T) if len(rows)]
    names = [plain(name) for name, column in zip(task.labels, gold.T, strict=False) if column.any()]

    def shown(row: int) -> str:
        text = text_of(train.texts[row])
        return scrub(text)[0] if scrubs else text

    for number in range(count):
        if ways[number % len(ways)] == "rewrite":
            head, text = REWRITE, shown(int(draw.integers(len(train))))
        else:
            label = int(draw.integers(len(members)))
            rows = draw.choice(members[label], min(EXAMPLES, len(members[label])), replace=False)
            text = "\n\n".join(shown(int(row)) for row in rows)
            head = f"{WRITE} Its label is: {names[label]}." if corpus.is_labelled else WRITE
        messages = [{"role": "system", "content": head}, {"role": "user", "content": text}]
        yield Task(
            number,
            messages,
            {"model": model, "messages": messages, "stream": False, **DRAWN, "seed": number},
        )


def writing_estimate(corpus: Corpus, ways: Sequence[str], count: int, recipe: EndpointRecipe, *, seed: int) -> str:
    """Return how many requests texts take, and about how many tokens those have, from some of them.

    Raises:
        InputError: the url or the key of the server cannot be used.
    """
    scrubs = not endpoint_of(recipe).is_local
    some = list(tasks(corpus, ways, min(count, SAMPLED), recipe.model, scrubs=scrubs, seed=seed))
    tokens = sum(tokens_of(message["content"]) for task in some for message in task.messages) / max(len(some), 1)
    where = "another machine, personal data masked" if scrubs else "this machine"
    return f"{count:,} texts to be written, {count:,} requests, about {round(tokens * count):,} tokens to {where}"


def write_texts(
    folder: Path,
    corpus: Corpus,
    ways: Sequence[str],
    count: int,
    recipe: EndpointRecipe,
    *,
    seed: int,
    reporter: Reporter,
) -> None:
    """Have texts written, and keep each as it comes; an interrupted execution resumes.

    Args:
        folder: gets the file.
        corpus: the corpus.
        ways: `rewrite`, `write`, or both.
        count: number of texts.
        recipe: of the server.
        seed: of the draws.
        reporter: shows a bar.

    Raises:
        InputError: more than 1 % of the requests failed, or the server refuses every one.
    """
    address = endpoint_of(recipe)
    client = Client(address, key_from(recipe.key_env), recipe.retries, recipe.timeout_s)
    path, tally = folder / WRITTEN_FILE, Tally()
    done = set(_stored(path))
    kept = f"; {len(done):,} are there already" if done else ""
    reporter.say(f"  {writing_estimate(corpus, ways, count, recipe, seed=seed)}{kept}")
    wanted = tasks(corpus, ways, count, recipe.model, scrubs=not address.is_local, seed=seed)
    left = (task for task in wanted if task.number not in done)
    with path.open("a", encoding="utf-8") as file, reporter.bar("write texts", count) as advance:
        advance(len(done))
        try:
            for task, found in in_threads(left, lambda task: client.ask(task.request, _text), recipe.concurrency):
                if isinstance(found, Failure):
                    tally.failed[found.status] += 1
                    if tally.failed_rows > MOST_FAILED * count:
                        raise InputError(
                            f"`url`: {tally.failed_rows} of {count} texts failed ({tally.by_status()}). Mend the "
                            "server, and run the same command: texts so far are kept."
                        )
                else:
                    file.write(json.dumps({"number": task.number, "text": found}) + "\n")
                    file.flush()
                advance(1)
        finally:
            client.stop()


def written_texts(folder: Path) -> list[str]:
    """Return the texts that were written, in the order in which they were asked for."""
    found = _stored(folder / WRITTEN_FILE)
    return [found[number] for number in sorted(found)]


def _stored(path: Path) -> dict[int, str]:
    """Return whole lines of a file by number, and cut half a line off its end."""
    data = path.read_bytes() if path.is_file() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    lines = [json.loads(line) for line in whole.splitlines()]
    return {int(line["number"]): str(line["text"]) for line in lines}


def _text(reply: Any) -> str:
    """Return the text of an answer on one line, without the marks of a quotation around it."""
    text = " ".join(content(reply).split())
    if len(text) > 1 and text[0] in '"“' and text[-1] in '"”':
        text = text[1:-1].strip()
    if not text:
        raise MalformedAnswer
    return text
