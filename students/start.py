"""The material that every student starts from: its teacher, the tokenizers, and the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distill.students.vocabulary import Trimmed
    from distill.teachers.encoder import Pooling, Teacher
    from distill.teachers.encoding import Batch

    # returns batches of train texts as the teacher reads them; called only where they are needed
    Texts = Callable[[], Sequence[Batch]]


# title and total -> a block that is given a function to advance a bar by
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def no_bar(_title: str, _total: int) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda _: None


@dataclass(frozen=True)
class Start:
    """The material of one student.

    Attributes:
        teacher: source of architecture and weights; it stays as it is.
        tokenizer: the teacher's tokenizer.
        trimmed: the student's tokenizer with the origin of each of its tokens; None keeps the teacher's.
        pooling: an encoder student's pooling of hidden states.
        dropout: dropout before the head.
        seed: seed for all weights that do not come from the teacher.
        segments: number of token types of rows that have context; 0 for texts and pairs.
        bar: shows how far a slow start is.
    """

    teacher: Teacher
    tokenizer: Any
    trimmed: Trimmed | None
    pooling: Pooling
    dropout: float
    seed: int
    segments: int = 0
    bar: Bar = no_bar

    @property
    def student_tokenizer(self) -> Any:
        """The tokenizer that the student reads texts with."""
        return self.tokenizer if self.trimmed is None else self.trimmed.tokenizer

    @property
    def sources(self) -> Sequence[Sequence[int]]:
        """The teacher's ids whose mean each token of the student starts from, by the student's id."""
        if self.trimmed is None:
            return [(token,) for token in range(len(self.tokenizer))]
        return self.trimmed.sources
