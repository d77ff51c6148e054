"""`ranking.json`: candidate layers of the teacher, best first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from distill.artifacts.records import read_record, stored, write_record

RANKING_FILE = "ranking.json"


@dataclass(frozen=True)
class LayerCandidate:
    """Layers of the teacher, 0-based, with the results of a short training on validation.

    `divergence` is the soft term between student and teacher; `scores` has the task's headline under its own key.
    """

    layers: tuple[int, ...]
    divergence: float
    steps: int | None = field(default=None, metadata=stored(omit_none=True))
    scores: Mapping[str, float] = field(default_factory=dict, metadata=stored(rest=True))


@dataclass(frozen=True)
class LayerRanking:
    """Candidates by divergence, the smallest first."""

    ranking: tuple[LayerCandidate, ...]

    def write(self, folder: Path) -> None:
        """Write it into the folder of the layer search."""
        write_record(self, folder / RANKING_FILE)


def read_ranking(folder: Path) -> LayerRanking:
    """Read the ranking in the folder of a layer search."""
    return read_record(LayerRanking, folder / RANKING_FILE)
