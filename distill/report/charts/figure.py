"""SVG figures for the report page, and one colour per kind of model."""

import io
from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


def svg(draw: Callable[[Axes], None], width: float, height: float) -> Markup:
    """Draw one pair of axes and return the SVG; width and height in inches."""
    return svg_grid(lambda axes: draw(axes[0]), 1, 1, width, height)


def svg_grid(draw: Callable[[list[Axes]], None], rows: int, columns: int, width: float, height: float) -> Markup:
    """Draw a grid of axes, passed row by row, and return the SVG; the size is of the whole grid, in inches.

    The same data gives the same bytes: the SVG has no date and no random ids.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    draw(list(grid.ravel()))
    out = io.StringIO()
    with rc_context({"svg.hashsalt": "distill"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return Markup(text[text.index("<svg") :])  # matplotlib escapes every text that it draws
