"""The verdict on a finished run: what its bundle is worth beside a baseline, its twin and its teacher."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.report import HandedOver, Headline, Verdict, read_report
from distill.evaluation.bootstrap import Bootstrap
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.errors import CheckFailedError

REMEDY = "more rows, texts without labels (corpus.transfer), [augmentation] or more student.epochs may help"


@dataclass(frozen=True)
class Bundled:
    """The variant that ships, on the rows that models are compared on.

    Attributes:
        name: of the variant.
        score: its headline.
        retention: that as a share of its teacher's; None where the teacher's is 0.
        over_teacher: that minus its teacher's, on the same rows.
        handed_over: of the test texts.
        decisions: ``(N, C)``.
        gold: 0/1, ``(N, C)``.
    """

    name: str
    score: float
    retention: float | None
    over_teacher: Bootstrap
    handed_over: HandedOver
    decisions: Bools
    gold: Floats


def verdict_of(
    bundled: Bundled,
    labels: Sequence[str],
    headline: Headline,
    over_baseline: Bootstrap,
    over_twin: Bootstrap | None,
) -> Verdict:
    """Return the verdict on a bundle.

    Args:
        bundled: what ships.
        labels: names by column of its decisions.
        headline: the metric that models are compared by.
        over_baseline: its headline minus that of TF-IDF on the same rows.
        over_twin: the same over its twin; None without a twin.
    """
    given, wanted = bundled.decisions.mean(axis=0), bundled.gold.sum(axis=0)
    never = _names(labels, (given == 0) & (wanted > 0))
    always = _names(labels, given == 1)
    rows = len(bundled.gold)
    kept = "" if bundled.retention is None else f", {bundled.retention:.0%} of its teacher's"
    kept = kept and f"{kept} ({_interval(bundled.over_teacher)})"
    parts = [
        f"{bundled.name} ships with a {headline.title} of {bundled.score:.3f}{kept}",
        _compared("TF-IDF", over_baseline, rows),
    ]
    if over_twin is not None:
        parts.append(_compared("its twin, which had no teacher", over_twin, rows))
    return Verdict(
        failures=tuple(_failures(over_baseline, always, bundled.handed_over)),
        line="; ".join(parts),
        notes=(*_undecided(bundled.handed_over), *_notes(over_baseline, over_twin, never, always)),
        over_baseline=over_baseline,
        over_twin=over_twin,
        over_teacher=bundled.over_teacher,
        retention=bundled.retention,
        never_given=never,
        always_given=always,
    )


def require_passed(folder: Path, *, is_accepted: bool) -> None:
    """Refuse a finished run whose bundle a baseline beats, that gives a label to every row, or decides nothing.

    Args:
        folder: of the run.
        is_accepted: whether its recipe accepts such a bundle.

    Raises:
        CheckFailedError: names the failures and the key.
    """
    verdict = None if is_accepted else read_report(folder).verdict
    if verdict is not None and verdict.failures:
        raise CheckFailedError(
            f"verdict: {'; '.join(verdict.failures)}. The bundle was written: do not ship it, or accept it with "
            "export.allow_worse_than_baseline = true."
        )


def _failures(over_baseline: Bootstrap, always: Sequence[str], handed_over: HandedOver) -> Iterator[str]:
    if 0 < handed_over.texts == handed_over.undecided:
        yield "the bundle decides no test text"
    if over_baseline.high < 0:
        yield "the bundle is below TF-IDF on test rows"
    if always:
        yield f"every test row is given {', '.join(always)}"


def _undecided(handed_over: HandedOver) -> Iterator[str]:
    """Yield a sentence where most texts are left to a person, which the headline does not show."""
    if handed_over.texts <= 2 * handed_over.undecided and handed_over.undecided:
        share = handed_over.undecided / handed_over.texts
        yield f"{share:.0%} of the test texts are not decided, and count as if they were; look at [decisions]"


def _names(labels: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(label for label, is_chosen in zip(labels, chosen.tolist(), strict=True) if is_chosen)


def _compared(other: str, gain: Bootstrap, rows: int) -> str:
    interval = _interval(gain)
    if gain.low > 0:
        return f"above {other} ({interval})"
    if gain.high < 0:
        return f"below {other} ({interval})"
    return f"{rows:,} test rows are too few to tell it from {other} ({interval})"


def _interval(gain: Bootstrap) -> str:
    return f"{gain.difference:+.3f}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}"


def _notes(
    over_baseline: Bootstrap, over_twin: Bootstrap | None, never: Sequence[str], always: Sequence[str]
) -> Iterator[str]:
    if over_twin is not None and over_twin.difference <= 0:
        yield f"the teacher did not help here; {REMEDY}"
    if over_baseline.difference <= 0:
        yield f"TF-IDF does at least as well on these rows; {REMEDY}"
    if never:
        yield f"never given, though test rows have them: {', '.join(never)}"
    if always:
        yield f"given to every test row: {', '.join(always)}; look at [decisions] and at the corpus's labels"
