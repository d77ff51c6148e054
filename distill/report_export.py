"""The report's sections on what became of the student: which layers it has, what int8 cost it, the gate."""

import html
from typing import Any

from distill.page_parts import note, number, table, verdict


def export_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML."""
    found = [("Quantization", _quantization(report)), ("The gate", _gates(report))]
    return found if report["layer_search"] is None else [("Which layers", _layer_search(report)), *found]


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
            number(model["validation"]["macro_f1"], 4),
            number(model["test"]["macro_f1"], 4),
            number(test["macro_f1_in_fp32"], 4),
        ]
        for whom in ("against_student", "against_own_fp32"):
            cells += [f"{test[whom]['row_flip_rate']:.2%}", f"{test[whom]['logit_noise']:.4f}"]
        rows.append(cells)
    return table(head, rows) + note("Test rows, the variant's calibration and thresholds applied to both sides.")


def _layer_search(report: dict[str, Any]) -> str:
    rows = [
        [" ".join(map(str, one["layers"])), number(one["divergence"], 4), number(one["macro_f1"])]
        for one in report["layer_search"]
    ]
    head = ["layers", "divergence from the teacher on validation", "validation macro-F1"]
    return table(head, rows) + note("A short run of each candidate; the first one became the student.")


def _gates(report: dict[str, Any]) -> str:
    rows = []
    for model in report["models"]:
        for check in (model["gate"] or {"checks": []})["checks"]:
            rows.append(
                [
                    html.escape(model["name"]),
                    html.escape(check["name"]),
                    number(check["value"], 5),
                    f"{check['bound']:g}",
                    verdict(check["passed"]),
                ]
            )
    return table(["variant", "check", "value", "bound", "verdict"], rows)
