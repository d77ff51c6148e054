"""Charts of quality: against latency, by label, and over the course of training."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from distill.artifacts.report import Report, TrainingCurve
from distill.report.charts.figure import COLOURS, chart_text, svg
from distill.report.summary import SummaryRow

# for training sessions that share a colour
LINE_STYLES = ("-", "--", ":", "-.")


def quality_against_latency(rows: Sequence[SummaryRow], title: str) -> Markup:
    """The headline on test, whose title is given, over the median latency of every timed model."""
    return svg(lambda ax: _quality_against_latency(ax, rows, title), 9, 4)


def f1_by_label(report: Report) -> Markup:
    """Test F1 per label of the teacher (or the ensemble), the twin and what ships, with its 95 % interval."""
    return svg(lambda ax: _f1_by_label(ax, report), 9, max(3, 0.32 * len(report.labels)))


def training_curves(curves: Sequence[TrainingCurve], title: str) -> Markup:
    """Loss and the headline on validation, whose title is given, of every training session."""
    return svg(lambda ax: draw_training_curves(ax, curves, title), 7, 4)


def _quality_against_latency(ax: Axes, rows: Sequence[SummaryRow], headline: str) -> None:
    # the legend names the points: neighbours are often too close together for labels beside them
    markers = itertools.cycle("osD^vP*X<")
    for row in rows:
        if row.p50_ms is None:
            continue
        marker, title = next(markers), f"{row.name}, {row.runtime}"
        ax.scatter(row.p50_ms, row.score, s=70, color=COLOURS[row.kind], marker=marker, label=title, alpha=0.8)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
    ax.set_xscale("log")
    ax.margins(0.15)
    ax.set_xlabel("p50 latency of a single text on one thread, ms (log scale)")
    ax.set_ylabel(f"test {headline}")
    ax.grid(alpha=0.3)


def _f1_by_label(ax: Axes, report: Report) -> None:
    names = (report.attribution.reference, "twin", report.chosen)
    models = [model for model in report.models if model.name in names]
    positions = np.arange(len(report.labels))
    height = 0.8 / len(models)
    for index, model in enumerate(models):
        values = [row.f1 for row in model.test.per_label]
        ax.barh(positions + index * height, values, height, label=model.name, color=COLOURS[model.kind])
        if model.name == report.chosen and report.tested is not None:
            ends = [(row.low, row.high) for row in report.tested.label_f1]
            ax.hlines(positions + index * height, *zip(*ends, strict=True), color="#333", linewidth=1)
    rows = [row.support for row in models[0].test.per_label]
    titles = [f"{chart_text(label)} ({count})" for label, count in zip(report.labels, rows, strict=True)]
    ax.set_yticks(positions + 0.4 - height / 2, titles)
    ax.invert_yaxis()
    ax.set_xlabel("test F1")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=4, fontsize=8, frameon=False)


def draw_training_curves(ax: Axes, curves: Sequence[TrainingCurve], headline: str) -> None:
    """Draw loss on the left axis and the validation score on the right one, a line style per session."""
    right = ax.twinx()
    sessions_of: Counter[str] = Counter()
    for curve in curves:
        colour = COLOURS[curve.kind]
        style = LINE_STYLES[sessions_of[colour] % len(LINE_STYLES)]
        sessions_of[colour] += 1
        if curve.loss:
            ax.plot(*zip(*curve.loss, strict=True), style, color=colour, alpha=0.5, label=f"{curve.name}: loss")
        if curve.score:
            title = f"{curve.name}: validation {headline}"
            right.plot(*zip(*curve.score, strict=True), f"o{style}", color=colour, label=title)
        for step, score in curve.score:
            if step == curve.kept:  # a ring around the weights that were kept
                right.plot(step, score, "o", color=colour, markersize=13, fillstyle="none")
    ax.set_xlabel("step")
    ax.set_ylabel("training loss (scale differs per objective)")
    right.set_ylabel(f"validation {headline}")
    handles, labels = [
        left_axis + right_axis
        for left_axis, right_axis in zip(
            ax.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True
        )
    ]
    if handles:
        ax.legend(handles, labels, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
