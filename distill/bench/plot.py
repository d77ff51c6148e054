"""A picture of quality against latency, a point a bundle; needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from distill.export.runtime.errors import InputError

SIZE_INCHES = (6.4, 4.4)


def draw_quality(found: dict[str, Any], target: Path) -> None:
    """Draw what `bench_bundles` found: macro-F1 on test over the median latency of one text on one thread.

    Args:
        found: of which bundles without a macro-F1 are left out.
        target: a path that ends in .svg or .png.

    Raises:
        InputError: the file cannot be written.
    """
    kinds = list(found["texts"])
    kind = "real" if "real" in kinds else kinds[1]
    points = _points(found, kind)
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for name, milliseconds, quality, megabytes in points:
        axes.plot([milliseconds], [quality], "o")
        said = f"{name}, {megabytes:.1f} MB".replace("$", r"\$")  # a name is no formula
        axes.annotate(said, (milliseconds, quality), xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.margins(0.25)
    axes.set_xlabel(f"p50 of one text ({kind}) on one thread, ms")
    axes.set_ylabel("test macro-F1, as each manifest tells it")
    axes.set_title(f"{found['cpu']['model']}, {' '.join(found['cpu']['flags'])}".replace("$", r"\$"), fontsize=9)
    axes.grid(alpha=0.3, which="both")
    try:
        figure.savefig(target, metadata={"Date": None} if target.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); choose another place") from error


def _points(found: dict[str, Any], kind: str) -> Sequence[tuple[str, float, float, float]]:
    """Name, milliseconds, macro-F1 and megabytes of each bundle that has a macro-F1."""
    single = {
        row["name"]: row["p50_ms"]
        for row in found["rows"]
        if (row["texts"], row["threads"], row["batch"]) == (kind, 1, 1)
    }
    return [
        (_short(Path(name)), single[name], bundle["test_macro_f1"], bundle["bytes"]["total"] / 1e6)
        for name, bundle in found["bundles"].items()
        if bundle["test_macro_f1"] is not None
    ]


def _short(bundle: Path) -> str:
    """A run's name says more than that of the folder that each of its bundles has."""
    place = bundle.resolve()
    return place.parent.name if place.name == "bundle" else place.name
