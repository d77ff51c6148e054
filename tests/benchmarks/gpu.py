"""Teacher and student on one GPU beside the CPU: seconds, rows per second, share of the card's peak, macro-F1.

    python -m tests.benchmarks.gpu OUT --recipe goemotions --set corpus.source=CORPORA/goemotions --seeds 13 14 15

Every device and seed has a run of its own in OUT. A command that was stopped resumes, and seconds of stages that
are done are those of their stage.json. Without a GPU its rows say "not measured".
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distill.artifacts.training import read_training
from distill.corpora.storage.parquet import load_corpus
from distill.recipe.load import load_recipe
from distill.teachers.checkpoints import load_classifier
from distill.teachers.device import multiplies_bf16
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from tests.benchmarks.flops import TRAINING, encoder_flops, peak_of
from tests.benchmarks.markdown import head_lines, line

HEAD = ["device", "seed", "model", "seconds", "rows per second", "TFLOP/s", "share of the peak", "macro-F1"]

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Device:
    """Where a run trains; `card` is torch's name of the GPU, None for the CPU."""

    name: str
    card: str | None

    @property
    def environment(self) -> dict[str, str]:
        """One GPU or none."""
        return {**os.environ, "CUDA_VISIBLE_DEVICES": "0" if self.card else ""}

    @property
    def peak(self) -> float | None:
        """FLOP/s of the card in the type that it trains in."""
        if self.card is None:
            return None
        return peak_of(self.card, "bfloat16" if multiplies_bf16(torch.device("cuda")) else "float32")


def run(out: Path, device: Device, seed: int, recipe: str, settings: list[str]) -> Path:
    """Run the recipe, or find it done, and return the run's folder."""
    name = f"{device.name}-{seed}"
    sets = [part for each in (*settings, f"name={name}", f"seed={seed}") for part in ("--set", each)]
    subprocess.run(
        [sys.executable, "-m", "distill", "run", recipe, "--runs", str(out), *sets],
        check=True,
        env=device.environment,
    )
    return out / name


def seconds_of(folder: Path) -> float:
    """Seconds that a stage took when it was executed."""
    return float(json.loads((folder / "stage.json").read_text(encoding="utf-8"))["seconds"])


def row(folder: Path, device: Device, seed: int, model: str, batch_size: int, quality: str) -> list[str]:
    """One row of the table: a training of a run."""
    place, corpus = folder / model, load_corpus(folder / "corpus")
    seconds, steps = seconds_of(place), read_training(place).steps or 0
    network, tokenizer = load_classifier(place, corpus.task), load_tokenizer(place)
    recipe = load_recipe(str(folder / "recipe.toml"))
    lengths = np.asarray(encode(tokenizer, list(corpus.train.texts), recipe.corpus.max_tokens).lengths())
    rows = steps * batch_size
    flops = encoder_flops(network, lengths, TRAINING) / len(lengths) * rows / seconds
    share = "" if device.peak is None else f"{flops / device.peak:.1%}"
    scores = json.loads((folder / "quality" / quality / "quality.json").read_text(encoding="utf-8"))
    cells = [f"{seconds:.0f}", f"{rows / seconds:.0f}", f"{flops / 1e12:.2f}", share]
    return [device.card or device.name, str(seed), model, *cells, f"{scores['test']['macro_f1']:.4f}"]


def whole(folder: Path) -> float:
    """Seconds of all stages of a run."""
    return sum(seconds_of(path.parent) for path in folder.rglob("stage.json"))


def main() -> None:
    """Parse, run, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="goemotions")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    given = parser.parse_args()
    card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    print("\n".join(head_lines(HEAD)))
    totals: dict[str, list[float]] = {}
    for device in (Device("cpu", None), *([Device("gpu", card)] if card else [])):
        for seed in given.seeds:
            folder = run(given.out, device, seed, given.recipe, given.set)
            recipe = load_recipe(str(folder / "recipe.toml"))
            trained = {"teacher": recipe.teacher.batch_size, "student": recipe.student.batch_size}
            for model, size in trained.items():
                print(line(row(folder, device, seed, model, size, model)), flush=True)
            totals.setdefault(device.card or device.name, []).append(whole(folder))
    if card is None:
        print(line(["one GPU", *[""] * 2, *[NOT_MEASURED] * (len(HEAD) - 3)]))
    for name, seconds in totals.items():
        mean = statistics.mean(seconds)
        print(f"\nThe whole line on {name}: {mean:.0f} s in all stages, mean of {len(seconds)} run(s).")


if __name__ == "__main__":
    main()
