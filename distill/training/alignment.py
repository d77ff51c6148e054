"""Which rows a student and its teacher cut into the same tokens: only there can states be compared one by one.

A trimmed vocabulary cuts rare words further, and a text that has one is another row of tokens for the student.
Such rows have no part in what is matched token by token; they learn from logits alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.errors import InputError
from distill.teachers.encoding import encode

# with fewer, most of the corpus would say nothing
LEAST_SHARE = 0.5

UNKNOWN = -1


def piece_ids(student: Any, teacher: Any) -> NDArray[np.int64]:
    """The teacher's id of each of the student's pieces, by the student's id, -1 where it has none: ``(V,)``."""
    known, own = teacher.get_vocab(), student.get_vocab()
    found = np.full(max(own.values()) + 1, UNKNOWN, dtype=np.int64)
    for piece, place in own.items():
        found[place] = known.get(piece, UNKNOWN)
    return found


def aligned_rows(student: TokenRows, teacher: TokenRows, pieces: NDArray[np.int64]) -> Tensor:
    """Whether a text is the same pieces for both, bool ``(N,)``.

    Args:
        student: ids of N texts.
        teacher: of the same texts.
        pieces: the teacher's id of each of the student's pieces.

    """
    same = [
        len(own) == len(teachers) and bool((pieces[own] == teachers).all())
        for own, teachers in zip(student, teacher, strict=True)
    ]
    return torch.tensor(same, dtype=torch.bool)


def require_aligned(
    student: Any, teacher: Any, texts: Sequence[Sequence[str]], tokens: TokenRows, max_tokens: int
) -> Tensor:
    """Whether each text is the same pieces for both, bool ``(N,)``.

    Args:
        student: its tokenizer.
        teacher: its tokenizer.
        texts: that the student learns from, split by split.
        tokens: the student's, of all of them.
        max_tokens: where texts are cut.

    Raises:
        InputError: too few are.
    """
    theirs = TokenRows.of(row for some in texts for row in encode(teacher, some, max_tokens))
    aligned = aligned_rows(tokens, theirs, piece_ids(student, teacher))
    share = float(aligned.float().mean())
    if share < LEAST_SHARE:
        raise InputError(
            "objective.hidden_weight, relation_weight and embedding_weight match tokens one by one, but only "
            f"{share:.0%} of the texts are the same tokens for student and teacher; at least {LEAST_SHARE:.0%} "
            "must be: lower student.min_piece_groups, set student.trim_vocabulary=false, or set these weights to 0"
        )
    return aligned
