"""`training.json`: the summary that a training session leaves beside the weights."""

from dataclasses import dataclass, field
from pathlib import Path

from distill.artifacts.records import read_record, stored, write_record

TRAINING_FILE = "training.json"


@dataclass(frozen=True)
class TrainingSummary:
    """The number of weights; of a model that was trained also the step that was kept, and how many there were.

    None where the weights are a server's.
    """

    parameters: int | None
    best_step: int | None = field(default=None, metadata=stored(omit_none=True))
    steps: int | None = field(default=None, metadata=stored(omit_none=True))

    def write(self, folder: Path) -> None:
        """Write it into the model's folder."""
        write_record(self, folder / TRAINING_FILE)


def read_training(folder: Path) -> TrainingSummary:
    """Read the summary of the model in a folder."""
    return read_record(TrainingSummary, folder / TRAINING_FILE)
