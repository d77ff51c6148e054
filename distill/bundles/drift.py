"""Counts of a bundle's decisions beside its reference: what moved, by how much, and whether thresholds fit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from distill.bundles.label_shares import LabelShare, label_shares
from distill.evaluation.drift import (
    MOST_DRAWS,
    MOST_TEXTS,
    Tested,
    compare_histograms,
    compare_shares,
    holm,
    log_evidence,
    smallest_needed,
)
from distill.export.runtime import CheckFailedError, InputError
from distill.export.runtime.deciding.task import REASONS
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, read_manifest
from distill.export.runtime.manifest.records import file_record
from distill.export.runtime.watching.counts import Counts
from distill.export.runtime.watching.monitor import MIN_TEXTS, State, Window, read_state
from distill.export.runtime.watching.watch import MAX_WATCHED_LABELS

# of the probability of any false alarm, over all comparisons of one look
ALPHA = 0.05

# of the same over all looks of a year
YEARLY_ALPHA = 0.05

LOOKS_PER_YEAR = 365

SEED = 0

Compare = Callable[[Counts, Counts, np.random.Generator], Tested]


@dataclass(frozen=True)
class Moved:
    """One comparison with the reference; `adjusted` is the p-value for all comparisons together (Holm).

    `effect` is a difference of shares, or for `scores`, `lengths` and `unknown pieces` the probability that a new
    text is higher than one of the reference, minus 0.5. `label` is None where it is about all texts.
    """

    what: str
    label: str | None
    effect: float
    p_value: float
    adjusted: float
    moved: bool


@dataclass(frozen=True)
class Alarm:
    """The evidence of one comparison after the last look, beside what it takes for an alarm (both logarithms)."""

    what: str
    label: str | None
    evidence: float
    needed: float
    day: str | None


@dataclass(frozen=True)
class Drift:
    """New texts beside validation.

    `sequential` is None unless it was asked for; `shares` is empty where the reference is too small.
    """

    texts: int
    days: int
    alpha: float
    comparisons: tuple[Moved, ...]
    shares: tuple[LabelShare, ...]
    sequential: tuple[Alarm, ...] | None = None

    @property
    def moved(self) -> tuple[str, ...]:
        """Return what moved: by all comparisons at once, or by the evidence over days where that was asked for."""
        if self.sequential is not None:
            return tuple(_named(alarm.what, alarm.label) for alarm in self.sequential if alarm.day is not None)
        return tuple(_named(one.what, one.label) for one in self.comparisons if one.moved)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {**asdict(self), "moved": list(self.moved)}


def drift_of(
    bundle: Path,
    states: Sequence[Path],
    *,
    alpha: float = ALPHA,
    last_days: int | None = None,
    yearly: float | None = None,
) -> Drift:
    """Return what moved in the states of one bundle, which may be of several machines.

    Args:
        bundle: its folder.
        states: files of `Monitor.save`.
        alpha: probability of a false alarm of all comparisons together.
        last_days: only the newest windows; all by default.
        yearly: probability of a false alarm in a year of daily looks; None for one look.

    Raises:
        InputError: a state is of another bundle, has no window, or the bundle has no reference.
    """
    manifest = read_manifest(bundle)
    watch = manifest.objects.watch
    if watch is None:
        if len(manifest.labels) > MAX_WATCHED_LABELS:
            raise InputError(f"{bundle}: Bundles of more than {MAX_WATCHED_LABELS} labels have no reference.")
        raise InputError(f"{bundle}: The bundle has no reference to hold counts beside. Export it again.")
    sha256 = file_record(bundle / MANIFEST_FILE).sha256
    state = _added(states, sha256, len(manifest.labels))
    windows = state.windows if last_days is None else state.windows[-last_days:]
    total = State(sha256, windows).counts
    if total is None:
        raise InputError(f"{states[0]}: The state has no window. A window needs at least {MIN_TEXTS} texts.")
    if total.texts + watch.counts.texts > MOST_TEXTS:
        raise InputError(f"{states[0]}: The state has more than {MOST_TEXTS} texts. Choose some with --last.")
    tests = sum(1 for _ in _comparisons(manifest.labels))
    if yearly is None and smallest_needed(tests, alpha) * MOST_DRAWS < 1:
        raise InputError(
            f"--alpha: Of {tests} comparisons together {alpha:g} could not be shown by {MOST_DRAWS:,} draws. Give "
            f"at least {2 * tests / MOST_DRAWS:.2g}, or look day by day with --per-year."
        )
    return Drift(
        texts=total.texts,
        days=len(windows),
        alpha=alpha,
        comparisons=tuple(compared(total, watch.counts, manifest.labels, alpha)),
        shares=tuple(label_shares(total, watch, manifest)),
        sequential=None if yearly is None else tuple(_alarms(windows, watch.counts, manifest.labels, yearly)),
    )


def _added(states: Sequence[Path], sha256: str, labels: int) -> State:
    """Return several states as one.

    Raises:
        InputError: two of them have counted the same texts, as a state and its copy have.
    """
    added, seen, counted = State(sha256), set[Path](), set[str]()
    for path in states:
        if path.resolve() in seen:
            raise InputError(f"{path}: The state is named twice, and would be counted twice. Name it once.")
        seen.add(path.resolve())
        state = read_state(path, sha256, labels)
        # no two machines have the same histograms of hundreds of texts on one day
        windows = {f"{window.day} {window.counts.to_dict()}" for window in state.windows}
        if windows & counted:
            raise InputError(
                f"{path}: Another state has the counts of one of its days too, as a copy of it would, and they "
                "would be counted twice. Name one of the two."
            )
        counted |= windows
        added += state
    return added


def require_still(drift: Drift) -> None:
    """Refuse texts that are not like validation's.

    Raises:
        CheckFailedError: names what moved.
    """
    if drift.moved:
        raise CheckFailedError(
            f"drift: {len(drift.moved)} comparisons moved ({', '.join(drift.moved[:5])}). Label some of the new "
            "texts, and run `distill eval` on them."
        )


def compared(window: Counts, reference: Counts, labels: Sequence[str], alpha: float) -> Iterator[Moved]:
    """Yield every comparison of a window with a reference, with what Holm's rule makes of all of them.

    A comparison that cannot differ, because all texts of both are alike in it, is none.
    """
    rng = np.random.default_rng(SEED)
    every = list(_comparisons(labels))
    every = list(_comparisons(labels, smallest_needed(len(every), alpha)))
    tested = [(what, label, compare(window, reference, rng)) for what, label, compare in every]
    names = [(what, label, one) for what, label, one in tested if not one.is_certain]
    found = [one for _, _, one in names]
    adjusted = holm([one.p_value for one in found])
    for (what, label, _), one, holms in zip(names, found, adjusted, strict=True):
        yield Moved(what, label, one.effect, one.p_value, holms, holms <= alpha)


def _comparisons(labels: Sequence[str], smallest: float = 1.0) -> Iterator[tuple[str, str | None, Compare]]:
    """Yield what is compared: a name, its label, and the comparison; `smallest` is a p-value that is possible."""
    for at, label in enumerate(labels):
        yield "scores", label, partial(_histograms, partial(_scores_of, at), smallest)
        yield "decided", label, partial(_share, partial(_decided_as, at))
    yield "lengths", None, partial(_histograms, attrgetter("lengths"), smallest)
    yield "unknown pieces", None, partial(_histograms, attrgetter("pieces"), smallest)
    for reason in REASONS:
        yield reason, None, partial(_share, partial(_handed_over_for, reason))


def _scores_of(label: int, counts: Counts) -> tuple[int, ...]:
    return counts.scores[label]


def _decided_as(label: int, counts: Counts) -> int:
    return counts.decided[label]


def _handed_over_for(reason: str, counts: Counts) -> int:
    return counts.handed_over.get(reason, 0)


def _histograms(
    part: Callable[[Counts], tuple[int, ...]],
    smallest: float,
    window: Counts,
    reference: Counts,
    rng: np.random.Generator,
) -> Tested:
    return compare_histograms(np.array(part(window)), np.array(part(reference)), rng, smallest=smallest)


def _share(part: Callable[[Counts], int], window: Counts, reference: Counts, _: np.random.Generator) -> Tested:
    return compare_shares(part(window), window.texts, part(reference), reference.texts)


def _alarms(windows: Sequence[Window], reference: Counts, labels: Sequence[str], alpha: float) -> Iterator[Alarm]:
    """Yield the evidence of each comparison, day by day: each against the reference and all days before it.

    The p-values of such comparisons are independent where nothing changes, so that bets against them are too.
    """
    rng = np.random.default_rng(SEED)
    names = list(_comparisons(labels))
    p_values: list[list[float]] = [[] for _ in names]
    before = reference
    for window in windows:
        for at, (_, _, compare) in enumerate(names):
            p_values[at].append(compare(window.counts, before, rng).p_value)
        before += window.counts
    needed = float(np.log(len(names) / alpha))
    for (what, label, _), found in zip(names, p_values, strict=True):
        years = [found[at : at + LOOKS_PER_YEAR] for at in range(0, len(found), LOOKS_PER_YEAR)]
        evidence = [value for year in years for value in log_evidence(year, LOOKS_PER_YEAR)]
        first = next((at for at, value in enumerate(evidence) if value >= needed), None)
        day = None if first is None else windows[first].day.isoformat()
        yield Alarm(what, label, evidence[-1], needed, day)


def _named(what: str, label: str | None) -> str:
    return what if label is None else f"{what} of {label}"
