"""SVG figures for the report page, and one colour per kind of model."""

import io
from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

COLOURS = {
    "teacher": "#4269d0",
    "twin": "#9c9c9c",
    "student": "#efb118",
    "variant": "#ff725c",
    "baseline": "#6cc5b0",
}

# characters of a name in a chart; tables show the whole name
MAX_CHART_TEXT = 40


def chart_text(name: str) -> str:
    """Return a name as matplotlib can draw it: dollar signs do not start a formula, and long names are cut."""
    short = name if len(name) <= MAX_CHART_TEXT else f"{name[: MAX_CHART_TEXT - 1]}…"
    return short.replace("$", r"\$")


# inches around a grid of small charts, for the numbers at its edges, and between two charts, for a title
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 0.4, 0.15, 0.3, 0.3, 0.35


def svg(draw: Callable[[Axes], None], width: float, height: float) -> Markup:
    """Draw one pair of axes and return the SVG; width and height in inches."""
    figure = Figure(figsize=(width, height))
    draw(figure.subplots())
    # once, from outside: a figure that has an engine of its own is drawn twice when it is saved
    ConstrainedLayoutEngine().execute(figure)
    return _saved(figure)


def svg_grid(
    draw: Callable[[list[Axes]], None], rows: int, columns: int, width: float, height: float, head: float = 0
) -> Markup:
    """Draw a grid of small charts of shares, passed row by row, and return the SVG.

    The charts have their scales in common, from 0 to 1, with numbers at the edges of the grid alone. The size is
    of the whole grid, in inches; `head` of its height are left free above the charts. The margins are given:
    measuring them would mean to draw everything twice.
    """
    figure = Figure(figsize=(width, height))
    grid: Any = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    one_wide = (width - _LEFT - _RIGHT) / columns
    one_high = (height - head - _TOP - _BOTTOM) / rows
    figure.subplots_adjust(
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        top=1 - (_TOP + head) / height,
        bottom=_BOTTOM / height,
        wspace=_BETWEEN / 2 / one_wide,
        hspace=_BETWEEN / (one_high - _BETWEEN),
    )
    grid[0, 0].set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    draw(list(grid.ravel()))
    return _saved(figure)


def _saved(figure: Figure) -> Markup:
    """Return a figure as SVG: the same data gives the same bytes, without a date or random ids."""
    out = io.StringIO()
    with rc_context({"svg.hashsalt": "distill"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return Markup(text[text.index("<svg") :])  # matplotlib escapes every text that it draws
