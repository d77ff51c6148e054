"""Chart of the bytes of each variant by component."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from distill.export.measure.components import COMPONENTS
from distill.report.charts.figure import chart_text, svg

# neighbours in a bar have different colours: tables are blue and green, layers warm, the rest grey
COMPONENT_COLOURS = dict(
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


def component_title(component: str) -> str:
    """Return a component's name in words."""
    return {"ffn": "feed-forward", "ngram_tables": "n-gram tables"}.get(component, component.replace("_", " "))


def bytes_by_component(components: Mapping[str, Mapping[str, int]], shown: Sequence[str]) -> Markup:
    """One bar per variant, in MB.

    Args:
        components: bytes by component, per variant.
        shown: the components to draw, in order.
    """
    height = max(1.4 + 0.45 * len(components), 0.24 * len(shown))
    return svg(lambda ax: _bars(ax, components, shown), 9, height)


def _bars(ax: Axes, components: Mapping[str, Mapping[str, int]], shown: Sequence[str]) -> None:
    names, left = list(components), [0.0] * len(components)
    for part in shown:
        widths = [components[name].get(part, 0) / 1e6 for name in names]
        ax.barh(
            names,
            widths,
            left=left,
            color=COMPONENT_COLOURS[part],
            label=component_title(part),
            edgecolor="white",
            linewidth=0.4,
        )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(names)), [chart_text(name) for name in names])
    ax.invert_yaxis()
    ax.set_xlabel("MB")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
