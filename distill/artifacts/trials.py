"""`trials.json`: the trials of a search, the best first; beside it `best.toml`, the best one's recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.artifacts.records import read_record, stored, write_record

TRIALS_FILE = "trials.json"

BEST_FILE = "best.toml"

COMPLETE = "complete"

# before the name of the task's headline metric
_SCORE = "validation_"


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a search.

    Attributes:
        number: its place in the order of trials, from 0.
        state: `complete`, `pruned` or `fail`.
        epochs: the last epoch that was evaluated.
        values: the recipe values that were tried, by key.
        complaint: why it failed; None for a trial that did not, or that was killed.
        metrics: the score under `score_key` of the task's headline metric, beside the other keys.
    """

    number: int
    state: str
    epochs: int | None
    values: Mapping[str, Any]
    complaint: str | None
    metrics: Mapping[str, Any] = field(metadata=stored(rest=True))

    @property
    def score(self) -> float | None:
        """Headline on validation: of the best epoch, or of the last where it was pruned; None where it failed."""
        return next((value for key, value in self.metrics.items() if key.startswith(_SCORE)), None)

    @property
    def is_complete(self) -> bool:
        """True if it was trained to its end."""
        return self.state == COMPLETE

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Sort key: complete trials first, then the higher score, then the lower number."""
        return not self.is_complete, 1.0 if self.score is None else -self.score, self.number


@dataclass(frozen=True)
class Trials:
    """All trials of a search, the best first."""

    trials: tuple[TrialRecord, ...]

    def write(self, folder: Path) -> None:
        """Write them into the search's folder."""
        write_record(self, folder / TRIALS_FILE)


def score_key(headline: str) -> str:
    """Return the key in `trials.json` of a headline metric, such as `validation_macro_f1`."""
    return f"{_SCORE}{headline}"


def read_trials(folder: Path) -> Trials:
    """Read the trials of the search in a folder."""
    return read_record(Trials, folder / TRIALS_FILE)
