"""The reference of a bundle's watch: what the finished bundle decides on validation."""

from collections.abc import Sequence

import numpy as np

from distill.export.runtime.classifier import Classifier
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Noticed, Prediction
from distill.export.runtime.reading.inputs import Encoded, Row
from distill.export.runtime.watching.counts import counts_of
from distill.export.runtime.watching.watch import MAX_WATCHED_LABELS, Watch

# validation rows that are decided for it; more say no more
MOST_ROWS = 20_000

SLICE = 256


def reference_of(bundle: Classifier, texts: Sequence[Row], gold: Floats, seed: int) -> Watch | None:
    """Return the reference; None where there are too many labels or no texts.

    Args:
        bundle: finished but for the reference.
        texts: of validation.
        gold: their labels, 0/1 ``(N, C)``.
        seed: for the choice of rows, where there are more than enough.
    """
    if len(bundle.labels) > MAX_WATCHED_LABELS or not len(texts):
        return None
    rows = np.arange(len(texts))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    scores: list[Floats] = []
    seen: list[tuple[int, float, tuple[str, ...]]] = []

    def see(
        found: Floats, encoded: Sequence[Encoded], noticed: Sequence[Noticed], decided: Sequence[Prediction]
    ) -> None:
        scores.append(found)
        seen.extend(
            (len(row.ids), known.meaningless, prediction.handed_over)
            for row, known, prediction in zip(encoded, noticed, decided, strict=True)
        )

    watched = bundle.watched_by(see)
    for start in range(0, len(rows), SLICE):
        watched.predict([texts[row] for row in rows[start : start + SLICE].tolist()])
    together = np.concatenate(scores)  # (N, C)
    decided = bundle.task.decide(together, bundle.manifest.policy)
    lengths, shares, reasons = zip(*seen, strict=True)
    return Watch.of(counts_of(together, decided, lengths, shares, reasons), together, decided, gold[rows])
