"""The short table that a run ends with."""

from typing import Any


def summary_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The closing table: one dict for each model and runtime that was timed, the teacher in PyTorch first."""
    found: list[dict[str, Any]] = []
    for model in report["models"]:
        for latency in _single(model) or [{"runtime": None, "p50_ms": None, "p95_ms": None}]:
            base = found[0]["p50_ms"] if found else latency["p50_ms"]
            p50 = latency["p50_ms"]
            found.append(
                {
                    "name": model["name"],
                    "kind": model["kind"],
                    "runtime": latency["runtime"],
                    "macro_f1": model["test"]["macro_f1"],
                    "macro_f1_at_half": model["test"]["macro_f1_at_half"],
                    "micro_f1": model["test"]["micro_f1"],
                    "ece": model["test"]["ece"],
                    "retention": model["retention"],
                    "megabytes": model["bytes"]["total"] / 1e6,
                    "p50_ms": p50,
                    "p95_ms": latency["p95_ms"],
                    "times_faster": base / p50 if base and p50 else None,
                    "ships": model["name"] == report["chosen"],
                }
            )
    return found


def _single(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Latency rows of single real texts on one thread, PyTorch's first."""
    rows = model["latency"]["rows"]
    found = [row for row in rows if (row["texts"], row["threads"], row["batch"]) == ("real", 1, 1)]
    return sorted(found, key=lambda row: row["runtime"] != "pytorch")
