"""Charts of decisions: reliability by label, and risk against coverage."""

import math
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from distill.artifacts.model_report import ModelReport
from distill.evaluation.reliability import Bin
from distill.report.charts.figure import COLOURS, chart_text, svg, svg_grid

GRID_COLUMNS = 4

LEGEND = 0.3  # height in inches


def reliability_by_label(labels: Sequence[str], models: Sequence[ModelReport]) -> Markup:
    """One reliability diagram per label: observed rate over mean score, per bin."""
    rows = math.ceil(len(labels) / GRID_COLUMNS)

    def draw(axes: list[Axes]) -> None:
        for index, ax in enumerate(axes):
            if index < len(labels):
                _reliability(ax, labels[index], index, models)
            else:
                ax.axis("off")
                axes[max(0, index - GRID_COLUMNS)].tick_params(labelbottom=True)
        # above all panels: within one it would be over its curves
        figure, named = axes[0].get_figure(), axes[0].get_legend_handles_labels()
        if figure is not None:
            figure.legend(*named, loc="upper center", bbox_to_anchor=(0.5, 1), ncols=6, fontsize=8, frameon=False)

    return svg_grid(draw, rows, GRID_COLUMNS, 9.5, 2.0 * rows + LEGEND, LEGEND)


def risk_against_coverage(models: Sequence[ModelReport]) -> Markup:
    """Risk-coverage curves on test; a dot marks the recipe's abstention rule."""
    return svg(lambda ax: _risk_against_coverage(ax, models), 6, 4)


def _reliability(ax: Axes, label: str, index: int, models: Sequence[ModelReport]) -> None:
    ax.plot([0, 1], [0, 1], "--", color="#bbb", linewidth=0.8)
    for model in models:
        _plot_bins(ax, model.test.per_label[index].reliability, model)
    ax.set_title(f"{chart_text(label)} ({models[0].test.per_label[index].support})", fontsize=8)
    ax.tick_params(labelsize=6)


def _plot_bins(ax: Axes, bins: Sequence[Bin], model: ModelReport) -> None:
    # a bin of few rows is weak evidence, so its dot is small
    sizes = [3 + 4 * math.log10(count) for _, _, count in bins]
    colour = COLOURS[model.kind]
    scores, rates = [score for score, _, _ in bins], [rate for _, rate, _ in bins]
    ax.plot(scores, rates, color=colour, linewidth=1, label=model.name)
    ax.scatter(scores, rates, s=sizes, color=colour)


def _risk_against_coverage(ax: Axes, models: Sequence[ModelReport]) -> None:
    for model in models:
        selective = model.test.selective
        label = f"{model.name} (area {selective.aurc:.3f})"
        ax.plot(*zip(*selective.curve, strict=True), color=COLOURS[model.kind], label=label)
        if selective.below is not None and selective.selective_risk is not None:
            ax.plot(selective.coverage, selective.selective_risk, "o", color=COLOURS[model.kind])
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("coverage: share of texts answered")
    ax.set_ylabel("risk: share of answers not exactly right")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
