"""A server's answer as log-probabilities of a question's options: from the next token, or from votes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# log-probabilities below it are servers' way of writing "next to nothing", such as -9999
LEAST = -50.0

# rounding may put a probability above 1 by this much
MOST = 1e-3

# votes for an option are counted with this added, so that no option is impossible
SMOOTHING = 0.5


class MalformedAnswer(Exception):
    """An answer that is not a completion, or whose numbers are none."""


def next_tokens(reply: Any) -> dict[str, float] | None:
    """Return the log-probability of each token that a server names for the first place of its answer.

    Returns:
        None if the server gave no log-probabilities.

    Raises:
        MalformedAnswer: it is not an answer, or a number in it is not a log-probability.
    """
    choice = _choice(reply)
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping):
        return None
    content = logprobs.get("content")
    if isinstance(content, list) and content:
        first = content[0]
        listed = first.get("top_logprobs") if isinstance(first, Mapping) else None
        if not isinstance(listed, list) or not listed:
            return None
        pairs = [(token.get("token"), token.get("logprob")) for token in listed if isinstance(token, Mapping)]
    else:  # the older form: one table of tokens per place
        tables = logprobs.get("top_logprobs")
        if not isinstance(tables, list) or not tables or not isinstance(tables[0], Mapping):
            return None
        pairs = list(tables[0].items())
    tokens: dict[str, float] = {}
    for token, value in pairs:
        if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedAnswer
        if math.isnan(value) or value > MOST:
            raise MalformedAnswer
        tokens[token] = max(float(value), LEAST)
    return tokens or None


def option_scores(tokens: Mapping[str, float], options: Sequence[str]) -> tuple[tuple[float, ...], int]:
    """Return the log-probability of each option, and how many of them the server did not name.

    Tokens that differ in blanks, case or punctuation around an option are added up. An option that is not among
    the tokens gets the least log-probability of all minus 1.

    Args:
        tokens: log-probability of each token.
        options: such as letters.
    """
    found: dict[str, list[float]] = {option: [] for option in options}
    keys = {option.casefold(): option for option in options}
    for token, value in tokens.items():
        option = keys.get(bare(token))
        if option is not None:
            found[option].append(value)
    floor = min(tokens.values()) - 1
    scores = tuple(_log_sum(found[option]) if found[option] else floor for option in options)
    return scores, sum(not found[option] for option in options)


def vote(reply: Any, options: Sequence[str]) -> int | None:
    """Return the place of the option that an answer's text begins with; None if it begins with none.

    Raises:
        MalformedAnswer: it is not an answer.
    """
    words = content(reply).split()
    keys = {option.casefold(): place for place, option in enumerate(options)}
    return keys.get(bare(words[0])) if words else None


def content(reply: Any) -> str:
    """Return an answer's text.

    Raises:
        MalformedAnswer: it is not an answer, or has none.
    """
    message = _choice(reply).get("message")
    text = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(text, str):
        raise MalformedAnswer
    return text


def vote_scores(votes: Sequence[int | None], options: int) -> tuple[float, ...]:
    """Return the log of each option's smoothed share of the votes; votes for no option do not count."""
    counts = [SMOOTHING] * options
    for place in votes:
        if place is not None:
            counts[place] += 1
    total = sum(counts)
    return tuple(math.log(count / total) for count in counts)


def bare(token: str) -> str:
    """Return a token or word without what may surround an option, in lower case."""
    return token.strip().strip("\u2581\u0120()[]{}.,:;!*_`\"'").strip().casefold()


def reported_model(reply: Any) -> str:
    """Return the name of the model as the server reports it; empty if it reports none."""
    name = reply.get("model") if isinstance(reply, Mapping) else None
    return name if isinstance(name, str) else ""


def _choice(reply: Any) -> Mapping[str, Any]:
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise MalformedAnswer
    return choices[0]


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(sum(math.exp(value - highest) for value in values))
