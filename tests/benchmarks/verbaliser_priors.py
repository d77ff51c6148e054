"""Accuracy of a verbaliser's test rows with each prior, from the scores that a run left; nothing is asked again.

python -m tests.benchmarks.verbaliser_priors RUN
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Logits
from distill.labelling.prior import fit_prior


def scores_of(run: Path, split: str) -> Logits:
    """Return the raw scores of a split, ``(N, C)``."""
    parts = [
        pq.read_table(path)["logits"].to_pylist() for path in sorted((run / "scores" / split).glob("*.parquet"))
    ]
    return np.array([row for part in parts for row in part], dtype=np.float32)


def main() -> None:
    """Print accuracy, its standard error, and the number of labels that are ever chosen."""
    run = Path(sys.argv[1])
    corpus = load_corpus(run / "corpus")
    gold = label_matrix(corpus.test, corpus.task).argmax(axis=1)
    validation, test = scores_of(run, "validation"), scores_of(run, "test")
    free = scores_of(run, "content_free") if (run / "scores/content_free").is_dir() else None
    majority = np.bincount(gold).max() / len(gold)
    print(f"{len(gold)} test rows, {len(corpus.task.labels)} labels, majority {majority:.3f}")
    for name in ("none", "content_free", "batch", "affine"):
        if name == "content_free" and free is None:
            continue
        known = label_matrix(corpus.validation, corpus.task)
        chosen = (
            fit_prior(name, validation, corpus.task, gold=known, content_free=free).values(test).argmax(axis=1)
        )
        right = float((chosen == gold).mean())
        error = (right * (1 - right) / len(gold)) ** 0.5
        print(f"{name}: accuracy {right:.3f} +- {error:.3f}, labels chosen {len(set(chosen.tolist()))}")


if __name__ == "__main__":
    main()
