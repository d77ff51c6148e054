"""Near-copies: texts that repeat most of another text's characters, in any script."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.splits import normalise_text

# two texts are near-copies where they share this part of all runs of this many characters that either has
SHARED, RUN = 0.5, 3

FEATURES = 2**20

ROWS_AT_ONCE = 1000


def near_copies(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts are near-copies of one of the others, ``(N,)``.

    Args:
        texts: texts that were made.
        others: texts that must not come back, such as those that are evaluated.
    """
    found = np.zeros(len(texts), dtype=bool)
    if not len(texts) or not len(others):
        return found
    known, made = _runs(others), _runs(texts)
    sizes = np.asarray(known.sum(axis=1)).ravel()
    for start in range(0, len(texts), ROWS_AT_ONCE):
        part = made[start : start + ROWS_AT_ONCE]
        shared = (part @ known.T).tocoo()
        own = np.asarray(part.sum(axis=1)).ravel()
        either = own[shared.row] + sizes[shared.col] - shared.data
        found[start + np.unique(shared.row[shared.data >= SHARED * either])] = True
    return found


def _runs(texts: Sequence[str]) -> Any:
    """Return which runs of characters each text has, as a sparse matrix of 0 and 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(RUN, RUN),
        n_features=FEATURES,
        binary=True,
        norm=None,
        alternate_sign=False,
    )
    return vectorizer.transform([normalise_text(text) for text in texts])
