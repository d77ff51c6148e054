"""The rows that pass from readers to splits: as read, as refused, and as understood."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.runtime.errors import InputError

# Longer lists of names hide the sentence that they stand in.
MAX_NAMES_SHOWN = 40
QUARANTINE = 'correct it, or set corpus.on_bad_row = "quarantine" to put such rows aside'


@dataclass(frozen=True)
class Record:
    """One row as its file has it. `row` counts from 1 with the header, as a spreadsheet shows it."""

    file: str
    row: int
    fields: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why; `fields` holds what was read, for the quarantine file only."""

    file: str
    row: int
    reason: str
    fields: dict[str, Any] = field(repr=False)

    def error(self, more: int = 0, remedy: str = QUARANTINE) -> InputError:
        """The one sentence that names the row; it never holds the row's text."""
        others = f" ({more} more rows are bad)" if more else ""
        return InputError(f"{self.file}, row {self.row}: {self.reason}{others}; {remedy}")


@dataclass(frozen=True)
class Row:
    """One usable row: its text, its label ids (ascending), and what it shares with other rows."""

    text: str = field(repr=False)
    labels: tuple[int, ...]
    group: str | None
    row_id: tuple[str, ...] | None
    file: str
    row: int


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in one line, cut where the line would get too long to read."""
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    return shown if len(names) <= MAX_NAMES_SHOWN else f"{shown} and {len(names) - MAX_NAMES_SHOWN} more"


def write_quarantine(rows: list[BadRow], folder: Path) -> Path | None:
    """Write the rows into `folder/quarantine.jsonl`, and say where; None, and no file, without rows."""
    target = folder / "quarantine.jsonl"
    if not rows:
        # a file of an earlier execution would claim rows that this one accepted
        target.unlink(missing_ok=True)
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="\n") as out:
        for bad in rows:
            entry = {"file": bad.file, "row": bad.row, "reason": bad.reason, "fields": bad.fields}
            # ASCII escapes keep undecodable bytes writable
            out.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")
    return target
