"""Kinds of input: what one row is, and how it becomes one sequence of tokens.

The same code reads rows in training and at run time. What goes around and between the segments of a row is the
template in the tokenizer's own file; which tokens are cut is decided here, by the numbers of tokens alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, final

from tokenizers import Encoding, Tokenizer

from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.reading.rows import (
    MAX_TEXT_CHARACTERS,
    Encoded,
    Row,
    SplitTurn,
    Turn,
    Window,
    all_texts,
    check_length,
    kind_of,
    segments_of,
)
from distill.export.runtime.reading.turn_reader import Reader
from distill.export.runtime.reading.turns import TURNS, Turns
from distill.export.runtime.untrusted.fields import Fields

__all__ = [
    "MAX_TEXT_CHARACTERS",
    "ONE_TEXT",
    "Encoded",
    "Input",
    "Pair",
    "Row",
    "SplitTurn",
    "Text",
    "Truncate",
    "Turn",
    "Turns",
    "Window",
    "all_texts",
    "segments_of",
]

TEXT, PAIR = "text", "pair"

Side = Literal["end", "start"]

SIDES: tuple[Side, ...] = ("end", "start")

MAX_COLUMN = 200  # characters in the name of a column

PROBE = "a"


@final
@dataclass(frozen=True)
class Whole:
    """Reader of rows that the tokenizers package encodes as they are.

    Attributes:
        tokenizer: set up for such rows.
        cut: returns what the graph reads of a row's tokens.
        places: returns the places of these in the row's encoding.
    """

    tokenizer: Tokenizer
    cut: Callable[[Encoding], Encoded]
    places: Callable[[Encoding], list[int]]
    shares: bool = False

    def tokens(self, row: Row) -> Encoding:
        """Return all tokens of one row."""
        return self.tokenizer.encode(row) if isinstance(row, str) else self.tokenizer.encode(*segments_of(row))

    def one(self, row: Row) -> Encoded:
        """See `Reader.one`."""
        return self.cut(self.tokens(row))

    def several(self, rows: list[Row]) -> list[Encoded]:
        """See `Reader.several`."""
        return list(map(self.cut, self.tokenizer.encode_batch(rows)))


class Input(Protocol):
    """A kind of input: what one row is."""

    @property
    def kind(self) -> str:
        """The name of the kind in a manifest."""

    def row(self, value: object, where: str) -> Row:
        """Return a row as the caller gave it, checked; `where` begins each message.

        Raises:
            InputError: it is no such row, or too long.
        """

    def special_tokens(self, tokenizer: Tokenizer) -> int:
        """Return the number of tokens that the tokenizer adds to each row."""

    def reader(self, tokenizer: Tokenizer, max_tokens: int, *, type_ids: bool) -> Reader:
        """Prepare a tokenizer, which has room for at least one token of a row, and return a reader of rows.

        Args:
            tokenizer: is changed, and belongs to the reader.
            max_tokens: most tokens of a row.
            type_ids: whether token types are wanted.

        Raises:
            BundleError: it cannot tokenize such rows.
        """


@final
@dataclass(frozen=True)
class Text:
    """One text; the tokenizer cuts it, at the side that its file names."""

    kind: str = TEXT

    def row(self, value: object, where: str) -> str:
        """See `Input.row`."""
        if not isinstance(value, str):
            pair = ". This bundle reads one text, and no pair" if isinstance(value, tuple | list | Mapping) else ""
            raise InputError(f"{where}: The text must be a string, but is {kind_of(value)}{pair}.")
        check_length(len(value), where)
        return value

    def special_tokens(self, tokenizer: Tokenizer) -> int:
        """See `Input.special_tokens`."""
        return int(tokenizer.num_special_tokens_to_add(False))

    def reader(self, tokenizer: Tokenizer, max_tokens: int, *, type_ids: bool) -> Reader:
        """See `Input.reader`."""
        direction = (tokenizer.truncation or {}).get("direction", "right")
        tokenizer.enable_truncation(max_length=max_tokens, direction=direction)

        def cut(encoding: Encoding) -> Encoded:
            # even a list that is never read takes time to make
            return Encoded(encoding.ids, encoding.type_ids if type_ids else [], bool(encoding.overflowing))

        # the tokenizer has cut already
        return Whole(tokenizer, cut, lambda encoding: list(range(len(encoding.ids))))


ONE_TEXT = Text()


@final
@dataclass(frozen=True)
class Truncate:
    """The rule of cutting a pair: the column that loses tokens first (None: the longer one), and at which side."""

    column: str | None = None
    side: Side = "end"

    @classmethod
    def from_dict(cls, data: object, where: str, columns: tuple[str, str]) -> "Truncate":
        """Check and build."""
        fields = Fields(data, where, ("column", "side"))
        column = None if fields.raw("column") is None else fields.choice("column", columns)
        return cls(column, "start" if fields.choice("side", SIDES) == "start" else "end")


@final
@dataclass(frozen=True)
class Pair:
    """Two texts, each a segment of its own; `columns` name them where rows come from a table."""

    columns: tuple[str, str]
    truncate: Truncate = Truncate()
    kind: str = PAIR

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Pair":
        """Check and build."""
        fields = Fields(data, where, ("kind", "columns", "truncate"))
        fields.choice("kind", (PAIR,))
        names = fields.names("columns", 2)
        if len(names) != 2 or max(map(len, names)) > MAX_COLUMN:
            raise fields.error("columns", f"a list of two names, each of at most {MAX_COLUMN} characters")
        columns = names[0], names[1]
        return cls(columns, Truncate.from_dict(fields.raw("truncate"), f"{where}: truncate", columns))

    def row(self, value: object, where: str) -> tuple[str, str]:
        """See `Input.row`; a mapping gives its values under the two columns."""
        names = f"({', '.join(self.columns)})"
        if isinstance(value, str | bytes):
            raise InputError(
                f"{where}: This is one text, but the bundle reads pairs {names}. Pass both texts of each."
            )
        if isinstance(value, Mapping):
            missing = next((name for name in self.columns if name not in value), None)
            if missing is not None:
                raise InputError(f"{where}: The pair has no {missing!r}. This bundle reads pairs {names}.")
            value = tuple(value[name] for name in self.columns)
        if not isinstance(value, tuple | list) or len(value) != 2:
            count = f" of {len(value)}" if isinstance(value, tuple | list) else ""
            raise InputError(
                f"{where}: This must be a pair of strings {names}, but is {type(value).__name__}{count}."
            )
        first, second = value
        for name, segment in zip(self.columns, value, strict=True):
            if not isinstance(segment, str):
                raise InputError(f"{where}: {name!r} must be a string, but is {kind_of(segment)}.")
        check_length(len(first) + len(second), where)
        return first, second

    def special_tokens(self, tokenizer: Tokenizer) -> int:
        """See `Input.special_tokens`."""
        return int(tokenizer.num_special_tokens_to_add(True))

    def reader(self, tokenizer: Tokenizer, max_tokens: int, *, type_ids: bool) -> Reader:
        """See `Input.reader`; the template must have both segments in their order, and something between them."""
        tokenizer.no_truncation()
        count = len(tokenizer.encode(PROBE, add_special_tokens=False).ids)
        segments = tokenizer.encode(PROBE, PROBE).sequence_ids
        first, second = ([place for place, segment in enumerate(segments) if segment == one] for one in (0, 1))
        whole = len(segments) == 2 * count + self.special_tokens(tokenizer)
        if not (whole and len(first) == len(second) == count > 0 and first[-1] + 1 < second[0]):
            raise BundleError(
                "tokenizer: The tokenizer puts nothing between the two segments of a pair, or has no template "
                "for pairs. Use a tokenizer with one, or join the columns to one text."
            )
        cut = partial(self._cut, max_tokens=max_tokens, type_ids=type_ids)
        return Whole(tokenizer, cut, partial(self._places, max_tokens=max_tokens))

    def _cut(self, encoding: Encoding, *, max_tokens: int, type_ids: bool) -> Encoded:
        """Return what the graph reads of a pair's tokens."""
        ids, types = encoding.ids, encoding.type_ids if type_ids else []
        if len(ids) <= max_tokens:
            return Encoded(ids, types, truncated=False)
        left = self._places(encoding, max_tokens=max_tokens)
        return Encoded([ids[place] for place in left], [types[place] for place in left] if types else [], True)

    def _places(self, encoding: Encoding, *, max_tokens: int) -> list[int]:
        """Return which of a pair's tokens the graph reads: their places in its encoding."""
        count = len(encoding.ids)
        if count <= max_tokens:
            return list(range(count))
        segments = encoding.sequence_ids
        places = [[place for place, segment in enumerate(segments) if segment == one] for one in (0, 1)]
        lengths = len(places[0]), len(places[1])
        kept = self.kept_lengths(lengths, max_tokens - (count - sum(lengths)))
        dropped = set[int]()
        for of_segment, length in zip(places, kept, strict=True):
            dropped.update(of_segment[length:] if self.truncate.side == "end" else of_segment[: -length or None])
        return [place for place in range(count) if place not in dropped]

    def kept_lengths(self, lengths: tuple[int, int], room: int) -> tuple[int, int]:
        """Return the number of tokens that each segment keeps of `lengths`, of which there is room for fewer.

        Where no column is named the longer segment is cut until both are equal, as `longest_first` of transformers
        does. A named column is cut first, down to nothing, and only then the other one.
        """
        if self.truncate.column is None:
            shorter = 0 if lengths[0] <= lengths[1] else 1
            kept = min(lengths[shorter], room // 2)
        else:
            shorter = 1 - self.columns.index(self.truncate.column)
            kept = min(lengths[shorter], room)
        return (kept, room - kept) if shorter == 0 else (room - kept, kept)


def input_from_dict(data: object, where: str) -> Input:
    """Check and build what a manifest records as its `input`."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind == PAIR:
        return Pair.from_dict(data, where)
    if kind == TURNS:
        return Turns.from_dict(data, where)
    return Text(Fields(data, where, ("kind",)).choice("kind", (TEXT, PAIR, TURNS)))
