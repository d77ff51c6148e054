"""`trials.json`: the trials of a search, the best first; beside it `best.toml`, the best one's recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.records import read_record, write_record

TRIALS_FILE = "trials.json"

BEST_FILE = "best.toml"

COMPLETE = "complete"


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a search.

    Attributes:
        number: its place in the order of trials, from 0.
        state: `complete`, `pruned` or `fail`.
        validation_macro_f1: the best epoch's validation score, or the last epoch's where it was pruned; None for a
            trial that failed.
        epochs: the last epoch that was evaluated.
        values: the recipe values that were tried, by key.
        complaint: why it failed; None for a trial that did not, or that was killed.
    """

    number: int
    state: str
    validation_macro_f1: float | None
    epochs: int | None
    values: Mapping[str, Any]
    complaint: str | None

    @property
    def is_complete(self) -> bool:
        """True if it was trained to its end."""
        return self.state == COMPLETE

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Sort key: complete trials first, and among equals the higher score, then the lower number."""
        score = self.validation_macro_f1
        return not self.is_complete, 1.0 if score is None else -score, self.number


@dataclass(frozen=True)
class Trials:
    """All trials of a search, the best first."""

    trials: tuple[TrialRecord, ...]

    def write(self, folder: Path) -> None:
        """Write them into the search's folder."""
        write_record(self, folder / TRIALS_FILE)


def read_trials(folder: Path) -> Trials:
    """Read the trials of the search in a folder."""
    return read_record(Trials, folder / TRIALS_FILE)
