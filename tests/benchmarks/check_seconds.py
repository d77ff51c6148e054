"""Seconds until `distill check` prints its first warning, and until it ends, on a corpus of 50,000 rows.

    python -m tests.benchmarks.check_seconds --rows 50000 --repeat 3

The corpus is generated: 4 to 24 words per text, groups of 20 rows, and a test split of fewer than 100 rows, which
is worth a warning. The teacher is the packaged MiniLM, and the student trims its vocabulary.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.campaigns.memory import write_corpus
from tests.support.command import ROOT, command_of
from tests.support.tiny_models import LABELS

RECIPE = """
name = "check-seconds"
[corpus]
source = "{source}"
task = "multi_label"
labels = "labels"
label_names = {labels}
group = "talk"
split = [0.9, 0.0985, 0.0015]
max_tokens = 32
[student]
kind = "compact"
"""


def seconds_of(recipe: Path) -> tuple[float, float]:
    """Return the seconds until the first warning and until the end of one `check`."""
    start, first = time.monotonic(), None
    with subprocess.Popen(
        command_of("check", str(recipe)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if first is None and line.startswith("warning:"):
                first = time.monotonic() - start
    if process.returncode or first is None:
        sys.exit(f"check ended with status {process.returncode}; first warning after {first} s")
    return first, time.monotonic() - start


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus, recipe = Path(folder) / "rows.csv", Path(folder) / "recipe.toml"
        write_corpus(corpus, options.rows, seed=13)
        recipe.write_text(RECIPE.format(source=corpus, labels=list(LABELS)))
        times = [seconds_of(recipe) for _ in range(options.repeat)]
    firsts, ends = zip(*times, strict=True)
    first, end = statistics.median(firsts), statistics.median(ends)
    print(f"{options.rows:,} rows: first warning {first:.1f} s, end {end:.1f} s")


if __name__ == "__main__":
    main()
