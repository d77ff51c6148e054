"""A picture of quality against latency, one point per bundle; needs matplotlib."""

from pathlib import Path

from matplotlib.figure import Figure

from distill.export.runtime.errors import InputError
from distill.timing.bundles import BundleBench

SIZE_INCHES = (6.4, 4.4)


def draw_quality(bench: BundleBench, target: Path) -> None:
    """Draw test macro-F1 against the median latency of single texts on one thread.

    Args:
        bench: of the bundles; those without a macro-F1 are left out.
        target: a path that ends in .svg or .png.

    Raises:
        InputError: the file cannot be written.
    """
    kinds = list(bench.texts)
    kind = "real" if "real" in kinds else kinds[1]
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for name, cost in bench.bundles.items():
        if cost.test_macro_f1 is None:
            continue
        point = bench.row(name, texts=kind).p50_ms, cost.test_macro_f1
        axes.plot([point[0]], [point[1]], "o")
        label = _literal(f"{_short(Path(name))}, {cost.bytes.total / 1e6:.1f} MB")
        axes.annotate(label, point, xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.margins(0.25)
    axes.set_xlabel(f"p50 of single texts ({kind}) on one thread, ms")
    axes.set_ylabel("test macro-F1 from each manifest")
    axes.set_title(_literal(f"{bench.cpu.model}, {' '.join(bench.cpu.flags)}"), fontsize=9)
    axes.grid(alpha=0.3, which="both")
    try:
        figure.savefig(target, metadata={"Date": None} if target.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise InputError(
            f"{target}: The file cannot be written ({error.strerror}). Choose another path."
        ) from error


def _literal(text: str) -> str:
    """Escape what matplotlib would take for a formula."""
    return text.replace("$", r"\$")


def _short(bundle: Path) -> str:
    """Return a run's name, which says more than the name that all its bundles share."""
    folder = bundle.resolve()
    return folder.parent.name if folder.name == "bundle" else folder.name
