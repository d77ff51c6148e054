"""Tables of peers on several corpora as one: a row per model with its quality on each, and a picture.

    python -m tests.benchmarks.peers_page goemotions=A.json counselchat=B.json --picture peers.svg > peers.md

Each file is what `tests.benchmarks.peers --json` wrote. Bundles are one row per student kind, peers one per name.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.benchmarks.markdown import head_lines, line

# points of the largest model's circle
LARGEST = 900


def page(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: quality per corpus with its interval, and size, latency and seconds as ranges over the corpora."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for corpus, table in tables.items():
        for row in table["rows"]:
            found.setdefault(row["name"], {})[corpus] = row
    lines = head_lines(["model", *(f"{corpus}: macro-F1" for corpus in tables), "MB", "p50 ms", "seconds to make"])
    for name, rows in found.items():
        lines.append(
            line(
                [
                    name,
                    *(quality(rows[corpus]) if corpus in rows else "" for corpus in tables),
                    spread([row["bytes"] / 1e6 for row in rows.values()], 1),
                    spread([row["single"]["p50_ms"] for row in rows.values()], 2),
                    spread([row["seconds"] for row in rows.values()], 0),
                ]
            )
        )
    for corpus, table in tables.items():
        lines += [f"\nskipped on {corpus}, {name}: {reason}" for name, reason in table["skipped"].items()]
    return "\n".join(lines)


def quality(row: Mapping[str, Any]) -> str:
    """A model's macro-F1 with its 95 % interval."""
    low, high = row["interval"]
    return f"{row['test']['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def spread(values: list[float], digits: int) -> str:
    """The least and the largest value, or the one that all of them are."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def draw(tables: Mapping[str, Mapping[str, Any]], target: Path) -> None:
    """Draw latency against quality, a panel per corpus; the area of a circle is the model's size."""
    with mpl.rc_context({"svg.hashsalt": "peers", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 4.2 * len(tables)), layout="constrained")
        panels = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
        for axes, (corpus, table) in zip(panels, tables.items(), strict=True):
            largest = max(row["bytes"] for row in table["rows"])
            for row in table["rows"]:
                across, up = row["single"]["p50_ms"], row["test"]["macro_f1"]
                low, high = row["interval"]
                ours = row["name"].startswith("bundle")
                colour = "#b5432a" if ours else "#4a6b8a"
                axes.plot([across, across], [low, high], color=colour, linewidth=1, alpha=0.5)
                size = max(12.0, LARGEST * row["bytes"] / largest)
                axes.scatter([across], [up], s=size, color=colour, alpha=0.45, linewidths=0)
                axes.annotate(row["name"], (across, up), fontsize=7, xytext=(4, 4), textcoords="offset points")
            axes.set_xscale("log")
            axes.set_title(corpus, fontsize=10, loc="left")
            axes.set_ylabel("macro-F1, 95 % interval", fontsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        panels[-1].set_xlabel("p50 of a single text, ms (log); area: bytes that ship", fontsize=8)
        FigureCanvasSVG(figure).print_svg(target, metadata={"Date": None})


def main() -> None:
    """Read, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", metavar="CORPUS=FILE")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    tables = {}
    for each in given.tables:
        corpus, _, path = each.partition("=")
        tables[corpus] = json.loads(Path(path).read_text(encoding="utf-8"))
    print(page(tables))
    if given.picture is not None:
        draw(tables, given.picture)


if __name__ == "__main__":
    main()
