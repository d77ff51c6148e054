"""`context.json`: what the turns before the decided one are worth to a student, on test."""

from dataclasses import dataclass
from pathlib import Path

from distill.artifacts.records import read_record, write_record
from distill.evaluation.bootstrap import Bootstrap

CONTEXT_FILE = "context.json"


@dataclass(frozen=True)
class TurnsScore:
    """The headline of the student with at most `turns` turns of context, of which `read` fit per row on average.

    `gain` is over the same student without context. `p50_ms` and `p95_ms` are of the bundle, one row at a time on
    one thread, with `tokens` per row on average; None for more turns than it was trained with.
    """

    turns: int
    read: float
    score: float
    gain: Bootstrap
    tokens: float
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class ContextReport:
    """The student with and without context, beside the student that was trained without.

    Attributes:
        trained: most turns of context in training.
        rows: test rows.
        conversations: the number of their conversations, which the intervals resample.
        by_turns: the student by the number of turns that it reads.
        score: of the student as it was trained.
        without: of the same student if it reads no context.
        trained_without: of the student that was trained without context.
        swapped: of the student if every speaker is called by the name of the next role; None with one role.
        gain: of the student over the one that was trained without context.
        left_out: of the student that reads no context over the one that was trained without.
        swap: of the student over itself with swapped speakers.
    """

    trained: int
    rows: int
    conversations: int
    by_turns: tuple[TurnsScore, ...]
    score: float
    without: float
    trained_without: float
    swapped: float | None
    gain: Bootstrap
    left_out: Bootstrap
    swap: Bootstrap | None

    def write(self, folder: Path) -> None:
        """Write it into the folder of its stage."""
        write_record(self, folder / CONTEXT_FILE)


def read_context(folder: Path) -> ContextReport:
    """Read the report on context in the folder of its stage."""
    return read_record(ContextReport, folder / CONTEXT_FILE)
