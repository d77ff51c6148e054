"""Full fine-tuning beside methods that train few weights, on some GoEmotions rows with one or several seeds.

    python -m tests.benchmarks.tuning CORPORA/goemotions RUNS --rows 2000 --seeds 13 --methods full lora

Every teacher is a run of its own in RUNS, so that a command that was stopped continues where it was.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from distill.artifacts.training import read_training
from distill.artifacts.tuning import read_tuning
from distill.teachers.tuning.methods import TUNINGS
from tests.benchmarks.markdown import head_lines, line

HEAD = ["teacher", "seed", "macro-F1", "weights trained", "share", "seconds", "largest difference", "changed"]


def taught(source: Path, runs: Path, method: str, seed: int, rows: int) -> list[str]:
    """Teach one teacher unless it is there, and return its row of the table."""
    name = f"{method}-{seed}-{rows}"
    settings = [f"name={name}", f"seed={seed}", f"corpus.source={source}", f"corpus.rows={rows}"]
    if method != "full":
        settings.append(f"teacher.peft.method={method}")
    sets = [part for setting in settings for part in ("--set", setting)]
    subprocess.run(
        [sys.executable, "-m", "distill", "teach", "goemotions", "--runs", str(runs), *sets], check=True
    )
    folder = runs / name
    seconds = json.loads((folder / "teacher/stage.json").read_text())["seconds"]
    quality = json.loads((folder / "quality/teacher/quality.json").read_text())
    record, parameters = read_tuning(folder / "teacher"), read_training(folder / "teacher").parameters or 0
    start = [method, str(seed), f"{quality['test']['macro_f1']:.4f}"]
    if record is None:
        return [*start, f"{parameters:,}", "100 %", f"{seconds:.0f}", "", ""]
    difference = "" if record.max_logit_difference is None else f"{record.max_logit_difference:.1e}"
    changed = "" if record.decisions_changed is None else str(record.decisions_changed)
    return [*start, f"{record.trained:,}", f"{record.share:.2%}", f"{seconds:.0f}", difference, changed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--methods", nargs="+", choices=["full", *TUNINGS], default=["full", "lora"])
    given = parser.parse_args()
    found = [
        taught(given.source, given.runs, method, seed, given.rows)
        for seed in given.seeds
        for method in given.methods
    ]
    print("\n".join([*head_lines(HEAD), *map(line, found)]))


if __name__ == "__main__":
    main()
