"""The report's section on what each byte of a variant is for."""

import html
from typing import Any

from matplotlib.axes import Axes

from distill.export.measure.components import COMPONENTS
from distill.report.markup import drawn, note, picture, table

# neighbours in a bar differ: tables blue and green, layers warm, the rest grey
COLOURS = dict(
    zip(
        COMPONENTS,
        (
            *("#4269d0", "#97bbf5", "#6cc5b0"),
            *("#a463f2", "#ff725c", "#efb118"),
            *("#9c6b4e", "#ff8ab7", "#c9b8a8", "#565656"),
            *("#3ca951", "#9c9c9c", "#bdbdbd", "#d6d6d6", "#eeeeee"),
        ),
        strict=True,
    )
)


def byte_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML: the variants' bytes by component, as a picture and as a table."""
    weighed = {model["name"]: model["components"] for model in report["models"] if model["components"]}
    shown = [name for name in COMPONENTS if any(name in sizes for sizes in weighed.values())]
    height = 1.4 + 0.45 * len(weighed)
    drawing = picture(lambda ax: _bars(ax, weighed, shown), 9, max(height, 0.24 * len(shown)))
    return [("Every byte", drawing + _table(weighed, shown, report["chosen"]))]


def _table(weighed: dict[str, dict[str, int]], shown: list[str], chosen: str) -> str:
    totals = {name: sum(sizes.values()) for name, sizes in weighed.items()}
    rows = [
        [said(part), *(f"{sizes.get(part, 0):,}" for sizes in weighed.values()), share(weighed[chosen], part)]
        for part in shown
    ]
    rows.append(["all", *(f"{total:,}" for total in totals.values()), "100.0 %"])
    head = ["component", *(f"{name} (ships)" if name == chosen else name for name in weighed)]
    return table([*head, "of what ships"], rows) + note(
        f"Bytes. Of {html.escape(chosen)} all files of the bundle, of the others graph and tokenizer. Scales: "
        "what int8 numbers are multiplied with. Graph: operators and names, and what ships has its contract there."
    )


def share(sizes: dict[str, int], part: str) -> str:
    """A component's part of all bytes."""
    return f"{sizes.get(part, 0) / sum(sizes.values()):.1%}".replace("%", " %")


def said(part: str) -> str:
    """A component's name in words."""
    return {"ffn": "feed-forward", "ngram_tables": "n-gram tables"}.get(part, part.replace("_", " "))


def _bars(ax: Axes, weighed: dict[str, dict[str, int]], shown: list[str]) -> None:
    names, left = list(weighed), [0.0] * len(weighed)
    for part in shown:
        widths = [weighed[name].get(part, 0) / 1e6 for name in names]
        ax.barh(names, widths, left=left, color=COLOURS[part], label=said(part), edgecolor="white", linewidth=0.4)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(names)), [drawn(name) for name in names])
    ax.invert_yaxis()
    ax.set_xlabel("MB")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
