"""Counts of what a bundle decides, and its drift: `predict --monitor` and `drift`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.layout import print_table
from distill.cli.options import AsJson, Bundle

if TYPE_CHECKING:
    from distill.bundles.drift import Drift
    from distill.export.runtime import Classifier

SHOWN = 15  # comparisons that are printed


def drift(
    bundle: Bundle,
    states: Annotated[
        list[Path], typer.Argument(help="Files of `predict --monitor` or `serve --monitor`; several are added.")
    ],
    alpha: Annotated[
        float,
        typer.Option(min=1e-6, max=0.5, help="Probability of a false alarm of all comparisons together."),
    ] = 0.05,
    last: Annotated[
        int | None, typer.Option(min=1, help="Number of days, the newest, to compare; all by default.")
    ] = None,
    per_year: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=0.5,
            help="Look day by day, with this probability of a false alarm in a whole year of daily looks.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold what a bundle decided beside its validation: what moved, new label shares, and do thresholds still fit.

    Exit status 1 where something moved. P-values are exact for independent texts at any number of them.
    """
    from distill.bundles.drift import drift_of, require_still

    found = drift_of(bundle, states, alpha=alpha, last_days=last, yearly=per_year)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2), flush=True)
    else:
        _print(found)
    require_still(found)


@contextmanager
def watched(classifier: "Classifier", path: Path | None) -> "Iterator[Classifier]":
    """Return a context of a classifier whose decisions are added to the counts of a file at its end.

    Raises:
        InputError: the file's folder does not exist, or the file is not a state of this bundle.
    """
    from distill.export.runtime import InputError
    from distill.export.runtime.watching.monitor import MIN_TEXTS, Monitor, read_state

    if path is None:
        yield classifier
        return
    if not path.parent.is_dir():
        raise InputError(
            f"{path}: The folder {path.parent} does not exist. Create it, or name another with --monitor."
        )
    monitor = Monitor(classifier)
    if path.exists() and classifier.origin is not None:
        read_state(path, classifier.origin.manifest_sha256, len(classifier.labels))
    try:
        yield monitor.classifier
    finally:
        if not monitor.save(path):
            few = f"{monitor.waiting} texts are fewer than {MIN_TEXTS}"
            print(f"{path}: Nothing was added, because {few}.", file=sys.stderr)


def _print(found: "Drift") -> None:
    print(f"{found.texts:,} texts of {found.days} days beside validation")
    ordered = sorted(found.comparisons, key=lambda one: (one.adjusted, one.p_value))
    rows = [
        [one.what if one.label is None else f"{one.what} of {one.label}", f"{one.effect:+.3f}", *_p_values(one)]
        for one in ordered[:SHOWN]
    ]
    print_table("what moved", ["comparison", "effect", "p", "p of all", "moved"], rows)
    if len(ordered) > SHOWN:
        print(f"{len(ordered) - SHOWN} further comparisons have higher p-values.")
    if found.sequential is not None:
        alarms = sorted(found.sequential, key=lambda one: -one.evidence)[:SHOWN]
        print_table(
            "evidence over the days, in powers of e",
            ["comparison", "evidence", "alarm from", "alarm on"],
            [
                [
                    one.what if one.label is None else f"{one.what} of {one.label}",
                    f"{one.evidence:.1f}",
                    f"{one.needed:.1f}",
                    one.day or "-",
                ]
                for one in alarms
            ],
        )
    if found.shares:
        print_table(
            "shares of labels, if each label's texts are as before",
            ["label", "before", "now", "95 % interval", "precision before", "now", "threshold fits"],
            [
                [
                    one.label,
                    f"{one.before:.1%}",
                    f"{one.now:.1%}",
                    f"{one.low:.1%} to {one.high:.1%}",
                    _share(one.precision_before),
                    _share(one.precision_now),
                    "-" if one.threshold_fits is None else "yes" if one.threshold_fits else f"no: {one.why}",
                ]
                for one in found.shares
            ],
        )


def _p_values(one: object) -> list[str]:
    p_value, adjusted, moved = (getattr(one, name) for name in ("p_value", "adjusted", "moved"))
    return [f"{p_value:.2g}", f"{adjusted:.2g}", "yes" if moved else "no"]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
