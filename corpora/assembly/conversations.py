"""Rows of a corpus as turns: speakers and order as they are read, then conversations with every turn once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.context import Context
from distill.corpora.assembly.whole_conversations import one_row_each
from distill.corpora.reading.cells.texts import RowError
from distill.corpora.reading.rows import Record, listed
from distill.corpora.storage.columns import CorpusRows, Ints, KeyColumn
from distill.corpora.storage.text_store import TextStore
from distill.corpora.storage.windows import Conversations, Windows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turns
from distill.export.runtime.reading.turns import CONVERSATION, MAX_ROLES, NEXT


@dataclass(frozen=True)
class TurnRows:
    """The turns behind N rows of a corpus.

    Attributes:
        log: the conversations.
        place: place in them of each row's turn ``(N,)``; the annotators of one turn share it.
        key: number of each row's turn ``(N,)``.
        window: number of what is read of each row ``(N,)``: equal where the turn and its context are.
        is_row: whether a row is to be decided ``(N,)``, as opposed to being context alone.
        is_whole: whether rows are whole conversations, each at its last turn, of any speaker.
        text: number of each turn's own text ``(T,)``.
        notes: counts of what was found.
    """

    log: Conversations
    place: Ints
    key: Ints
    window: Ints
    is_row: NDArray[np.bool_]
    is_whole: bool
    text: Ints
    notes: dict[str, int]


class TurnColumns:
    """Conversation, order and speaker of each row, as it is read.

    Args:
        context: the columns.
        row_id: columns that identify a turn; conversation and order where they are not named.
        folder: where anonymous files are made.
    """

    def __init__(self, context: Context, row_id: tuple[str, ...] | None, folder: Path | None) -> None:
        self._context, self._row_id = context, row_id
        self._conversation, self._identity = KeyColumn(folder), KeyColumn(folder)
        self._order, self._speaker = array("d"), array("b")
        self._is_row, self._is_empty = bytearray(), bytearray()
        self._speakers: dict[str, int] = {name: number for number, name in enumerate(context.roles or ())}

    def conversation_of(self, record: Record) -> str:
        """Return the conversation of a row: a cell, or the list whose element it is.

        Raises:
            RowError: it has none.
        """
        column = self._context.conversation
        if column is None:
            if record.group is None:
                raise RowError(
                    "the row is not an element of a list, so its conversation is not known; name the column as "
                    "`conversation`"
                )
            return record.group
        found = plain_cell(record.fields, column)
        if not found:
            raise RowError(f"column '{column}' (`conversation`) is empty")
        return found

    def add(self, record: Record, conversation: str, *, is_row: bool, is_empty: bool) -> None:
        """Add a row; nothing is added if it cannot be used.

        Raises:
            RowError: its speaker is unknown, or its place in the conversation is neither a number nor a date.
        """
        speaker, order = self._speaker_of(record.fields), self._order_of(record.fields)
        self._conversation.append(conversation)
        self._speaker.append(speaker)
        self._order.append(float(len(self._order)) if order is None else order)
        if self._row_id is not None:
            cells = [plain_cell(record.fields, name) for name in self._row_id]
            self._identity.append(f"{conversation} {cells}")
        else:
            self._identity.append(f"{conversation} {len(self._order) if order is None else order}")
        self._is_row.append(is_row)
        self._is_empty.append(is_empty)

    def _speaker_of(self, fields: dict[str, Any]) -> int:
        column = self._context.speaker
        name = plain_cell(fields, column)
        if not name:
            raise RowError(f"column '{column}' (`speaker`) is empty")
        if name not in self._speakers:
            if self._context.roles is not None:
                raise RowError(f"column '{column}' (`speaker`) names none of {listed(list(self._speakers))}")
            if len(self._speakers) == MAX_ROLES:
                raise RowError(
                    f"column '{column}' (`speaker`) has more than {MAX_ROLES} speakers; name those that are roles "
                    "as `roles`"
                )
            self._speakers[name] = len(self._speakers)
        return self._speakers[name]

    def _order_of(self, fields: dict[str, Any]) -> float | None:
        column = self._context.order
        if column is None:
            return None
        cell = plain_cell(fields, column)
        try:
            number = float(cell)
        except ValueError:
            try:
                moment = datetime.fromisoformat(cell)
            except ValueError:
                raise RowError(f"column '{column}' (`order`) is neither a number nor a date") from None
            number = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if not np.isfinite(number):
            raise RowError(f"column '{column}' (`order`) is not a finite number")
        return number

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers, in the order of the roles or in which they appeared."""
        return tuple(self._speakers)

    def finish(self, texts: TextStore, rows: CorpusRows) -> TurnRows:
        """Return the conversations.

        Args:
            texts: the text of each row.
            rows: the rows, with the numbers of their own texts.

        Raises:
            InputError: two turns of one conversation have the same place, and other texts or speakers.
        """
        conversation = self._conversation.numbers()
        order, speaker = np.frombuffer(self._order), np.frombuffer(self._speaker, dtype=np.int8)
        identity = self._identity.numbers()
        _, first = np.unique(identity, return_index=True)  # the first row of each turn
        self._check_copies(rows, speaker, first[identity])
        sequence = first[np.lexsort((first, order[first], conversation[first]))].astype(np.int32)
        starts = _starts(conversation[sequence])
        place_of_first = np.empty(len(identity), dtype=np.int32)
        place_of_first[sequence] = np.arange(len(sequence), dtype=np.int32)
        log = Conversations(texts, sequence, starts, speaker[sequence], self.speakers)
        place = place_of_first[first[identity]]
        empty = np.frombuffer(self._is_empty, dtype=np.bool_)
        sizes = np.bincount(starts, minlength=1)
        notes = {
            "conversations": int((sizes > 0).sum()),
            "turns": len(sequence),
            "conversations_of_one_turn": int((sizes == 1).sum()),
            "turns_annotated_again": len(identity) - len(sequence),
            "turns_without_text": int(empty[sequence].sum()),
        }
        if self._context.order is not None:
            notes |= _order_notes(conversation, order, sequence, starts)
        else:
            notes["conversations_interrupted"] = _interrupted(conversation)
        is_row = np.frombuffer(self._is_row, dtype=np.bool_)
        is_whole = self._context.predict == CONVERSATION
        if is_whole:
            is_row, place = one_row_each(rows, is_row, place, starts, ~empty[sequence])
        elif self._context.predict != NEXT:
            is_row = is_row & ~empty  # nothing was said that could be decided
        window = self._windows(log, rows.text[sequence])[place]
        return TurnRows(log, place, identity, window, is_row, is_whole, rows.text[sequence], notes)

    def _check_copies(self, rows: CorpusRows, speaker: NDArray[np.int8], original: NDArray[np.integer]) -> None:
        """Refuse rows of one turn, as its annotators leave them, with another text or speaker than its first."""
        other = np.flatnonzero((rows.text != rows.text[original]) | (speaker != speaker[original]))
        if len(other):
            row = int(other[0])
            more = f" ({len(other) - 1} more rows are)" if len(other) > 1 else ""
            raise InputError(
                f"{rows.place(row)}: The turn is at the place of that in {rows.place(int(original[row]))}, with "
                f"another text or speaker{more}. Give each conversation an id of its own in `conversation`, or "
                "each turn its place in `order`."
            )

    def _windows(self, log: Conversations, text: Ints) -> Ints:
        """Return a number per turn ``(T,)``, equal where the turn and its context are the same."""
        said = text.astype(np.int64) * MAX_ROLES + log.speakers + 1
        own = log.speakers.astype(np.int64) + 1 if self._context.predict == NEXT else said
        places = np.arange(len(log))
        numbers = np.unique(own, return_inverse=True)[1]
        for distance in range(1, self._context.turns + 1):  # turn by turn, so that memory stays small
            before = places - distance
            said_before = np.where(before >= log.starts, said[np.maximum(before, 0)], 0)
            numbers = np.unique(numbers * (int(said.max(initial=0)) + 1) + said_before, return_inverse=True)[1]
        windows: Ints = numbers.astype(np.int32)
        if self._context.predict == NEXT:  # nothing is read of the first turns, so none of them leaks
            opening = np.flatnonzero(places == log.starts)
            windows[opening] = windows.max(initial=0) + 1 + np.arange(len(opening), dtype=np.int32)
        return windows


