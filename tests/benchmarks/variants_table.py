"""Every variant of finished runs beside the fused fp32 graph of the same student and beside the teacher.

    python -m tests.benchmarks.variants_table runs/goemotions runs/goemotions-static --json variants.json

Out of each run's `report.json`, whose bench has timed all of them in interleaved rounds: one text on one thread,
string in to decision out. "Times fp32" are of p50 and p95; the teacher's are of p95, in PyTorch and as a fused
fp32 graph. Macro-F1 is that of the seed that ships.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.students_table import single

HEAD = (
    "run",
    "variant",
    "gate",
    "MB",
    "macro-F1",
    "against fp32",
    "p50 / p95 ms",
    "times fp32",
    "times teacher, PyTorch",
    "times teacher, ONNX",
)


def main() -> None:
    """Print the table, the machines above it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--json", type=Path, help="write what the table is made of there too")
    args = parser.parse_args()
    found = {
        run.name: measured(json.loads((run / "report.json").read_text(encoding="utf-8"))) for run in args.runs
    }
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(*sorted({machine(run) for run in found.values()}), sep="\n", end="\n\n")
    print(*head_lines(HEAD), sep="\n")
    for name, run in found.items():
        for cells in rows(name, run):
            print(line(cells))


def measured(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what says nothing of speed and size: labels, decisions, seeds."""
    kept = ("name", "kind", "parameters", "bytes", "components", "gate", "latency")
    models = [
        {key: model[key] for key in kept} | {"macro_f1": model["test"]["macro_f1"]} for model in report["models"]
    ]
    return {key: report[key] for key in ("environment", "chosen", "seed")} | {"models": models}


def machine(run: dict[str, Any]) -> str:
    """The CPU that times are of, and in how many rounds they were taken."""
    environment = run["environment"]
    rounds = {row["rounds"] for model in run["models"] for row in model["latency"]["rows"]}
    flags = " ".join(environment["isa_flags"])
    return f"{environment['cpu_model']} ({flags}), medians of {min(rounds)} interleaved rounds"


def rows(name: str, run: dict[str, Any]) -> list[list[str]]:
    """A row a variant of what was `measured`; the one that ships is marked."""
    models = {model["name"]: model for model in run["models"]}
    plain = models["fp32"]
    teachers = [single(models["teacher"], runtime)["p95_ms"] for runtime in ("pytorch", "onnxruntime")]
    found = []
    for model in run["models"]:
        if model["kind"] != "variant":
            continue
        timed, beside = single(model, "onnxruntime"), single(plain, "onnxruntime")
        score, mark = model["macro_f1"], " (ships)" if model["name"] == run["chosen"] else ""
        found.append(
            [
                f"`{name}`",
                f"`{model['name']}`{mark}",
                "passed" if model["gate"]["passed"] else "failed",
                f"{model['bytes']['total'] / 1e6:.2f}",
                f"{score:.4f}",
                f"{score - plain['macro_f1']:+.4f}",
                f"{timed['p50_ms']:.3f} / {timed['p95_ms']:.3f}",
                " / ".join(f"{beside[key] / timed[key]:.2f}" for key in ("p50_ms", "p95_ms")),
                *(f"{teacher / timed['p95_ms']:.1f}" for teacher in teachers),
            ]
        )
    return found


if __name__ == "__main__":
    main()
