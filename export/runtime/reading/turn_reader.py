"""Ids of turns with their context: each text by itself, put together by a template."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, final

from tokenizers import Tokenizer

from distill.export.runtime.errors import BundleError
from distill.export.runtime.reading.rows import Encoded, Row, SplitTurn, Turn, Window
from distill.export.runtime.reading.wordpiece import PlainWordPiece

# pieces before and behind a place
Frame = tuple[tuple[str, ...], tuple[str, ...]]


class Reader(Protocol):
    """A tokenizer that is set up for one kind of rows.

    Rows that have texts in common are read faster together than one by one.
    """

    @property
    def shares(self) -> bool:
        """Return whether rows have texts in common."""

    def one(self, row: Row) -> Encoded:
        """Return what the graph reads of one row."""

    def several(self, rows: list[Row]) -> list[Encoded]:
        """Return what the graph reads of each row."""


@final
class TurnReader:
    """Reader of windows: each turn's text becomes ids by itself, and the template puts them together.

    Args:
        tokenizer: is changed, and belongs to the reader.
        max_tokens: most tokens of a row.
        type_ids: whether token types are wanted.
        turns: most turns before the decided one.
        segments: number of token types.
        roles: the speakers, each with the piece that begins its turns.
        frames: the pieces around the decided turn, and those around the turns before it.
        cuts_newest: whether the newest turn of context loses its beginning where it does not fit.

    Raises:
        BundleError: a piece of a frame or of a role is not in the tokenizer's vocabulary.
    """

    shares = True

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        *,
        type_ids: bool,
        turns: int,
        segments: int,
        roles: Mapping[str, str],
        frames: tuple[Frame, Frame],
        cuts_newest: bool,
    ) -> None:
        tokenizer.no_truncation()
        self._tokenizer, self._plain = tokenizer, PlainWordPiece.of(tokenizer)
        self._max_tokens, self._type_ids = max_tokens, type_ids
        self._turns, self._farthest, self._cuts_newest = turns, max(segments - 1, 0), cuts_newest
        self._roles = {name: _id(tokenizer, piece) for name, piece in roles.items()}
        (self._start, self._end), (self._before, self._after) = (
            [[_id(tokenizer, piece) for piece in pieces] for pieces in frame] for frame in frames
        )

    def one(self, row: Row) -> Encoded:
        """See `Reader.one`."""
        return self._read(row, {})

    def several(self, rows: list[Row]) -> list[Encoded]:
        """See `Reader.several`; a text that several windows have is split once."""
        known: dict[str, list[int]] = {}
        return [self._read(row, known) for row in rows]

    def split(self, turn: Turn) -> SplitTurn:
        """Return a turn with its ids, so that each row that it is in need not split it again."""
        return SplitTurn(turn, self._ids(turn.text, {}))

    def joined(self, turns: Sequence[SplitTurn]) -> Encoded:
        """Return what the graph reads of split turns, the oldest first and the decided one last."""
        *context, target = turns
        return self._join(target, reversed(context))

    def _read(self, row: Row, known: dict[str, list[int]]) -> Encoded:
        if not isinstance(row, Window):
            raise TypeError("Texts were given where turns of conversations are read.")
        target = SplitTurn(row.target, self._ids(row.target.text, known))
        return self._join(target, (SplitTurn(turn, self._ids(turn.text, known)) for turn in reversed(row.context)))

    def _join(self, decided: SplitTurn, before: Iterable[SplitTurn]) -> Encoded:
        """Return a row of the decided turn and of those before it, the newest first, as many as fit."""
        target = decided.ids
        room = self._max_tokens - len(self._start) - 1 - len(self._end)
        truncated = len(target) > room
        own = [*self._start, self._roles[decided.turn.speaker], *target[: max(room, 0)], *self._end]
        ids, types = own, [0] * len(own)
        left = self._max_tokens - len(own) - len(self._before) - len(self._after)
        turns: list[list[int]] = []
        shortened = False
        waiting = iter(before)
        # where there is no room even for an empty turn, nothing more is taken, and nothing more split
        while left >= 1 and len(turns) < self._turns and (found := next(waiting, None)) is not None:
            turn, pieces = found
            if self._cuts_newest and not turns and 1 < left < 1 + len(pieces):
                shortened, pieces = True, pieces[1 - left :]  # its end is what the decided turn answers
            left -= 1 + len(pieces)
            if left < 0:
                break
            turns.append([self._roles[turn.speaker], *pieces])
        if turns:
            ids = [*own, *self._before]
            types += [self._segment(1)] * len(self._before)
            for distance, pieces in enumerate(turns, 1):
                ids += pieces
                types += [self._segment(distance)] * len(pieces)
            ids += self._after
            types += [self._segment(len(turns))] * len(self._after)
        return Encoded(ids, types if self._type_ids else [], truncated, len(turns), len(own), shortened)

    def _segment(self, distance: int) -> int:
        return min(distance, self._farthest)

    def _ids(self, text: str, known: dict[str, list[int]]) -> list[int]:
        """Return the ids of one turn's text, without any special token.

        Of a text that fits in no row, only its beginning and its end can be read, so its middle is not kept.
        """
        ids = known.get(text)
        if ids is None:
            plain = None if self._plain is None else self._plain.ids(text, len(text))
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids if plain is None else plain
            if len(ids) > 2 * self._max_tokens:
                ids = ids[: self._max_tokens] + ids[-self._max_tokens :]
            known[text] = ids
        return ids


def _id(tokenizer: Tokenizer, piece: str) -> int:
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise BundleError(
            "tokenizer: A piece of a role or of the template is not in the vocabulary. Copy the bundle again."
        )
    return int(number)
