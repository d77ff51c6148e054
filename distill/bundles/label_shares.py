"""New shares of labels among the texts that a bundle decides, and whether its thresholds fit them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.drift import new_shares, share_intervals
from distill.export.runtime.manifest.manifest import Manifest
from distill.export.runtime.manifest.promises import PRECISION
from distill.export.runtime.watching.counts import Counts
from distill.export.runtime.watching.watch import Watch

SEED = 0

# loss of expected F1 beside the best threshold, beyond that at validation's shares, from which on it does not fit
LOST_F1 = 0.02


@dataclass(frozen=True)
class LabelShare:
    """The share of texts that have a label: of validation, and of the new texts by their decisions, 95 % interval.

    `precision` is what is expected of the label's decisions at validation's share, and at the new one; None where
    nothing is decided so. `threshold_fits` is None where the label has no threshold of its own, or hardly a text.
    """

    label: str
    before: float
    now: float
    low: float
    high: float
    precision_before: float | None
    precision_now: float | None
    threshold_fits: bool | None
    why: str | None = None


def label_shares(window: Counts, watch: Watch, manifest: Manifest) -> Iterator[LabelShare]:
    """Yield the new share of each label that validation has, and whether its threshold still fits."""
    rng = np.random.default_rng(SEED)
    texts = watch.counts.texts
    if watch.confusion is not None:
        table, counted = np.array(watch.confusion), np.array(window.decided)
        shares, intervals = new_shares(counted, table), share_intervals(counted, table, rng)
        found = {
            at: (float(shares[at]), *map(float, intervals[at])) for at in range(len(table)) if table[at].any()
        }
    else:
        found = {}
        for at, positives in enumerate(watch.positives):
            has = np.array(positives)
            if has.any():
                table = np.stack([np.array(watch.counts.scores[at]) - has, has])
                counted = np.array(window.scores[at])
                low, high = map(float, share_intervals(counted, table, rng)[1])
                found[at] = float(new_shares(counted, table)[1]), low, high
    for at, (now, low, high) in found.items():
        before = sum(watch.positives[at]) / texts
        yield _label_share(manifest, watch, at, before, now, low, high, is_rare=high * window.texts < 1)


def _label_share(
    manifest: Manifest,
    watch: Watch,
    at: int,
    before: float,
    now: float,
    low: float,
    high: float,
    *,
    is_rare: bool,
) -> LabelShare:
    has, texts = np.array(watch.positives[at]), watch.counts.texts
    positives = int(has.sum())
    hit = watch.right[at] / positives
    others = texts - positives
    false = (watch.counts.decided[at] - watch.right[at]) / others if others else 0.0
    label = manifest.labels[at]
    fits, why = None, None
    if manifest.thresholds is not None and not is_rare:  # of no text there is no F1
        fits, why = True, None
        lost = _lost_f1(has, np.array(watch.counts.scores[at]) - has, now, hit, false) - _lost_f1(
            has, np.array(watch.counts.scores[at]) - has, before, hit, false
        )
        if lost > LOST_F1 and not low <= before <= high:
            fits, why = False, f"another threshold would have {lost:.3f} more F1"
    floor = next((f for f in manifest.objects.floors or () if f.kind == PRECISION and f.label == label), None)
    precision = _precision(now, hit, false)
    if floor is not None and precision is not None and precision < floor.at_least:
        fits, why = False, f"its precision is expected below the floor of {floor.at_least:g}"
    return LabelShare(label, before, now, low, high, _precision(before, hit, false), precision, fits, why)


def _precision(share: float, hit: float, false: float) -> float | None:
    """Return the precision where a share of texts has the label, by the rates of hits and false alarms."""
    decided = share * hit + (1 - share) * false
    return share * hit / decided if decided > 0 else None


def _lost_f1(has: NDArray[np.int64], others: NDArray[np.int64], share: float, hit: float, false: float) -> float:
    """Return how much less F1 is expected than with the best of the thresholds between two bins."""
    hits = np.cumsum(has[::-1]) / max(int(has.sum()), 1)
    falses = np.cumsum(others[::-1]) / max(int(others.sum()), 1)
    best = float((2 * share * hits / np.maximum(share * hits + (1 - share) * falses + share, 1e-12)).max())
    return max(0.0, best - 2 * share * hit / max(share * hit + (1 - share) * false + share, 1e-12))
