"""Find the rows that a student and its teacher split into the same tokens, whose states can be compared.

A trimmed vocabulary splits rare words further, and a text with such a word is a different row of tokens for the
student. Such rows are left out of matching token by token; the student learns from their logits alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row
from distill.teachers.token_cache import TokenCache

# with fewer, feature terms would ignore most of the corpus
LEAST_SHARE = 0.5

UNKNOWN = -1


def teacher_token_ids(student: Any, teacher: Any) -> NDArray[np.int64]:
    """Return the teacher's id of each student token, by the student's id; -1 where it has none: ``(V,)``.

    Args:
        student: the student's tokenizer.
        teacher: the teacher's tokenizer.
    """
    known, tokens = teacher.get_vocab(), student.get_vocab()
    ids = np.full(max(tokens.values()) + 1, UNKNOWN, dtype=np.int64)
    for token, place in tokens.items():
        ids[place] = known.get(token, UNKNOWN)
    return ids


def aligned_rows(student: TokenRows, teacher: TokenRows, token_ids: NDArray[np.int64]) -> Tensor:
    """Return whether each text has the same tokens for both, bool ``(N,)``.

    Args:
        student: token ids of N texts.
        teacher: token ids of the same texts.
        token_ids: the teacher's id of each token of the student, ``(V,)``.
    """
    same = [
        len(row) == len(target) and bool((token_ids[row] == target).all())
        for row, target in zip(student, teacher, strict=True)
    ]
    return torch.tensor(same, dtype=torch.bool)


def require_aligned(
    student: Any, teacher: Any, texts: Sequence[Sequence[Row]], tokens: TokenRows, read: TokenCache
) -> Tensor:
    """Return whether each text has the same tokens for both, bool ``(N,)``.

    Args:
        student: the student's tokenizer.
        teacher: the teacher's tokenizer.
        texts: texts that the student learns from, split by split.
        tokens: the student's token ids of all of them.
        read: says how texts are read.

    Raises:
        InputError: fewer than half of the texts have the same tokens.
    """
    targets = TokenRows.of(row for split in texts for row in read.encode(teacher, split))
    aligned = aligned_rows(tokens, targets, teacher_token_ids(student, teacher))
    share = float(aligned.float().mean())
    if share < LEAST_SHARE:
        raise InputError(
            "objective.hidden_weight, relation_weight and embedding_weight match tokens one by one, but only "
            f"{share:.0%} of the texts have the same tokens for student and teacher, and at least "
            f"{LEAST_SHARE:.0%} must. Set these weights to 0, set student.trim_vocabulary=false, or lower "
            "student.min_piece_groups."
        )
    return aligned
