"""The settings of a corpus of conversations: how its rows become turns, and which of them a row is read with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turns
from distill.export.runtime.reading.turns import MAX_ROLES, MAX_TURNS, Predict

# what stands for a role in a text of tokens; brackets around it make the piece
_MARK = re.compile(r"[A-Za-z0-9_-]{1,20}")


@dataclass(frozen=True)
class Context:
    """Columns and settings of conversations: the recipe's [corpus.context] table.

    Attributes:
        speaker: column of the speaker.
        conversation: column that tells conversations apart; None where they are lists of nested records.
        order: column of numbers or dates that puts turns in order; None for the order of the rows.
        turns: most turns before the decided one.
        roles: speakers and their marks; None takes each speaker of the corpus as a role.
        predict: "this" turn, the "next" before it is said, or the "conversation" by its last turns.
    """

    speaker: str
    conversation: str | None = None
    order: str | None = None
    turns: int = 5
    roles: Mapping[str, str] | None = None
    predict: Predict = "this"

    @property
    def columns(self) -> dict[str, str]:
        """The columns and the keys that name them."""
        named = {self.speaker: "`speaker`", self.conversation: "`conversation`", self.order: "`order`"}
        return {column: key for column, key in named.items() if column is not None}

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        if not 1 <= self.turns <= MAX_TURNS:
            raise InputError(f"`turns` is {self.turns}, but must be from 1 to {MAX_TURNS}.")
        if len(self.columns) < 1 + (self.conversation is not None) + (self.order is not None):
            raise InputError("`conversation`, `order` and `speaker` name one column twice. Name different ones.")
        if self.roles is None:
            return
        if not 0 < len(self.roles) <= MAX_ROLES:
            raise InputError(f"`roles` has {len(self.roles)} speakers, but must have 1 to {MAX_ROLES}.")
        for speaker, mark in self.roles.items():
            if not speaker.strip() or not _MARK.fullmatch(mark):
                raise InputError(
                    "`roles` must map each speaker to a mark of at most 20 plain letters, digits, - and _. Write "
                    "for instance client = 'C'."
                )

    def reads(self, speakers: tuple[str, ...], decides: tuple[str, ...]) -> Turns:
        """Return what one row is.

        Args:
            speakers: those of the corpus, where the roles are not named.
            decides: the speakers whose turns have labels.
        """
        marks = self.roles or {speaker: mark_of(speaker, number) for number, speaker in enumerate(speakers)}
        pieces = {speaker: f"[{mark}]" for speaker, mark in marks.items()}
        return Turns(self.turns, pieces, decides, self.predict, self.turns + 1)


def mark_of(speaker: str, number: int) -> str:
    """Return the mark of a role without one: the speaker's own name where it is plain, else its number."""
    return speaker if _MARK.fullmatch(speaker) else f"S{number}"
