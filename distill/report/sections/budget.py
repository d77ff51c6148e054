"""The report's part on a budget: what was asked, what the plan predicted, what the finished bundle measured."""

import html
from collections.abc import Mapping
from typing import Any

from distill.evaluation.budget import BOUNDS
from distill.report.markup import note, number, table


def budget_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML; none where there is no budget."""
    found = report["budget"]
    if found is None:
        return []
    rows = []
    for key, (what, unit) in BOUNDS.items():
        cells = [found["asked"].get(key), (found["predicted"] or {}).get(key), found["measured"][key]]
        gaps = [_percent(found[against].get(key)) for against in ("over_asked", "over_predicted")]
        rows.append([f"{what}, {unit}", *(number(cell, 2) for cell in cells), *gaps])
    head = ["", "asked for, at most", "planned", "the finished bundle", "against the bound", "against the plan"]
    page = table(head, rows) + note(f"On {found['asked']['threads']} thread(s).")
    return [("Budget", page + ("" if found["plan"] is None else _plan(found["plan"], found["predicted"])))]


def _plan(plan: Mapping[str, Any], chosen: Mapping[str, Any] | None) -> str:
    rows = []
    for one in plan["fits"]:
        name = html.escape(one["student"]) + (" (ships)" if one == chosen else "")
        numbers = [number(one[key], 2) for key in ("p50_ms", "p95_ms", "size_mb", "rss_mb")]
        rows.append([name, html.escape(one["precision"]), number(one["predicted_retention"]), *numbers])
    head = ["student", "precision", "predicted retention", "p50 ms", "p95 ms", "MB", "peak memory MB"]
    more = f"{len(plan['misses'])} more were measured and do not fit. " if plan["misses"] else ""
    busy = "The machine was busy: students may look slower than they are. " if plan["busy"] else ""
    late = f"There was no time for {plan['unmeasured']}. " if plan["unmeasured"] else ""
    return table(head, rows) + note(
        f"What the plan measured with random weights and what fits, the probably best first. {more}{busy}{late}"
    )


def _differences(measured: Mapping[str, float], others: Mapping[str, Any]) -> dict[str, float]:
    """By how much of each other number the measured one is more; 0.1 is 10 %."""
    return {key: value / others[key] - 1 for key, value in measured.items() if others.get(key)}


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f} %"
