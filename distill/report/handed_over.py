"""The test texts that the finished bundle leaves to a person, whatever the reason."""

from collections import Counter
from collections.abc import Sequence

from distill.artifacts.report import HandedOver
from distill.export.runtime.classifier import BLOCK, Classifier
from distill.export.runtime.reading.inputs import Row

# more say no more
MOST_TEXTS = 20_000


def handed_over(bundle: Classifier, splits: Sequence[Sequence[Row]]) -> HandedOver:
    """Return how many test texts are handed over, in all and per reason.

    Args:
        bundle: what ships.
        splits: test texts; of more than `MOST_TEXTS` some are left out, evenly.
    """
    step = max(1, sum(map(len, splits)) // MOST_TEXTS)
    texts = [split[row] for split in splits for row in range(0, len(split), step)]
    reasons: Counter[str] = Counter()
    left = undecided = 0
    for prediction in bundle.stream(texts, block=BLOCK):
        reasons.update(prediction.handed_over)
        left += bool(prediction.handed_over)
        undecided += prediction.abstained
    return HandedOver(len(texts), left, dict(reasons.most_common()), undecided)
