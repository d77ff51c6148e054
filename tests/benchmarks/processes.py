"""Two processes beside one on the same steps of a real training: weights, seconds, and what bf16 makes of it.

    python -m tests.benchmarks.processes CORPORA/goemotions --steps 100 --processes 1 2

Trains the packaged MiniLM, or what `--body` names, with a fresh head on the first rows of train.tsv: in float32
unless `--bf16` is given, without dropout, and in batches that two processes do not divide. Each further training
is compared with the first.
"""

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import set_seed

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.objectives.task_loss import LOSSES
from distill.teachers.checkpoints import build_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.finetune import parameter_groups
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer
from distill.training.batches import Examples
from distill.training.callback import Resources, TrainingCallback, TrainingSchedule
from distill.training.loop import fit
from distill.training.teacher import _HardLoss
from tests.benchmarks.markdown import head_lines, line

HEAD = [
    "processes",
    "rows per pass",
    "steps",
    "seconds",
    "s per step",
    "last loss",
    "largest weight difference",
    "its weight",
]

LABELS = 28


def train(folder: Path, resources: Resources, given: argparse.Namespace) -> tuple[dict[str, Tensor], float, float]:
    """Return weights, seconds from the first to the last logged step, and the last logged loss."""
    base = resolve_model(given.body).folder
    set_seed(13)
    task = MultiLabel(tuple(f"label {number}" for number in range(LABELS)))
    model, tokenizer = build_classifier(base, task, Pooling.MEAN, 0.0), load_tokenizer(base)
    for module in model.modules():
        for name in ("p", "dropout_prob"):
            if hasattr(module, name):
                setattr(module, name, 0.0)
    lines = (given.source / "train.tsv").read_text(encoding="utf-8").splitlines()[: given.rows]
    rows = [text.split("\t") for text in lines]
    targets = torch.zeros(len(rows), LABELS)
    for row, cells in enumerate(rows):
        targets[row, [int(label) for label in cells[1].split(",")]] = 1.0
    examples = Examples(
        encode(tokenizer, [cells[0] for cells in rows], 48),
        targets,
        torch.zeros_like(targets),
        torch.ones(len(rows), dtype=torch.bool),
    )
    schedule = TrainingSchedule(
        max_steps=given.steps, steps_per_epoch=10**6, batch_size=given.batch_size, warmup=0.1, patience=9, seed=13,
        bf16=given.bf16, resources=resources,
    )  # fmt: skip
    times: list[float] = []
    fit(
        model,
        examples,
        _HardLoss(LOSSES["multi_label"], None),
        schedule,
        groups=parameter_groups(model, body_learning_rate=5e-5, head_learning_rate=1e-3, weight_decay=0.01),
        pad=partial(pad_batch, pad_id=tokenizer.pad_token_id),
        callback=TrainingCallback(
            model, lambda: {"macro_f1": 0.0}, schedule, folder, lambda *_: times.append(time.perf_counter())
        ),
    )
    losses = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    last = [entry["loss"] for entry in losses if "loss" in entry][-1]
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, times[-1] - times[0], last


def largest(first: dict[str, Tensor], second: dict[str, Tensor]) -> tuple[float, str]:
    """Return the largest difference of two sets of weights, and the name of the weight."""
    return max((float((tensor - second[name]).abs().max()), name) for name, tensor in first.items())


def main() -> None:
    """Parse, train, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--body", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=31)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows-per-pass", type=int)
    parser.add_argument("--bf16", action="store_true")
    given = parser.parse_args()
    found: list[list[str]] = []
    first: dict[str, Tensor] | None = None
    for count in given.processes:
        with tempfile.TemporaryDirectory() as folder:
            resources = Resources(count, given.rows_per_pass if first is not None else None)
            weights, seconds, loss = train(Path(folder), resources, given)
        first = weights if first is None else first
        difference, name = largest(first, weights)
        compared = ["", ""] if weights is first else [f"{difference:.1e}", name]
        size = str(resources.rows_per_pass or "all")
        found.append(
            [
                str(count),
                size,
                str(given.steps),
                f"{seconds:.0f}",
                f"{seconds / (given.steps - 1):.2f}",
                f"{loss:.4f}",
                *compared,
            ]
        )
    print("\n".join([*head_lines(HEAD), *map(line, found)]))


if __name__ == "__main__":
    main()
