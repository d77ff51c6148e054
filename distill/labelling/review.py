"""The rows of a corpus without labels that are worth a person's label: those in doubt, spread over the corpus."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.reading.inputs import Row
from distill.labelling.codebook import text_of

REVIEW_FILE = "to_review.csv"

# as many as a person labels in an hour or two
REVIEWED = 200

# candidates in doubt per row that is chosen, from which coverage chooses
CANDIDATES = 10

# features of hashed words: enough to tell texts apart, few enough for a moment
FEATURES = 2**14

# each label of a model that has seen half of the rows is held against the language model's on the other half
PARTS = 2

# a disagreement counts as much as this much doubt, which is 1 at most
DISAGREEMENT = 1.0


def most_worth(
    texts: Sequence[str],
    scores: NDArray[np.float64],
    labels: NDArray[np.uint8],
    count: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> NDArray[np.int64]:
    """Return the positions of at most `count` rows, the most worthwhile first.

    A row is in doubt where the model's two best labels are close (or a label's odds are even), and where a linear
    model of words that learnt the model's labels on other rows decides otherwise. Of the rows in most doubt, each
    next one is the one that is least like those before it, weighted by its doubt.

    Args:
        texts: of the rows.
        scores: of the labels without their prior, ``(N, C)``; log-probabilities or log-odds.
        labels: the model's, 0/1 ``(N, C)``.
        count: the number of rows.
        seed: of the split into parts.
        advance: is called with 1 for each label in each of the `PARTS` parts.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(n_features=FEATURES, ngram_range=(1, 1), norm="l2").transform(texts)
    several = not bool((labels.sum(axis=1) == 1).all())
    doubt = _doubt(scores, several=several) + DISAGREEMENT * _disagreement(words, labels, seed, advance)
    pool = np.argsort(-doubt, kind="stable")[: CANDIDATES * count]
    vectors = words[pool]
    nearest = np.zeros(len(pool))  # cosine to the most similar row that is chosen
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        worth = doubt[pool] * (1 - nearest)
        worth[chosen] = -np.inf
        best = int(worth.argmax())
        chosen.append(best)
        nearest = np.maximum(nearest, (vectors @ vectors[best].T).toarray().ravel())
    return np.asarray(pool[chosen], dtype=np.int64)


def write_review(
    path: Path,
    splits: Sequence[tuple[str, Sequence[Row]]],
    names: Sequence[Sequence[str]],
    rows: NDArray[np.int64],
) -> None:
    """Write a table for a person: split and number of each row, its text, the model's labels, and an empty column.

    Args:
        path: of the file.
        splits: names and texts of the splits, one after the other.
        names: the model's labels of every row.
        rows: positions in all splits together.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["split", "row", "text", "labels_of_model", "labels"])
        for row in rows.tolist():
            place = row
            for split, texts in splits:
                if place < len(texts):
                    table.writerow([split, place, _plain(text_of(texts[place])), ",".join(names[row]), ""])
                    break
                place -= len(texts)


def _plain(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _doubt(scores: NDArray[np.float64], *, several: bool) -> NDArray[np.float64]:
    """Return doubt from 0 to 1, ``(N,)``: how close the two best labels are, or the most even odds of a label."""
    if several:
        return np.asarray(1 - np.abs(np.tanh(scores / 2)).min(axis=1))
    shares = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
    best = np.sort(shares, axis=1)[:, -2:]
    return np.asarray(1 - (best[:, 1] - best[:, 0]))


def _disagreement(
    words: object, labels: NDArray[np.uint8], seed: int, advance: Callable[[int], None]
) -> NDArray[np.float64]:
    """Return how much a model of words that did not see a row decides otherwise, 0 to 1: ``(N,)``."""
    from sklearn.linear_model import RidgeClassifier

    matrix: object = words
    part = np.random.default_rng(seed).permutation(len(labels)) % PARTS
    differs = np.zeros(len(labels))
    for number in range(PARTS):
        known, other = np.flatnonzero(part != number), np.flatnonzero(part == number)
        for label in range(labels.shape[1]):
            gold = labels[known, label]
            if 0 < gold.sum() < len(gold):
                model = RidgeClassifier(class_weight="balanced").fit(matrix[known], gold)  # type: ignore[index]
                differs[other] += model.predict(matrix[other]) != labels[other, label]  # type: ignore[index]
            advance(1)
    return np.minimum(differs, 2) / 2
