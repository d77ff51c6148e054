"""What the sections of `report.html` are made of: numbers, tables, pictures, a colour for each kind of model."""

import html
import io
from collections.abc import Callable
from typing import Any

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

# characters of a name in a picture; tables have it whole
MAX_DRAWN = 40


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def drawn(name: str) -> str:
    """A label's name as matplotlib is to draw it: no formula where it has dollar signs, and not too long."""
    short = name if len(name) <= MAX_DRAWN else f"{name[: MAX_DRAWN - 1]}…"
    return short.replace("$", r"\$")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table; cells are HTML already, the head is not."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def note(text: str) -> str:
    """A line of explanation; `text` is HTML already."""
    return f'<p class="note">{text}</p>'


def verdict(passed: bool) -> str:
    """Passed, or failed in red."""
    return "passed" if passed else '<span class="bad">failed</span>'


def picture(draw: Callable[[Axes], None], width: float, height: float) -> str:
    """An SVG of one pair of axes, in inches."""
    return pictures(lambda axes: draw(axes[0]), 1, 1, width, height)


def pictures(draw: Callable[[list[Axes]], None], rows: int, columns: int, width: float, height: float) -> str:
    """An SVG of a grid of axes, handed over row by row; sizes are the whole picture's, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    draw(list(grid.ravel()))
    out = io.StringIO()
    # no date and no random ids, so that the same run draws the same bytes
    with rc_context({"svg.hashsalt": "distill"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