def _starts(conversation: Ints) -> Ints:
    """Return the place of the first turn of each turn's conversation; those of one lie together."""
    places = np.arange(len(conversation), dtype=np.int32)
    new = np.concatenate([[True], conversation[1:] != conversation[:-1]])[: len(conversation)]
    return np.maximum.accumulate(np.where(new, places, 0)).astype(np.int32)


def _interrupted(conversation: Ints) -> int:
    """Count the conversations between whose rows there are others: two under one id, or turns by themselves."""
    begins = np.concatenate([[True], conversation[1:] != conversation[:-1]])[: len(conversation)]
    return int((np.bincount(conversation[begins]) > 1).sum()) if len(conversation) else 0


def _order_notes(conversation: Ints, order: NDArray[np.float64], sequence: Ints, starts: Ints) -> dict[str, int]:
    """Count turns that come after a later one in the file, and gaps in numbers that otherwise go up by one."""
    read = np.sort(sequence)  # as the file has them, conversation by conversation
    read = read[np.argsort(conversation[read], kind="stable")]
    moved = (np.diff(order[read]) < 0) & (conversation[read][1:] == conversation[read][:-1])
    steps = np.diff(order[sequence])[starts[1:] == starts[:-1]] if len(sequence) else np.empty(0)
    whole = len(steps) > 0 and bool((steps == np.floor(steps)).all()) and float(np.median(steps)) == 1
    return {"turns_out_of_order": int(moved.sum()), "turns_missing": int((steps - 1).sum()) if whole else 0}


