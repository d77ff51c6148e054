"""`tuning.json`: how few weights of a teacher were trained, and what merging them changed."""

from dataclasses import dataclass
from pathlib import Path

from distill.artifacts.records import read_record, write_record

TUNING_FILE = "tuning.json"


@dataclass(frozen=True)
class TuningRecord:
    """The method and size of a teacher's tuning, and the merged body beside the one that was trained.

    `size` is the rank, the bottleneck or the number of pieces, None for a method without any. `trained` of
    `parameters` weights learnt, the head's included. `base` is the sha256 of the weights that were not trained.
    Where weights were merged, `max_logit_difference` and `decisions_changed` compare the logits ``(N, C)`` of
    `rows` validation rows, with `decisions` decisions, before and after; None where they cannot be merged.
    """

    method: str
    size: int | None
    learning_rate: float
    base: str
    trained: int
    parameters: int
    merged: bool
    rows: int
    decisions: int
    max_logit_difference: float | None
    decisions_changed: int | None

    @property
    def share(self) -> float:
        """Return the share of weights that learnt."""
        return self.trained / self.parameters

    def write(self, folder: Path) -> None:
        """Write it into the teacher's folder."""
        write_record(self, folder / TUNING_FILE)


def read_tuning(folder: Path) -> TuningRecord | None:
    """Read the record in a teacher's folder; None if all of its weights were trained."""
    return read_record(TuningRecord, folder / TUNING_FILE) if (folder / TUNING_FILE).is_file() else None
