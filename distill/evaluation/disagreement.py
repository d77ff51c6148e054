"""Checks of a variant's decisions against PyTorch's on the same validation rows, each a statistical test.

A bound is about the rate or the drop over all texts, and validation is a sample of them. A variant is refused if
these rows show that the true value is above its bound, with the confidence that the bounds ask for. So a variant
that is exactly at a bound passes with that probability, whatever the number of rows. docs/results/quantization.md
has the table.

scipy is imported where it is called, because evaluators belong to the base install.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.scores import Bools, Floats

if TYPE_CHECKING:
    from distill.evaluation.evaluator import Evaluator

# of the bootstrap behind a drop; its 5 % quantile is then known to half a percentage point
SAMPLES = 2000


def flip_checks(variant: Bools, reference: Bools, bounds: Bounds, *, least: int = 1) -> tuple[Check, ...]:
    """Return the checks on flipped decisions ``(N, C)``: per (row, label) and per row.

    Args:
        variant: decisions of the variant.
        reference: those of PyTorch.
        bounds: the limits.
        least: the fewest labels that flip in a row with a flip: 2 where a row has exactly one label.
    """
    flipped = (variant != reference).sum(axis=1)
    return (
        share_check(
            "flips per (row, label)",
            flipped,
            bounds.max_label_flip_rate,
            bounds.confidence,
            cells=variant.shape[1],
            least=least,
        ),
        share_check("rows with a flip", flipped > 0, bounds.max_row_flip_rate, bounds.confidence),
    )


def share_check(
    name: str, counts: NDArray[Any], bound: float, confidence: float, *, cells: int = 1, least: int = 1
) -> Check:
    """Return a check of a share of cells, from their number per row: the exact binomial test.

    Clopper & Pearson (1934). Labels of one row flip together, so cells are not independent trials. Only rows
    count: flips are divided by the design effect, the mean number of flips in the row of a flip. The test is exact
    if all rows have equal counts; Rao & Scott (1992) use the same factor for clustered counts.

    Args:
        name: of the check.
        counts: cells that differ per row, ``(N,)``, each in [0, `cells`].
        bound: of the share, in [0, 1].
        confidence: of the test, in [0.5, 1).
        cells: the number of cells in a row.
        least: the fewest differing cells in a row that has any.
    """
    from scipy.special import betainc, betaincinv

    rows, differing = len(counts), int(counts.sum())
    squares = int((counts.astype(np.int64) ** 2).sum())
    effect = max(float(least), squares / differing if differing else 0.0)
    most = min(rows * cells, int(effect * rows))  # more would be more independent flips than rows

    def by_chance(number: int) -> float:
        """Probability of at least this number where the true share is the bound."""
        flips = number / effect
        return float(betainc(flips, rows - flips + 1, min(1.0, bound * cells / effect)))

    allowed = largest_by_chance(most, by_chance, 1 - confidence)
    flips = differing / effect
    upper = effect / cells * float(betaincinv(flips + 1, rows - flips, confidence)) if flips < rows else 1.0
    what = "rows" if cells == 1 else "decisions"
    return Check(
        name,
        differing / (rows * cells),
        bound,
        allowed=allowed / (rows * cells),
        upper=min(1.0, upper),
        rows=rows,
        reason=f"{differing} of {rows * cells} {what} differ, at most {allowed} allowed at this size",
    )


def drop_check(
    name: str,
    evaluator: "Evaluator",
    variant: Bools,
    reference: Bools,
    gold: Floats,
    bound: float,
    confidence: float,
) -> Check:
    """Return a check of the headline's drop from the reference to the variant: a paired bootstrap over rows.

    Refused where its lower confidence bound, the percentile of the resampled drops, is above the bound.

    Args:
        name: of the check.
        evaluator: of the task, whose headline it is.
        variant: decisions ``(N, C)``.
        reference: decisions that it is compared with.
        gold: 0/1 ``(N, C)``.
        bound: of the drop.
        confidence: of the test, in [0.5, 1).
    """
    rows = len(gold)
    drop = evaluator.score(reference, gold) - evaluator.score(variant, gold)
    lower = upper = drop
    if not np.array_equal(variant, reference):
        # rows that are equal in all three are drawn together: the same distribution, in little memory
        bits = np.packbits(np.concatenate([variant, reference, gold > 0], axis=1), axis=1)
        _, first, counts = np.unique(bits, axis=0, return_index=True, return_counts=True)
        weights = np.random.default_rng(0).multinomial(rows, counts / rows, size=SAMPLES).astype(np.float32)
        resampled = evaluator.resampled(reference[first], gold[first], weights) - evaluator.resampled(
            variant[first], gold[first], weights
        )  # (S,)
        lower, upper = (float(np.quantile(resampled, share)) for share in (1 - confidence, confidence))
    allowed = bound + max(0.0, drop - lower)
    return Check(
        name,
        drop,
        bound,
        allowed=allowed,
        upper=max(upper, drop),
        rows=rows,
        reason=f"{drop:.4f} on {rows} rows, at most {allowed:.4f} allowed at this size",
    )


def recall_check(variant: Bools, reference: Bools, gold: Floats, labels: tuple[str, ...], bounds: Bounds) -> Check:
    """Return a check of the recall drop of one label: the label that is farthest above what its rows allow.

    Some of a label's rows are lost and some are gained; the test is on the difference, if the true loss on balance
    is the bound. Labels share the probability of a refusal by chance (Bonferroni), so that many
    labels are held as strictly as few.

    Args:
        variant: decisions ``(N, C)``.
        reference: those of PyTorch.
        gold: 0/1 ``(N, C)``.
        labels: their names.
        bounds: the limits; labels with fewer than `min_recall_rows` rows are not compared.
    """
    name, bound = "recall drop of the worst label", bounds.max_recall_drop
    positive = gold > 0
    support = positive.sum(axis=0)
    compared = np.flatnonzero(support >= bounds.min_recall_rows)
    if not len(compared):
        return Check(name, 0.0, bound, reason=f"no label has {bounds.min_recall_rows} rows")
    lost = (positive & reference & ~variant).sum(axis=0)
    gained = (positive & variant & ~reference).sum(axis=0)
    level = (1 - bounds.confidence) / len(compared)
    checks = []
    for label in compared:
        rows, net = int(support[label]), int(lost[label] - gained[label])
        allowed = _allowed_loss(rows, int(gained[label]), bound, level)
        checks.append(
            Check(
                name,
                max(0.0, net / rows),
                bound,
                allowed=allowed / rows,
                rows=rows,
                reason=f"{labels[label]!r}: {max(0, net)} of {rows} rows lost, "
                f"at most {allowed} allowed at this size",
            )
        )
    return max(checks, key=lambda check: check.value - (check.allowed or 0.0))


def largest_by_chance(most: int, by_chance: Callable[[int], float], level: float) -> int:
    """Return the largest number from 0 to `most` that is at least as probable as `level`.

    Args:
        most: the largest possible.
        by_chance: returns the probability of at least a given number, which falls as the number rises.
        level: the probability of a refusal by chance.
    """
    return bisect_left(range(1, most + 1), True, key=lambda number: by_chance(number) <= level)


def _allowed_loss(rows: int, gained: int, bound: float, level: float) -> int:
    """Return the number of rows that one label may lose on balance."""
    from scipy.stats import binom

    share = gained / rows
    spread = int(10 * np.sqrt(gained)) + 1  # nothing is probable beyond it
    gains = np.arange(max(0, gained - spread), min(rows, gained + spread) + 1)
    weights = binom.pmf(gains, rows, share)

    def by_chance(net: int) -> float:
        return float((weights * binom.sf(net + gains - 1, rows, min(1.0, bound + share))).sum())

    return largest_by_chance(rows, by_chance, level)
