"""Measure how near splits come to the wanted shares of labels, ours beside scikit-learn's and the textbook's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.corpora.assembly.splits import split_by_group
from distill.corpora.storage.columns import CorpusRows, Ints, LabelRows

SHARES = (0.8, 0.1, 0.1)

Matrix = NDArray[np.int64]

Splitter = Callable[[Matrix, Ints, int], Ints]


def ours(labels: Matrix, groups: Ints, seed: int) -> Ints:
    """Return the part of each row by the project's own splitter.

    Args:
        labels: 0/1, ``(N, C)``.
        groups: the group of each row, ``(N,)``.
        seed: of the draws.
    """
    rows = np.arange(len(groups), dtype=np.int32)
    ids = LabelRows.of(tuple(np.flatnonzero(row).tolist()) for row in labels)
    corpus = CorpusRows(
        text=rows,
        group=groups.astype(np.int32),
        key=rows,
        labels=ids,
        file=np.zeros_like(rows),
        row=rows,
        files=("rows",),
    )
    part = np.zeros(len(rows), dtype=np.int32)
    for number, members in enumerate(split_by_group(corpus, rows, SHARES, seed=seed)):
        part[members] = number
    return part


def textbook(labels: Matrix, groups: Ints, seed: int) -> Ints:
    """Return the part of each row by iterative stratification of groups (Sechidis et al. 2011), step by step."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((int(groups.max()) + 1, labels.shape[1]), dtype=np.int64)
    np.add.at(counts, groups, labels)
    part, is_open = np.zeros(len(counts), dtype=np.int32), np.ones(len(counts), dtype=bool)
    wanted = np.outer(SHARES, counts.sum(axis=0))
    rows_wanted = np.array(SHARES) * counts.sum()
    order = rng.permutation(len(counts))
    while (left := counts[is_open].sum(axis=0)).any():
        label = min(np.flatnonzero(left).tolist(), key=lambda label: int(left[label]))
        for group in (group for group in order if is_open[group] and counts[group, label]):
            best = np.flatnonzero(wanted[:, label] == wanted[:, label].max())
            best = best[rows_wanted[best] == rows_wanted[best].max()]
            chosen = int(rng.choice(best))
            part[group], is_open[group] = chosen, False
            wanted[chosen] -= counts[group]
            rows_wanted[chosen] -= counts[group].sum()
    part[is_open] = rng.choice(len(SHARES), int(is_open.sum()), p=SHARES)
    return part[groups]


def stratified_group_k_fold(labels: Matrix, groups: Ints, seed: int) -> Ints:
    """Return the part of each row: two of ten of scikit-learn's folds are validation and test."""
    from sklearn.model_selection import StratifiedGroupKFold

    first = labels.argmax(axis=1)
    part = np.zeros(len(first), dtype=np.int32)
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed).split(first, first, groups)
    for number, (_, members) in zip((1, 2), folds, strict=False):
        part[members] = number
    return part


SPLITTERS: Mapping[str, Splitter] = {
    "textbook": textbook,
    "StratifiedGroupKFold": stratified_group_k_fold,
    "ours": ours,
}


def deviations(labels: Matrix, part: Ints) -> NDArray[np.float64]:
    """Return how far validation's and test's shares of each label's rows are from the wanted ones, ``(2, C)``."""
    held = labels[:, labels.any(axis=0)]
    shares = np.stack([held[part == number].sum(axis=0) for number in (1, 2)]) / held.sum(axis=0)
    deviation: NDArray[np.float64] = np.abs(shares - np.array(SHARES[1:])[:, None])
    return deviation


def corpora(folder: Path) -> dict[str, tuple[Matrix, Ints]]:
    """Return labels and groups of the packaged recipes whose splits are cut off, and of a skewed corpus."""
    from distill.corpora.assembly.read import read_corpus
    from distill.corpora.corpus import label_matrix
    from distill.recipe.load import load_recipe
    from distill.recipe.sources import corpus_spec

    found: dict[str, tuple[Matrix, Ints]] = {}
    for name, place in (
        ("counselchat", "counsel_chat"),
        ("annomi-client", "annomi"),
        ("annomi-therapist", "annomi"),
    ):
        recipe = load_recipe(name, [f"corpus.source={folder / place}"])
        corpus, _ = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed)
        parts = (corpus.train, corpus.validation, corpus.test)
        labels = np.concatenate([label_matrix(part, corpus.task) for part in parts]).astype(np.int64)
        groups = np.concatenate([np.asarray(part.groups) for part in parts])
        found[name] = (labels, np.unique(groups, return_inverse=True)[1].astype(np.int32))
    found["skewed"] = skewed()
    return found


def skewed() -> tuple[Matrix, Ints]:
    """Return 3,000 rows of 10 labels, each half as frequent as the last, in groups of very different sizes."""
    rng = np.random.default_rng(1)
    odds = 0.5 ** np.arange(10)
    labels = np.eye(10, dtype=np.int64)[rng.choice(10, 3000, p=odds / odds.sum())]
    sizes = np.repeat(np.arange(200), np.maximum(rng.pareto(1.2, 200) * 5, 1).astype(int))
    return labels, np.sort(np.resize(sizes, 3000)).astype(np.int32)


def main() -> None:
    """Print one line per corpus and splitter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path, help="folder of the corpora")
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    for name, (labels, groups) in corpora(options.corpora).items():
        for splitter, split in SPLITTERS.items():
            parts = [split(labels, groups, seed) for seed in range(options.seeds)]
            off = np.array([deviations(labels, part) for part in parts])
            rows = [float((part == 1).mean()) for part in parts]
            print(
                f"{name}, {splitter}: rows of validation {min(rows):.3f}-{max(rows):.3f}, "
                f"mean deviation {off.mean():.4f}, largest {off.max(axis=(1, 2)).mean():.3f}"
            )


if __name__ == "__main__":
    main()
