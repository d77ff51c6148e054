"""Peak memory of check, corpus, labelling and prediction at several sizes of a generated corpus.

    python -m tests.campaigns.memory --rows 10000 1000000 5000000

Each command runs in a process of its own; its peak is the kernel's VmHWM, looked at while it runs. Labelling is
measured on a part: it is stopped after `--label-seconds`, for memory does not grow from shard to shard.
`--without-groups` leaves out the column of groups, `--check` measures that command alone.
"""

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from distill.teachers.checkpoints import save_classifier
from tests.support.command import ROOT, command_of
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.tiny_models import LABELS, bert_tokenizer, tiny_classifier

BOUND = 2 * 1024**3
WORDS = "i you we feel so very not sad happy calm tired afraid alone today again since work home night sun".split()
LOOK_EVERY = 0.2
# a group (a conversation) has so many rows
GROUP_ROWS = 20

RECIPE = """
name = "large"
[corpus]
source = "{source}"
task = "multi_label"
labels = "labels"
label_names = {labels}
{group}
split = [0.98, 0.01, 0.01]
max_tokens = 32
[teacher]
checkpoint = "{teacher}"
[student]
layers = [0]
"""


def write_corpus(path: Path, rows: int, seed: int) -> None:
    """Sentences of a few words with a number that makes most of them different, labels, and groups."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "labels", "talk"])
        for row in range(rows):
            words = draw.choices(WORDS, k=draw.randint(4, 24))
            words.insert(draw.randrange(len(words)), str(draw.randrange(rows)))
            labels = draw.sample(LABELS, draw.choice((0, 1, 1, 1, 2)))
            writer.writerow([" ".join(words), ",".join(labels), f"talk {row // GROUP_ROWS}"])


def peak_of(
    command: list[str], *, stdin: Path | None = None, seconds: float | None = None
) -> tuple[int, float, int]:
    """Peak bytes, seconds and exit status of a command; it is stopped after so many seconds."""
    start, peak = time.monotonic(), 0
    with (
        open(stdin or os.devnull, "rb") as source,
        subprocess.Popen(command, cwd=ROOT, stdin=source, stdout=subprocess.DEVNULL) as process,
    ):
        while process.poll() is None:
            peak = max(peak, _high_water(process.pid))
            if seconds is not None and time.monotonic() - start > seconds:
                process.send_signal(signal.SIGTERM)
                seconds = None
            time.sleep(LOOK_EVERY)
    return peak, time.monotonic() - start, process.returncode


def measure(
    rows: int, folder: Path, seed: int, label_seconds: float, *, groups: bool, all_commands: bool
) -> Iterator[tuple[str, int, float]]:
    """Name, peak bytes and seconds of every command at one size, or of `check` alone."""
    corpus, recipe, runs = folder / "rows.csv", folder / "recipe.toml", folder / "runs"
    write_corpus(corpus, rows, seed)
    tokenizer = bert_tokenizer()
    save_classifier(tiny_classifier(vocabulary=len(tokenizer)), tokenizer, folder / "teacher")
    group = 'group = "talk"' if groups else ""
    recipe.write_text(RECIPE.format(source=corpus, teacher=folder / "teacher", labels=list(LABELS), group=group))
    yield "check", *_done(peak_of(command_of("check", str(recipe))))
    if not all_commands:
        return
    teach = command_of("teach", str(recipe), "--runs", str(runs))
    yield "corpus, split, teacher", *_done(peak_of(teach))
    label = command_of("label", str(recipe), "--runs", str(runs))
    yield "label (a part)", *_done(peak_of(label, seconds=label_seconds), stopped=True)
    lines = folder / "lines.txt"
    with corpus.open(encoding="utf-8") as source, lines.open("w", encoding="utf-8") as out:
        out.writelines(line.split(",")[0] + "\n" for line in source)
    bundle = make_tiny_bundle(folder / "bundle")
    yield "predict", *_done(peak_of(command_of("predict", str(bundle), "--json"), stdin=lines))


def _done(found: tuple[int, float, int], *, stopped: bool = False) -> tuple[int, float]:
    peak, seconds, status = found
    if status != 0 and not (stopped and status == 128 + signal.SIGTERM):
        sys.exit(f"a command ended with status {status}")
    return peak, seconds


def _high_water(pid: int) -> int:
    """The most memory that a process ever had resident, in bytes; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def main() -> None:
    """Measure, print, and fail where a peak is above 2 GB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000, 5_000_000])
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--label-seconds", type=float, default=120)
    parser.add_argument("--without-groups", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    worst = 0
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(
                rows,
                Path(folder),
                options.seed,
                options.label_seconds,
                groups=not options.without_groups,
                all_commands=not options.check,
            )
            for name, peak, seconds in found:
                worst = max(worst, peak)
                print(f"{rows:>9,} rows  {name:<24} {peak / 1e6:7.0f} MB  {seconds:7.1f} s", flush=True)
    print(f"largest peak {worst / 1e9:.2f} GB, bound {BOUND / 1e9:.2f} GB")
    sys.exit(worst > BOUND)


if __name__ == "__main__":
    main()
