"""`report.html`: one file with its pictures inside, no script, nothing loaded from anywhere."""

import html
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from distill.report.markup import COLOURS, drawn, note, number, picture, table
from distill.report.models import kind_of, trained_models
from distill.report.sections.attribution import attribution_sections
from distill.report.sections.budget import budget_sections
from distill.report.sections.bytes import byte_sections
from distill.report.sections.decisions import decision_sections
from distill.report.sections.export import export_sections
from distill.report.sections.words import word_sections
from distill.runs.context import Job
from distill.training.callback import METRICS_FILE
from distill.variants.variant import qat_forms

# of trainings that share a colour
LINES = ("-", "--", ":", "-.")

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left} .bad{color:#b00020;font-weight:600} svg{max-width:100%;height:auto}
h2{margin-top:2.2rem} .note{color:#555}
"""


def render_page(report: dict[str, Any], rows: list[dict[str, Any]], job: Job) -> str:
    """The page of a report and its summary rows, drawing curves and reliability from the run's files."""
    parts = [
        ("Models", _models_table(report, rows)),
        *budget_sections(report),
        ("Quality against latency", picture(lambda ax: _quality_latency(ax, rows), 9, 4)),
        ("F1 by label", picture(lambda ax: _per_label(ax, report), 9, max(3, 0.32 * len(report["labels"])))),
        ("Training", picture(lambda ax: _curves(ax, job), 7, 4)),
        *attribution_sections(report),
        *decision_sections(report),
        *export_sections(report),
        *byte_sections(report),
        *word_sections(report),
        ("Where and how", _environment(report)),
    ]
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in parts)
    name = html.escape(report["recipe"]["name"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body><h1>{name}</h1>{body}</body></html>\n"
    )


def _models_table(report: dict[str, Any], summary: list[dict[str, Any]]) -> str:
    rows = [
        [
            html.escape(row["name"]) + (" (ships)" if row["ships"] else ""),
            html.escape(row["runtime"] or "–"),
            number(row["macro_f1"]),
            number(row["macro_f1_at_half"]),
            number(row["micro_f1"]),
            number(row["retention"]),
            number(row["ece"], 4),
            number(row["megabytes"], 1),
            number(row["p50_ms"], 2),
            number(row["p95_ms"], 2),
            number(row["times_faster"], 1),
        ]
        for row in summary
    ]
    before = report["teacher_before_tuning"]
    untuned = "" if before is None else note(f"The teacher before tuning: {before['macro_f1']:.3f} macro-F1.")
    head = [
        "model",
        "runtime",
        "macro-F1",
        "at 0.5",
        "micro-F1",
        "retention",
        "ECE",
        "MB",
        "p50 ms",
        "p95 ms",
        "times faster",
    ]
    return table(head, rows) + untuned + note("Latency: one real text, one thread, string in to decision out.")


def _quality_latency(ax: Axes, rows: list[dict[str, Any]]) -> None:
    timed = [row for row in rows if row["p50_ms"] is not None]
    # names in a legend: neighbours are often as good and as fast as each other
    for row, marker in zip(timed, itertools.cycle("osD^vP*X<"), strict=False):
        title = f"{row['name']}, {row['runtime']}"
        ax.scatter(
            row["p50_ms"], row["macro_f1"], s=70, color=COLOURS[row["kind"]], marker=marker, label=title, alpha=0.8
        )
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
    ax.set_xscale("log")
    ax.margins(0.15)
    ax.set_xlabel("p50 latency of one text on one thread, ms (log)")
    ax.set_ylabel("test macro-F1")
    ax.grid(alpha=0.3)


def _per_label(ax: Axes, report: dict[str, Any]) -> None:
    names = (report["attribution"]["reference"], "twin", "student")
    chosen = [model for model in report["models"] if model["name"] in names]
    place = np.arange(len(report["labels"]))
    height = 0.8 / len(chosen)
    for index, model in enumerate(chosen):
        values = [row["f1"] for row in model["test"]["per_label"]]
        ax.barh(place + index * height, values, height, label=model["name"], color=COLOURS[model["kind"]])
    ax.set_yticks(place + 0.4 - height / 2, [drawn(label) for label in report["labels"]])
    ax.invert_yaxis()
    ax.set_xlabel("test F1")
    ax.legend(loc="lower right")


def _trainings(job: Job) -> list[tuple[str, str, str, Path]]:
    """Name, colour, style of line and folder of every training of the student that is shown, and its teachers'."""
    models = [(name, COLOURS[kind_of(name)], folder) for name, folder in trained_models(job).items()]
    models += [(f"student as {form}", COLOURS["variant"], job.qat(form)) for form in qat_forms(job.recipe)]
    alike: Counter[str] = Counter()
    found = []
    for name, colour, folder in models:
        if (folder / METRICS_FILE).is_file():  # an ensemble and a checkpoint learn nothing
            found.append((name, colour, LINES[alike[colour] % len(LINES)], folder))
            alike[colour] += 1
    return found


def _curves(ax: Axes, job: Job) -> None:
    right = ax.twinx()
    for name, colour, style, folder in _trainings(job):
        path = folder / METRICS_FILE
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
        scores = [(line["step"], line["macro_f1"]) for line in lines if "macro_f1" in line]
        if losses:
            ax.plot(*zip(*losses, strict=True), style, color=colour, alpha=0.5, label=f"{name}: loss")
        if scores:
            title = f"{name}: validation macro-F1"
            right.plot(*zip(*scores, strict=True), f"o{style}", color=colour, label=title)
    ax.set_xlabel("step")
    ax.set_ylabel("training loss (each objective's own scale)")
    right.set_ylabel("validation macro-F1")
    handles, labels = [
        a + b for a, b in zip(ax.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True)
    ]
    if handles:
        ax.legend(handles, labels, fontsize=8, loc="center right")


def _environment(report: dict[str, Any]) -> str:
    environment = report["environment"]
    rows = [
        ["cpu", html.escape(environment["cpu_model"])],
        ["instructions", " ".join(environment["isa_flags"])],
        ["threads", str(environment["cores"])],
        ["gpu", html.escape(environment["gpu"] or "none")],
        ["seed", str(report["seed"])],
    ]
    rows += [[html.escape(name), html.escape(value)] for name, value in environment["packages"].items()]
    times = [[html.escape(name), number(value, 1)] for name, value in report["seconds"].items()]
    return table(["", ""], rows) + table(["stage", "seconds"], times)
