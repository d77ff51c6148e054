"""Trainings of seconds whose processes can be counted, and work for other processes that fails."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from distill.corpora.storage.token_rows import TokenRows
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES
from distill.students.networks.layers import layers_student
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.encoding import pad_batch
from distill.teachers.finetune import parameter_groups
from distill.training.batches import Examples
from distill.training.callback import Resources, TrainingCallback, TrainingSchedule
from distill.training.loop import FitResult, fit
from distill.training.ranks import Rank
from tests.support.processes import ranks_of
from tests.support.tiny_models import tiny_classifier

# batches of 16 leave one row for the last: a second process has none of them
ROWS = [[2, 5 + row % 40, 6 + row % 7, 9 + row % 11, *([11] * (row % 5)), 3] for row in range(161)]


def train(
    folder: Path,
    resources: Resources,
    *,
    steps: int = 100,
    dropout: float = 0.0,
    evaluate: Callable[[int], None] = lambda number: None,
) -> tuple[EncoderClassifier, FitResult, list[float]]:
    """A student of one layer that learns soft and hard targets; every third row has none of the latter."""
    folder.mkdir(exist_ok=True)
    model = layers_student(tiny_classifier(), [0], pooling=Pooling.MEAN, dropout=dropout)
    for module in model.modules():
        for name in ("p", "dropout_prob"):
            if hasattr(module, name):
                setattr(module, name, dropout)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(len(ROWS), 3, generator=generator) * 3
    labelled = torch.arange(len(ROWS)) % 3 > 0
    examples = Examples(TokenRows.of(ROWS), (logits > 0).float(), logits, labelled)
    schedule = TrainingSchedule(
        max_steps=steps, steps_per_epoch=11, batch_size=16, warmup=0.1, patience=99, seed=4,
        checkpoint_seconds=0.0 if dropout else 300.0, resources=resources,
    )  # fmt: skip
    epochs = iter(range(1, 99))

    def score() -> dict[str, float]:
        number = next(epochs)
        evaluate(number)
        return {"macro_f1": float(model.head.weight.detach().square().sum())}

    result = fit(
        model,
        examples,
        Objective(LOSSES["multi_label"], 2.0, 0.5),
        schedule,
        groups=parameter_groups(model, body_learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=0.01),
        pad=partial(pad_batch, pad_id=0),
        callback=TrainingCallback(model, score, schedule, folder),
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return model, result, [line["loss"] for line in lines if "loss" in line]


def children() -> list[int]:
    """Return the further processes of this one's training."""
    return ranks_of(os.getpid())


class Broken:
    """Work that fails at once."""

    def __init__(self, error: str) -> None:
        self._error = error

    def run(self, rank: Rank) -> None:
        raise RuntimeError(self._error)
