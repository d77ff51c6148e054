"""Check that the golden bundles answer here as they did when they were made: `python tests/golden/check.py`.

Needs the base install only. Exits 1 where a decision differs, a score by more than the tolerance, or by a bit in
random batches, or where a command does not run, for the command line has packages of its own to get on with.
"""

import json
import random
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distill.export.runtime import DistillError, load, self_test

FOLDER = Path(__file__).parent
TOLERANCE = 1e-3
BATCHINGS = 20
PACKAGES = ("onnxruntime", "tokenizers", "numpy", "typer", "rich")


def check(folder: Path, rows: list[dict[str, Any]]) -> float:
    """The largest difference between scores of one bundle.

    Raises:
        DistillError: the bundle is refused, or its self-test fails.
        ValueError: a decision differs.
    """
    classifier = load(folder)
    self_test(classifier)
    worst = 0.0
    for number, (row, found) in enumerate(
        zip(rows, classifier.predict([row["text"] for row in rows]), strict=True), start=1
    ):
        if list(found.labels) != row["labels"]:
            raise ValueError(f"text {number}: decides {list(found.labels)}, expected {row['labels']}")
        pairs = zip(found.scores.values(), row["scores"], strict=True)
        worst = max(worst, *(abs(score - expected) for score, expected in pairs))
    return worst


def check_batches(folder: Path, texts: list[Any]) -> bool:
    """Whether every batch that was tried went into the graph whole, rather than text by text.

    Raises:
        ValueError: a score of a text in a random batch is not that of the text alone, to the bit.
    """
    classifier, draw = load(folder), random.Random(13)
    alone = [classifier.predict([text])[0] for text in texts]
    for _ in range(BATCHINGS):
        picked = draw.choices(range(len(texts)), k=draw.randint(2, 64))
        for row, found in zip(picked, classifier.predict([texts[row] for row in picked]), strict=True):
            if found != alone[row]:
                raise ValueError(f"text {row + 1}: has other scores in a batch")
    return classifier.batches_are_exact


def run_command(*arguments: str) -> str:
    """What is wrong with a `distill` command, run in a process of its own; empty where nothing is."""
    command = [sys.executable, "-m", "distill", *arguments]
    # not in the checkout, whose folders would stand before the installed wheel
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")


def check_commands() -> int:
    """Run some commands and print a line for each that fails; gives how many do."""
    bundle = str(FOLDER / "layers-int8-static")
    commands = (("--help",), ("bench", "--help"), ("verify", bundle), ("predict", bundle, "happy", "--json"))
    failed = 0
    for command in commands:
        wrong = run_command(*command)
        failed += bool(wrong)
        print(f"distill {command[0]}: {f'FAILED, {wrong}' if wrong else 'runs'}")
    return failed


def main() -> int:
    """Check all bundles and print a line for each."""
    expected = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    print("golden bundles,", ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    failed = 0
    for name, rows in expected.items():
        try:
            worst = check(FOLDER / name, rows)
            whole = check_batches(FOLDER / name, [row["text"] for row in rows])
        except (DistillError, ValueError) as error:
            failed += 1
            print(f"{name}: FAILED, {error}")
            continue
        failed += worst > TOLERANCE
        said = "same" if worst <= TOLERANCE else "FAILED"
        batches = "batches whole" if whole else "batches text by text"
        print(f"{name}: {said}, {len(rows)} texts, largest difference of a score {worst:.1e}, {batches}")
    print(f"{len(expected) - failed} of {len(expected)} answer as when they were made")
    broken = check_commands()
    return 1 if failed or broken or not expected else 0


if __name__ == "__main__":
    sys.exit(main())
