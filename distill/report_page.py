"""`report.html`: one file with its pictures inside, no script, nothing loaded from anywhere."""

import html
import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpora.corpus import label_matrix, load_corpus
from corpora.metrics import reliability_bins
from distill.calibrate import Decision
from distill.job import Job
from distill.quality import read_logits_file, read_quality

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left} .bad{color:#b00020;font-weight:600} svg{max-width:100%;height:auto}
h2{margin-top:2.2rem} .note{color:#555}
"""
COLOURS = {
    "teacher": "#4269d0",
    "twin": "#9c9c9c",
    "student": "#efb118",
    "variant": "#ff725c",
    "baseline": "#6cc5b0",
}


def render_page(report: dict[str, Any], rows: list[dict[str, Any]], job: Job) -> str:
    """The page of a report and its summary rows, drawing curves and reliability from the run's files."""
    parts = [
        ("Models", _models_table(report, rows)),
        ("Quality against latency", _picture(lambda ax: _quality_latency(ax, rows), 9, 4)),
        ("F1 by label", _picture(lambda ax: _per_label(ax, report), 9, max(3, 0.32 * len(report["labels"])))),
        ("Training", _picture(lambda ax: _curves(ax, job), 7, 4)),
        ("Reliability on test", _picture(lambda ax: _reliability(ax, job, report["chosen"]), 5, 5)),
        ("Quantization", _quantization(report)),
        ("The gate", _gates(report)),
        ("Where and how", _environment(report)),
    ]
    if report["layer_search"] is not None:
        parts.insert(-1, ("Which layers", _layer_search(report)))
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in parts)
    name = html.escape(report["recipe"]["name"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body><h1>{name}</h1>{body}</body></html>\n"
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _models_table(report: dict[str, Any], summary: list[dict[str, Any]]) -> str:
    rows = [
        [
            html.escape(row["name"]) + (" (ships)" if row["ships"] else ""),
            html.escape(row["runtime"] or "–"),
            _number(row["macro_f1"]),
            _number(row["macro_f1_at_half"]),
            _number(row["micro_f1"]),
            _number(row["retention"]),
            _number(row["ece"], 4),
            _number(row["megabytes"], 1),
            _number(row["p50_ms"], 2),
            _number(row["p95_ms"], 2),
            _number(row["times_faster"], 1),
        ]
        for row in summary
    ]
    gain = report["distillation_gain"]
    note = (
        ""
        if gain is None
        else (
            f'<p class="note">Student minus twin: {gain["difference"]:+.4f} macro-F1, 95 % interval '
            f"{gain['low']:+.4f} to {gain['high']:+.4f} (paired bootstrap over test rows).</p>"
        )
    )
    before = report["teacher_before_tuning"]
    if before is not None:
        note += f'<p class="note">The teacher before tuning: {before["macro_f1"]:.3f} macro-F1.</p>'
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
    return (
        _table(head, rows)
        + note
        + '<p class="note">Latency: one real text, one thread, string in to decision out.</p>'
    )


def _picture(draw: Callable[[Axes], None], width: float, height: float) -> str:
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure.subplots())
    out = io.StringIO()
    # no date and no random ids, so that the same run draws the same bytes
    with rc_context({"svg.hashsalt": "distill"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


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
    chosen = [m for m in report["models"] if m["kind"] in ("teacher", "twin", "student")]
    place = np.arange(len(report["labels"]))
    height = 0.8 / len(chosen)
    for index, model in enumerate(chosen):
        values = [row["f1"] for row in model["test"]["per_label"]]
        ax.barh(place + index * height, values, height, label=model["name"], color=COLOURS[model["kind"]])
    ax.set_yticks(place + 0.4 - height / 2, report["labels"])
    ax.invert_yaxis()
    ax.set_xlabel("test F1")
    ax.legend(loc="lower right")


def _curves(ax: Axes, job: Job) -> None:
    right = ax.twinx()
    for name, folder in (("teacher", job.teacher), ("twin", job.twin), ("student", job.student)):
        path = folder / "metrics.jsonl"
        if not path.is_file():
            continue
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
        scores = [(line["step"], line["macro_f1"]) for line in lines if "macro_f1" in line]
        if losses:
            ax.plot(*zip(*losses, strict=True), color=COLOURS[name], alpha=0.5, label=f"{name}: loss")
        if scores:
            right.plot(*zip(*scores, strict=True), "o-", color=COLOURS[name], label=f"{name}: validation macro-F1")
    ax.set_xlabel("step")
    ax.set_ylabel("training loss (each objective's own scale)")
    right.set_ylabel("validation macro-F1")
    handles, labels = [
        a + b for a, b in zip(ax.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True)
    ]
    if handles:
        ax.legend(handles, labels, fontsize=8, loc="center right")


def _reliability(ax: Axes, job: Job, chosen: str) -> None:
    corpus = load_corpus(job.corpus)
    gold = label_matrix(corpus.test, corpus.task)
    variant = job.variant(chosen)
    for name, source, judged in (("teacher", job.teacher, job.quality("teacher")), ("student", variant, variant)):
        decision = Decision.from_dict(read_quality(judged)["decision"])
        scores = decision.scores(read_logits_file(source)["test"], corpus.task.kind)
        bins = reliability_bins(scores, gold, corpus.task.kind)
        label = name if name == "teacher" else chosen
        ax.plot([b[0] for b in bins], [b[1] for b in bins], "o-", color=COLOURS[name], label=label)
    ax.plot([0, 1], [0, 1], "--", color="#999")
    ax.set_xlabel("mean calibrated score of a bin")
    ax.set_ylabel("observed rate")
    ax.legend()


def _quantization(report: dict[str, Any]) -> str:
    head = ["variant", "training", "validation macro-F1", "test macro-F1", "the same weights in fp32, test"]
    head += [
        f"{what}, against {whom}" for whom in ("the student", "own fp32") for what in ("rows flipped", "noise")
    ]
    rows = []
    for model in report["models"]:
        if model["kind"] != "variant":
            continue
        test = model["quantization"]["test"]
        cells = [
            html.escape(model["name"]),
            "quantization-aware" if model["quantization"]["aware"] else "plain",
            _number(model["validation"]["macro_f1"], 4),
            _number(model["test"]["macro_f1"], 4),
            _number(test["macro_f1_in_fp32"], 4),
        ]
        for whom in ("against_student", "against_own_fp32"):
            cells += [f"{test[whom]['row_flip_rate']:.2%}", f"{test[whom]['logit_noise']:.4f}"]
        rows.append(cells)
    note = '<p class="note">Test rows, the variant\'s calibration and thresholds applied to both sides.</p>'
    return _table(head, rows) + note


def _layer_search(report: dict[str, Any]) -> str:
    rows = [
        [" ".join(map(str, one["layers"])), _number(one["divergence"], 4), _number(one["macro_f1"])]
        for one in report["layer_search"]
    ]
    note = '<p class="note">A short run of each candidate; the first one became the student.</p>'
    return _table(["layers", "divergence from the teacher on validation", "validation macro-F1"], rows) + note


def _gates(report: dict[str, Any]) -> str:
    rows = []
    for model in report["models"]:
        for check in (model["gate"] or {"checks": []})["checks"]:
            verdict = "passed" if check["passed"] else '<span class="bad">failed</span>'
            rows.append(
                [
                    html.escape(model["name"]),
                    html.escape(check["name"]),
                    f"{check['value']:.5f}",
                    f"{check['bound']:g}",
                    verdict,
                ]
            )
    return _table(["variant", "check", "value", "bound", "verdict"], rows)


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
    times = [[html.escape(name), _number(value, 1)] for name, value in report["seconds"].items()]
    return _table(["", ""], rows) + _table(["stage", "seconds"], times)
