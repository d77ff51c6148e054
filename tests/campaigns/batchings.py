"""Every text of a file alone and inside random batches: the same decision and the same scores, to the bit.

    python -m tests.campaigns.batchings runs/goemotions/bundle CORPORA/goemotions/test.tsv --columns text,labels,id

In each round the texts are shuffled and cut into calls of 1 to 64 texts.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np

from distill.bundles.rows import Columns, read_rows
from distill.export.runtime import Classifier, load
from distill.export.runtime.reading.inputs import Row
from distill.runs.progress import Reporter

LARGEST_CALL = 64


def random_calls(rows: int, draw: random.Random) -> list[list[int]]:
    """All rows once, shuffled, in calls of random sizes."""
    order = draw.sample(range(rows), rows)
    calls = []
    while order:
        size = draw.randint(1, LARGEST_CALL)
        calls.append(order[:size])
        order = order[size:]
    return calls


def compare(classifier: Classifier, texts: list[Row], rounds: int, seed: int) -> tuple[int, int, float]:
    """Decisions changed, scores changed, and the largest difference of a score, over all rounds."""
    reporter, draw = Reporter(), random.Random(seed)
    with reporter.bar("alone and in batches", (rounds + 1) * len(texts)) as advance:
        alone = []
        for text in texts:
            alone.append(classifier.predict([text])[0])
            advance(1)
        decisions = scores = 0
        worst = 0.0
        for _ in range(rounds):
            for call in random_calls(len(texts), draw):
                for row, found in zip(call, classifier.predict([texts[row] for row in call]), strict=True):
                    decisions += found.labels != alone[row].labels
                    scores += found.scores != alone[row].scores
                    moved = np.subtract(list(found.scores.values()), list(alone[row].scores.values()))
                    worst = max(worst, float(np.abs(moved).max()))
                advance(len(call))
    return decisions, scores, worst


def main() -> None:
    """Compare, print, and fail where a decision changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--text", help="column of the texts")
    parser.add_argument("--columns", help="names of the fields of a file without a header, comma-separated")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=13)
    options = parser.parse_args()
    header = tuple(options.columns.split(",")) if options.columns else None
    classifier = load(options.bundle)
    texts = list(read_rows(options.file, Columns(text=options.text, header=header), classifier.input))
    decisions, scores, worst = compare(classifier, texts, options.rounds, options.seed)
    print(
        f"{options.bundle}: {classifier.manifest.precision}, max_batch {classifier.manifest.max_batch}; "
        f"{len(texts):,} texts x {options.rounds} batchings: {decisions} decisions changed, "
        f"{scores} texts with a changed score, largest difference {worst:.3g}"
    )
    sys.exit(decisions > 0)


if __name__ == "__main__":
    main()
