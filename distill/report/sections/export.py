"""The report's sections on what became of the student: which layers it has, what int8 cost it, the gate."""

import html
from typing import Any

from distill.report.markup import note, number, table, verdict
from distill.variants.precision import AS_FAST, forms_of, instructions


def export_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML."""
    return [
        *([] if report["layer_search"] is None else [("Which layers", _layer_search(report))]),
        ("Quantization", _quantization(report) + _kept(report)),
        *([] if report["precision"] is None else [("Which precision", _precision(report))]),
        ("The gate", _gates(report)),
    ]


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
    environment = report["environment"]
    cpu = {"model": environment["cpu_model"], "flags": environment["isa_flags"]}
    return (
        table(head, rows)
        + note("Test rows, the variant's calibration and thresholds applied to both sides.")
        + note(
            "Weights that are multiplied in int8 have 7 bits, so that no pair of products leaves 16 bits and CPUs "
            f"without VNNI get the same integers. All numbers were taken on {html.escape(cpu['model'])} "
            f"{instructions(cpu)} ({' '.join(cpu['flags'])}); of other CPUs nothing is claimed."
        )
    )


def _kept(report: dict[str, Any]) -> str:
    """Of each variant whose gate refused everything in int8: how sensitive products are, and what was done."""
    found = ""
    for model in report["models"]:
        gate = model["gate"]
        if gate is None or not gate["sensitivity"]:
            continue
        kept = gate["kept_fp32"]
        rows = [
            [
                html.escape(one["product"]),
                number(one["noise"], 5),
                f"{one['multiply_adds']:,}",
                "fp32" if one["product"] in kept else "int8",
            ]
            for one in gate["sensitivity"]
        ]
        found += note(
            f"{html.escape(model['name'])}: {len(kept)} of {len(rows)} products in fp32 after {gate['attempts']} "
            "runs of the gate, those first whose noise is largest for their multiply-adds."
        )
        found += table(["product", "noise of its int8 alone", "multiply-adds a token", "computes in"], rows)
    return found


def _precision(report: dict[str, Any]) -> str:
    """The forms as they were measured, and what became of each."""
    measured, chosen = report["precision"], report["chosen"]
    allowed = report["recipe"]["export"]["precision"]
    rows = [
        [
            html.escape(one.name),
            number(one.p50_ms, 3),
            number(one.p95_ms, 3),
            number(one.size_mb, 2),
            _became(one.name, chosen, allowed, measured["refused"]),
        ]
        for one in forms_of(measured)
    ]
    timed = {row[0] for row in rows}
    rows += [
        [html.escape(name), "–", "–", "–", _became(name, chosen, allowed, measured["refused"])]
        for name in measured["refused"]
        if name not in timed
    ]
    cpu = measured["cpu"]
    whose = "The forms of the first seed's student. " if report["seeds"] else ""
    return table(["form", "p50 ms", "p95 ms", "bundle, MB", ""], rows) + note(
        f"{whose}{measured['texts']} validation texts, each alone, on one thread, string in to decision out, "
        f"medians of {measured['rounds']} rounds in turns, on {html.escape(cpu['model'])} {instructions(cpu)}. "
        f"The fastest is chosen, and of those within {AS_FAST:.0%} of it the smallest; none that is slower than "
        "fp32 by more than that. Forms that keep a budget go first."
    )


def _became(name: str, chosen: str, allowed: list[str], refused: dict[str, str]) -> str:
    if name in refused:
        return f"its gate failed: {html.escape(refused[name])}"
    if name not in allowed:
        return "slower than fp32"
    # with several seeds the best one's gate may have refused the first that is allowed
    return "chosen" if name == chosen else "may ship too"


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