def rows_of_turns(
    rows: CorpusRows, splits: Mapping[str, Ints], turns: TurnRows, context: Context
) -> tuple[Turns, Callable[[Ints], Windows]]:
    """Return what a row is, and a function from the members of a split to its rows.

    Raises:
        InputError: a conversation has turns of several groups.
    """
    members = np.concatenate(list(splits.values()))
    conversation = turns.log.starts[turns.place[members]]
    pairs = np.unique(np.stack([conversation, rows.group[members]]), axis=1)
    if len(np.unique(pairs[0])) < pairs.shape[1]:
        raise InputError(
            "Turns of one conversation are in several groups. Name a column as `group` that keeps them in one."
        )
    wanted = np.zeros(len(turns.log), dtype=np.bool_)
    wanted[turns.place[members]] = True
    log, new = turns.log.kept(wanted)
    labelled = np.concatenate([found for name, found in splits.items() if name != "transfer"])
    decides = [log.names[speaker] for speaker in np.unique(turns.log.speakers[turns.place[labelled]]).tolist()]
    if context.predict == CONVERSATION:  # any of them may speak last
        decides = list(log.names)
    reads = context.reads(log.names, tuple(decides))

    def texts_of(found: Ints) -> Windows:
        return Windows(log, new[turns.place[found]], context.turns, silent=context.predict == NEXT)

    return reads, texts_of


def context_leaks(splits: Mapping[str, Ints], turns: TurnRows) -> dict[str, int]:
    """Count the rows of each split whose turn a held-out split has too, in its rows or in their context.

    Short turns are in every conversation, so they stay; rows that agree with their context are leaks of a text.
    """
    held_out = {"train": ("validation", "test"), "validation": ("test",), "transfer": ("validation", "test")}
    notes = {}
    for name, others in held_out.items():
        rows = [splits[other] for other in others if other in splits]
        if name not in splits or not rows:
            continue
        conversations = turns.log.starts[turns.place[np.concatenate(rows)]]
        held = turns.text[np.isin(turns.log.starts, conversations)]
        notes[f"{name}_leaks_context_kept"] = int(np.isin(turns.text[turns.place[splits[name]]], held).sum())
    return notes


def plain_cell(fields: dict[str, Any], column: str) -> str:
    """Return a cell as text to compare: empty where it is missing, booleans and whole numbers plain."""
    value = fields.get(column)
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
