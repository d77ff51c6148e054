"""The report's sections on decisions: calibration and its bars, reliability by label, floors, abstaining."""

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from distill.evaluation.reliability import error_of
from distill.report.markup import COLOURS, drawn, note, number, picture, pictures, table, verdict

Model = dict[str, Any]

GRID_COLUMNS = 4

COVERAGES = (1.0, 0.9, 0.8, 0.5)


def decision_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML; all of it is of the test split."""
    models, chosen, reference = report["models"], report["chosen"], report["attribution"]["reference"]
    shown = [model for model in models if model["name"] in (reference, "twin", "student", chosen)]
    labels = report["labels"]
    floors = [("Floors", _floors(models))] if any(model["floors"] for model in models) else []
    return [
        ("Calibration on test", _calibration(models)),
        ("Brier skill by label", _by_label(labels, models, lambda row: number(row["brier_skill"]))),
        ("Reliability by label", _reliability(labels, shown)),
        ("Calibration error by label", _by_label(labels, models, _label_error)),
        *floors,
        ("Abstaining", _abstaining(models, shown)),
    ]


def _label_error(row: dict[str, Any]) -> str:
    return number(error_of(row["reliability"]), 4)


def _calibration(models: Sequence[Model]) -> str:
    rows = []
    for model in models:
        test, difference = model["test"], model["ece_above_tenth_difference"]
        bars = model["bars"]
        rows.append(
            [
                html.escape(model["name"]),
                number(test["brier"], 4),
                number(test["brier_skill"]),
                number(model["brier_skill_ratio"]),
                number(test["ece"], 4),
                number(test["ece_above_tenth"], 4),
                "–"
                if difference is None
                else f"{difference['difference']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})",
                "–" if bars is None else " / ".join(verdict(bar["passed"]) for bar in bars),
            ]
        )
    head = [
        "model",
        "Brier",
        "mean skill",
        "of the teacher's",
        "ECE",
        "ECE of scores ≥ 0.1",
        "minus teacher's",
        "bars",
    ]
    return table(head, rows) + note(
        "Skill: 1 - Brier / Brier of always giving the label's rate in these rows, mean over labels. Minus "
        "teacher's: with its 95 % interval, paired bootstrap over rows. Bars of a variant: at least 0.95 of the "
        "teacher's skill; no worse than the teacher, which fails where the whole interval is above 0."
    )


def _by_label(labels: list[str], models: Sequence[Model], shown: Callable[[dict[str, Any]], str]) -> str:
    """A row a label, a column a model, in each cell what is `shown` of the label's quality."""
    columns = [model["test"]["per_label"] for model in models]
    rows = [
        [html.escape(label), str(columns[0][at]["support"]), *(shown(column[at]) for column in columns)]
        for at, label in enumerate(labels)
    ]
    return table(["label", "rows", *(model["name"] for model in models)], rows)


def _reliability(labels: list[str], shown: Sequence[Model]) -> str:
    count = math.ceil(len(labels) / GRID_COLUMNS)

    def draw(axes: list[Axes]) -> None:
        for at, ax in enumerate(axes):
            if at >= len(labels):
                ax.axis("off")
                continue
            ax.plot([0, 1], [0, 1], "--", color="#bbb", linewidth=0.8)
            for model in shown:
                row = model["test"]["per_label"][at]
                line(ax, row["reliability"], model)
            ax.set_title(f"{drawn(labels[at])} ({shown[0]['test']['per_label'][at]['support']})", fontsize=8)
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1)
            ax.tick_params(labelsize=6)
        axes[0].legend(fontsize=6, loc="upper left")

    def line(ax: Axes, bins: list[list[float]], model: Model) -> None:
        # a bin of a few rows says little: its dot is small
        sizes = [3 + 4 * math.log10(count) for _, _, count in bins]
        colour = COLOURS[model["kind"]]
        ax.plot([b[0] for b in bins], [b[1] for b in bins], color=colour, linewidth=1, label=model["name"])
        ax.scatter([b[0] for b in bins], [b[1] for b in bins], s=sizes, color=colour)

    text = "Across: mean calibrated score of a bin; up: how often the label was there; in brackets: its rows."
    return pictures(draw, count, GRID_COLUMNS, 9.5, 2.0 * count) + note(text)


def _floors(models: Sequence[Model]) -> str:
    rows = [
        [
            html.escape(floor["label"]),
            floor["metric"],
            f"{floor['floor']:g}",
            html.escape(model["name"]),
            number(floor["validation"]),
            number(floor["test"]),
            "kept" if floor["kept"] else '<span class="bad">missed</span>',
        ]
        for model in models
        for floor in model["floors"]
    ]
    head = ["label", "metric", "floor", "model", "validation", "test", "on validation"]
    return table(head, rows) + note(
        "A floor holds on validation, where it was fitted; test says what it is worth."
    )


def _abstaining(models: Sequence[Model], shown: Sequence[Model]) -> str:
    rows = []
    for model in models:
        found = model["test"]["selective"]
        rows.append(
            [
                html.escape(model["name"]),
                number(found["aurc"], 4),
                *(number(_risk_at(found["curve"], coverage)) for coverage in COVERAGES),
                number(found["below"]),
                number(found["coverage"]),
                number(found["selective_risk"]),
                number(found["selective_macro_f1"]),
            ]
        )
    risks = [f"risk at {coverage:.0%}" for coverage in COVERAGES]
    head = ["model", "area", *risks, "abstains below", "coverage", "risk", "macro-F1"]
    return (
        picture(lambda ax: _risk_coverage(ax, shown), 6, 4)
        + table(head, rows)
        + note(
            "Risk: share of the answered texts that are not decided exactly as gold. Confidence: the probability "
            "of deciding exactly right, as the calibrated scores have it. Coverage, risk and macro-F1 on the "
            "right: of what is answered under the recipe's rule to abstain."
        )
    )


def _risk_at(curve: list[list[float]], coverage: float) -> float:
    return min(curve, key=lambda point: abs(point[0] - coverage))[1]


def _risk_coverage(ax: Axes, shown: Sequence[Model]) -> None:
    for model in shown:
        found = model["test"]["selective"]
        label = f"{model['name']} (area {found['aurc']:.3f})"
        ax.plot(*zip(*found["curve"], strict=True), color=COLOURS[model["kind"]], label=label)
        if found["below"] is not None and found["selective_risk"] is not None:
            ax.plot(found["coverage"], found["selective_risk"], "o", color=COLOURS[model["kind"]])
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("coverage: share of texts answered")
    ax.set_ylabel("risk: share of these not exactly right")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
