"""One Markdown row a run, out of its `report.json`: what ships, what it owes to distillation, what int8 cost.

    python -m tests.benchmarks.students_table runs/goemotions runs/goemotions-compact runs/goemotions-static

With several seeds macro-F1 is the mean over the seeds with its standard deviation; size, latency and calibration
are those of the bundle, which is the seed that was best on validation.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tests.benchmarks.markdown import head_lines, line

HEAD = (
    "run",
    "variant",
    "MB",
    "p50 / p95 ms",
    "times faster",
    "teacher",
    "twin",
    "student, fp32",
    "bundle",
    "bundle over twin (95 %)",
    "Brier skill of the teacher's",
    "calibration error over the teacher's (95 %)",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    print(*head_lines(HEAD), sep="\n")
    for run in parser.parse_args().runs:
        print(line(cells(run.name, json.loads((run / "report.json").read_text(encoding="utf-8")))))


def cells(name: str, report: dict[str, Any]) -> list[str]:
    """The row of one run."""
    models = {model["name"]: model for model in report["models"]}
    chosen, reference = models[report["chosen"]], models[report["attribution"]["reference"]]
    timed = single(chosen, "onnxruntime")
    spread = report["seeds"]
    quality = {
        key: f"{spread['mean'][key]:.4f} ± {spread['standard_deviation'][key] or 0.0:.4f}"
        if spread
        else f"{models[model]['test']['macro_f1']:.4f}"
        for key, model in (("twin", "twin"), ("student", "student"), ("ships", report["chosen"]))
    }
    gains = (spread or {}).get("gain") or report["attribution"]["gain"]
    return [
        f"`{name}`",
        f"`{report['chosen']}`",
        f"{chosen['bytes']['total'] / 1e6:.1f}",
        f"{timed['p50_ms']:.3f} / {timed['p95_ms']:.3f}",
        f"{single(models['teacher'], 'pytorch')['p50_ms'] / timed['p50_ms']:.1f}",
        f"{reference['test']['macro_f1']:.4f}",
        quality["twin"],
        quality["student"],
        quality["ships"],
        interval(gains["ships" if spread else report["chosen"]]),
        # a teacher may be no better than the base rates
        "–" if chosen["brier_skill_ratio"] is None else f"{chosen['brier_skill_ratio']:.3f}",
        interval(chosen["ece_above_tenth_difference"]),
    ]


def single(model: dict[str, Any], runtime: str) -> dict[str, Any]:
    """The latency of single real texts on one thread."""
    wanted = (runtime, "real", 1, 1)
    rows: list[dict[str, Any]] = model["latency"]["rows"]
    return next(row for row in rows if (row["runtime"], row["texts"], row["threads"], row["batch"]) == wanted)


def interval(found: dict[str, float]) -> str:
    """A difference between its bounds."""
    return f"{found['difference']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"


if __name__ == "__main__":
    main()
