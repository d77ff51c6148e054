"""The rows that pass from readers to splits: as read, and as refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.corpora.reading.scrub import scrub_value
from distill.corpora.storage.text_store import TextStore
from distill.export.runtime.errors import InputError

# longer lists of names hide the sentence around them
MAX_NAMES_SHOWN = 40

QUARANTINE = 'Correct it, or set `on_bad_row` = "quarantine" to put such rows aside.'

QUARANTINE_FILE = "quarantine.jsonl"


@dataclass(frozen=True)
class Record:
    """One row as its file has it.

    Args:
        file: the file it was read from.
        row: its number, from 1 with the header, as a spreadsheet shows it.
        fields: its cells by name.
        group: the list whose element it is, where rows are elements of lists.
    """

    file: str
    row: int
    fields: dict[str, Any] = field(repr=False)
    group: str | None = None


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why; `fields` holds what was read, for the quarantine file only."""

    file: str
    row: int
    reason: str
    fields: dict[str, Any] = field(repr=False)

    def error(self, more: int = 0, remedy: str = QUARANTINE) -> InputError:
        """Return the error, which names the row, the reason and the remedy, and never holds the row's text."""
        others = f" ({more} more rows are bad)" if more else ""
        return InputError(f"{self.file}, row {self.row}: {sentence(self.reason)}{others}. {remedy}")


def sentence(reason: str) -> str:
    """Return a reason with a capital letter, as it begins a message."""
    return reason[:1].upper() + reason[1:]


Rows = Iterator[Record | BadRow]


class Quarantine:
    """The rows that cannot be used: the first of them, their number per reason, and their contents.

    Args:
        folder: where the anonymous file that holds them is made.
        keep: whether their contents are kept; otherwise they are only counted.
        scrubbed: whether contents are scrubbed first.
    """

    def __init__(self, folder: Path | None = None, *, keep: bool = True, scrubbed: bool = False) -> None:
        self.first: BadRow | None = None
        self.reasons: Counter[str] = Counter()
        self._entries = TextStore(folder) if keep else None
        self._scrubbed = scrubbed

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.reasons.total()

    def add(self, bad: BadRow) -> None:
        """Put one more row aside."""
        self.first = self.first or bad
        self.reasons[bad.reason] += 1
        if self._entries is not None:
            fields = scrub_value(bad.fields) if self._scrubbed else bad.fields
            entry = {"file": bad.file, "row": bad.row, "reason": bad.reason, "fields": fields}
            # ASCII escapes keep undecodable bytes writable
            self._entries.append(json.dumps(entry, ensure_ascii=True, default=str))

    def write(self, folder: Path) -> Path | None:
        """Write what was kept into `folder/quarantine.jsonl`, and return its path, or None without rows."""
        target = folder / QUARANTINE_FILE
        if self._entries is None or not len(self):
            # a file of an earlier execution would claim rows that this one accepted
            target.unlink(missing_ok=True)
            return None
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{entry}\n" for entry in self._entries.view(0, len(self)))
        return target


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Join names in one line, cut where it would get too long to read."""
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    return shown if len(names) <= MAX_NAMES_SHOWN else f"{shown} and {len(names) - MAX_NAMES_SHOWN} more"
