"""The report's sections on what distillation added: over the twin, over seeds, and in following the teacher."""

import html
from typing import Any

from distill.report.markup import note, number, table


def attribution_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML; all of it is of the test split."""
    found = [("What distillation added", _attribution(report["attribution"]))]
    return [*found, ("Over seeds", _seeds(report["seeds"], report["seed"]))] if report["seeds"] else found


def _attribution(attributed: dict[str, Any]) -> str:
    gains = attributed["gain"] or {}
    rows = [
        [
            html.escape(name),
            interval(gains.get(name)),
            *(f"{agreed[key]:.1%}" for key in ("rows", "cells")),
            "–" if attributed["copied_errors"][name] is None else f"{attributed['copied_errors'][name]:.1%}",
        ]
        for name, agreed in attributed["agreement"].items()
    ]
    head = [
        "model",
        "macro-F1 over the twin (95 %)",
        "rows decided alike",
        "labels decided alike",
        "errors copied",
    ]
    reference = html.escape(attributed["reference"])
    return table(head, rows) + note(
        f"Alike: decided as the {reference} does. Errors copied: where the {reference} is wrong, the share in "
        "which the model is wrong in the same way. Intervals: paired bootstrap over test rows."
    )


def _seeds(spread: dict[str, Any], shown: int) -> str:
    names = [name for name in ("student", "ships", "twin") if name in spread["mean"]]
    rows = [
        [f"{row['seed']} ({html.escape(row['variant'])}{', ships' if row['seed'] == shown else ''})"]
        + [number(row[name][split]) for name in names for split in ("validation", "test")]
        for row in spread["rows"]
    ]
    for key in ("mean", "standard_deviation"):  # of the test split alone
        cells = [cell for name in names for cell in ("", number(spread[key][name], 4))]
        rows.append([key.replace("_", " "), *cells])
    head = ["seed (variant)"] + [f"{name}, {split}" for name in names for split in ("validation", "test")]
    said = [f"{name} over twin {interval(gain)}" for name, gain in (spread["gain"] or {}).items()]
    over = f" Mean over the seeds: {'; '.join(said)}." if said else ""
    return table(head, rows) + note(f"Macro-F1. All else on this page is of the seed that ships.{over}")


def interval(gain: dict[str, float] | None) -> str:
    """A difference with its interval, or a dash."""
    if gain is None:
        return "–"
    return f"{gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
