"""Conversations out of lines of JSON: decided one by one, each with the turns before it."""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from distill.bundles.predict import line_blocks
from distill.corpora.reading.rows import Record
from distill.export.runtime import Classifier, DistillError, InputError, Prediction
from distill.export.runtime.reading.inputs import Row
from distill.export.runtime.reading.turns import CONVERSATION, Turns
from distill.runs.progress import Reporter

TURNS_KEY = "turns"

EMPTY: tuple[object, ...] = (None, "", [])  # values of a key that has none

FORM = 'one JSON object per line, with "turns": [{"speaker": ..., "text": ...}, ...]'


@dataclass(frozen=True)
class DecidedConversation:
    """One conversation of a file: the number of its line, its id where it has one, and an entry per turn."""

    line: int
    identity: object
    turns: list[Prediction | None]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        turns = [None if turn is None else turn.to_dict() for turn in self.turns]
        return {"line": self.line, **({} if self.identity is None else {"id": self.identity}), TURNS_KEY: turns}


@dataclass(frozen=True)
class ReadConversation:
    """One conversation as a line has it: its turns, unchecked, the cell of its id, and the keys beside them."""

    line: int
    identity: object
    turns: list[Any]
    fields: Mapping[str, Any]


def read_conversations(lines: Iterable[str], identity: str | None = None) -> Iterator[ReadConversation]:
    """Yield the conversations of lines; empty lines are left out.

    Args:
        lines: of JSON, each an object with `turns`, or a list of turns.
        identity: the key of an id.

    Raises:
        InputError: a line, which is named by its number, is not a conversation.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"line {number}: The line is not JSON. Give {FORM}.") from None
        turns = data.get(TURNS_KEY) if isinstance(data, dict) else data
        if not isinstance(turns, list):
            raise InputError(f"line {number}: The line has no list of turns. Give {FORM}.")
        name = data.get(identity) if isinstance(data, dict) and identity is not None else None
        if identity is not None and name is None:
            raise InputError(f"line {number}: The line has no {identity!r}. Name another key with `identity`.")
        beside = {key: value for key, value in data.items() if key != TURNS_KEY} if isinstance(data, dict) else {}
        yield ReadConversation(number, name, turns, beside)


def conversation_rows(
    file: Path, reads: Turns, labels: str | None, group: str | None
) -> Iterator[tuple[Record, Row]]:
    """Yield the turns of a file of conversations that a bundle decides, or those of them that have labels.

    Args:
        file: of lines of JSON.
        reads: what the bundle reads.
        labels: the key of labels; None for every turn that is decided. Where whole conversations are decided, it
            may be beside the turns, or in any of them.
        group: the key of what belongs together, in the turns or beside them; None for each conversation by itself.

    Raises:
        InputError: a line is not a conversation or lacks the group, or no turn is decided.
    """
    count = 0
    for found in read_conversations(file_lines(file)):
        place = f"{file}, line {found.line}"
        windows = reads.windows(found.turns, f"{place}: turns")
        said = [dict(turn) if isinstance(turn, Mapping) else {} for turn in found.turns]
        for own, window in zip(said, windows, strict=True):
            if window is None:
                continue
            fields = {**found.fields, **own}
            if labels is not None:
                places = (found.fields, *said) if reads.predict == CONVERSATION else (own,)
                fields[labels] = _only_value(places, labels, place)
                if fields[labels] is None:
                    continue
            if group is not None and group not in fields:
                raise InputError(f"{place}: No turn has {group!r}, nor the line. Name another with `group`.")
            named = fields.get(group) if group is not None else None
            count += 1
            together = f"line {found.line}" if named in EMPTY else f"group {named}"
            yield Record(str(file), found.line, fields, together), window
    if not count:
        what = "a turn" if labels is None else f"a turn with {labels!r}"
        raise InputError(
            f"{file}: The file does not have any turn to decide. Give one with {what} of "
            f"{' or '.join(reads.decides)}."
        )


def _only_value(places: Iterable[Mapping[str, Any]], key: str, where: str) -> Any:
    """Return the one value that a key has in some places; None where it has none.

    Raises:
        InputError: it has several.
    """
    values = [place[key] for place in places if place.get(key) not in EMPTY]
    if any(value != values[0] for value in values):
        raise InputError(f"{where}: The conversation has different {key!r}. Give all its turns the same ones.")
    return values[0] if values else None


def file_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a file.

    Raises:
        InputError: it is no .jsonl file, or a line is not valid UTF-8.
    """
    if file.suffix.lower() != ".jsonl":
        raise InputError(f"{file}: This bundle reads conversations. Give a .jsonl file of {FORM}.")
    try:
        with file.open("rb") as stream:
            yield from stream_lines(stream)
    except OSError as error:
        raise InputError(f"{file}: The file cannot be read ({error.strerror}). Check its path.") from error


def stream_lines(stream: BufferedIOBase) -> Iterator[str]:
    """Yield the lines of a stream as they arrive."""
    for block in line_blocks(stream):
        yield from block


def decide_conversations(
    classifier: Classifier, lines: Iterable[str], identity: str | None, reporter: Reporter
) -> Generator[DecidedConversation, None, None]:
    """Decide the conversations of lines one after the other, in memory that does not grow with their number.

    Raises:
        DistillError: a line, which is named by its number, cannot be read or decided. Those before it are yielded
            first.
    """
    with reporter.count("conversations") as advance:
        for found in read_conversations(lines, identity):
            try:
                turns = classifier.predict_turns(found.turns)
            except DistillError as error:
                raise type(error)(f"line {found.line}, {error}") from None
            yield DecidedConversation(found.line, found.identity, turns)
            advance(1)


def require_turns(classifier: Classifier, texts: object) -> None:
    """Refuse texts as arguments where a bundle reads conversations.

    Raises:
        InputError: there are such texts.
    """
    if texts and isinstance(classifier.input, Turns):
        raise InputError(f"This bundle reads conversations. Give a .jsonl file, or lines of stdin: {FORM}.")
