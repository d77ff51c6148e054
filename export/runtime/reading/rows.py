"""Rows, as every part of the project passes them on: a text, two texts, or a turn with those before it."""

from dataclasses import dataclass
from typing import NamedTuple, final

from distill.export.runtime.errors import InputError

# a longer row takes seconds and up to 700 MB to split, and nearly all of it would be cut off
MAX_TEXT_CHARACTERS = 2**20


class Turn(NamedTuple):
    """One turn of a conversation: what the speaker is called, and what was said."""

    speaker: str
    text: str


@final
@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A turn to decide, and the turns before it, the oldest first.

    Where the turn is decided before it is said, the text of `target` is empty: no reader of the row knows it.
    """

    target: Turn
    context: tuple[Turn, ...] = ()


class SplitTurn(NamedTuple):
    """A turn, and the ids of its text without any special token."""

    turn: Turn
    ids: list[int]


# a text, the two segments of a pair, or a turn with its context
Row = str | tuple[str, str] | Window


def kind_of(value: object) -> str:
    """Return in words what is given in the place of a text: its type, and whether it is a missing value."""
    name = type(value).__name__
    is_nan = isinstance(value, float) and value != value
    missing = is_nan or name in {"NoneType", "NAType", "NaTType"}  # pandas' own, by name: it is not imported
    return f"a missing value ({name}), to be dropped or filled first" if missing else name


def segments_of(row: Row) -> tuple[str, ...]:
    """Return the texts that a row itself is made of: one, or the two of a pair.

    Of a window that is the turn that is decided, or the newest one where it has not been said yet.
    """
    if isinstance(row, Window):
        return (row.target.text or (row.context[-1].text if row.context else ""),)
    return (row,) if isinstance(row, str) else row


def all_texts(row: Row) -> tuple[str, ...]:
    """Return every text that a row holds, its context included."""
    if isinstance(row, Window):
        return (*(turn.text for turn in row.context), row.target.text)
    return segments_of(row)


class Encoded(NamedTuple):
    """Inputs of the graph for one row, and whether a part of the row was cut off.

    `type_ids` is empty if nobody asked for them. Of a window, `turns` counts the turns before the decided one that
    are read, the first `own` ids belong to the decided one, and `shortened` says that the newest of the others was
    cut; the ids of other rows are all their own.
    """

    ids: list[int]
    type_ids: list[int]
    truncated: bool
    turns: int = 0
    own: int | None = None
    shortened: bool = False

    @property
    def own_ids(self) -> list[int]:
        """The ids of the row itself, without its context."""
        return self.ids if self.own is None else self.ids[: self.own]


def check_length(characters: int, where: str) -> None:
    """Refuse a row of too many characters.

    Raises:
        InputError: it has more than `MAX_TEXT_CHARACTERS`.
    """
    if characters > MAX_TEXT_CHARACTERS:
        raise InputError(
            f"{where}: The text has {characters} characters, but must have at most {MAX_TEXT_CHARACTERS}. Cut or "
            "split it."
        )
