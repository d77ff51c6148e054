"""One training loop for teacher, student and twin: a transformers Trainer whose loss is handed in.

It knows neither teachers nor students: it gets a model that maps ids and mask to logits, and rows that already
carry their targets and teacher logits.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    set_seed,
)

from export.runtime.errors import DistillError, InputError
from teachers.label import pad_batch

MAX_GRAD_NORM = 1.0
LOG_EVERY = 20
# rows are sorted by length inside chunks of this many batches: little padding, and still a fresh mix an epoch
CHUNK_BATCHES = 50

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # student, teacher, targets, labelled -> scalar


@dataclass(frozen=True)
class Examples:
    """What there is to learn from; row i of each.

    `targets` are class ids ``(N,)`` or 0/1 ``(N, C)``, anything where `labelled` ``(N,)`` is False;
    `teacher_logits` ``(N, C)`` are raw.
    """

    tokens: Sequence[Sequence[int]]
    targets: Tensor
    teacher_logits: Tensor
    labelled: Tensor


def join_examples(first: Examples, second: Examples) -> Examples:
    """The rows of both."""
    return Examples(
        tokens=[*first.tokens, *second.tokens],
        targets=torch.cat([first.targets, second.targets]),
        teacher_logits=torch.cat([first.teacher_logits, second.teacher_logits]),
        labelled=torch.cat([first.labelled, second.labelled]),
    )


@dataclass(frozen=True)
class Settings:
    """How long and in which steps to train."""

    max_steps: int
    steps_per_epoch: int
    batch_size: int
    warmup: float
    patience: int
    seed: int


@dataclass(frozen=True)
class FitResult:
    """What was kept: the step with the best validation score, which the model has now."""

    best_step: int
    best_score: float
    steps: int


class LengthSortedBatches(Sampler[list[int]]):
    """Batches of rows of like length, shuffled anew each epoch from the seed."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(len(self._lengths) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Rows of each batch."""
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(len(self._lengths))
        chunk = self._batch_size * CHUNK_BATCHES
        batches: list[list[int]] = []
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            rows = rows[np.argsort(self._lengths[rows], kind="stable")]
            batches += [rows[at : at + self._batch_size].tolist() for at in range(0, len(rows), self._batch_size)]
        for index in rng.permutation(len(batches)):
            yield batches[index]


class _Rows(Dataset[int]):
    """Row numbers; the collator turns them into tensors."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int) -> int:
        return row


class _FitTrainer(Trainer):  # type: ignore[misc]
    """A Trainer with our batches and our loss."""

    def __init__(self, *, examples: Examples, loss: Loss, pad_id: int, settings: Settings, **kwargs: Any) -> None:
        super().__init__(train_dataset=_Rows(len(examples.tokens)), **kwargs)
        # the default divides the loss by gradient accumulation twice for models that take loss arguments
        self.model_accepts_loss_kwargs = False
        self._examples, self._loss, self._pad_id, self._settings = examples, loss, pad_id, settings

    def get_train_dataloader(self) -> Any:
        examples = self._examples
        sampler = LengthSortedBatches(
            [len(row) for row in examples.tokens], self._settings.batch_size, self._settings.seed
        )
        loader = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self._collate)
        return self.accelerator.prepare(loader)

    def _collate(self, rows: list[int]) -> dict[str, Tensor]:
        examples = self._examples
        ids, mask = pad_batch([examples.tokens[row] for row in rows], self._pad_id)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "targets": examples.targets[rows],
            "teacher_logits": examples.teacher_logits[rows],
            "labelled": examples.labelled[rows],
        }

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Any:
        logits = model(inputs["input_ids"], inputs["attention_mask"])  # (B, C)
        loss = self._loss(logits, inputs["teacher_logits"], inputs["targets"], inputs["labelled"])
        return (loss, logits) if return_outputs else loss


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Logs, judges once an epoch, keeps the best weights, stops when nothing gets better."""

    def __init__(
        self,
        model: nn.Module,
        evaluate: Callable[[], dict[str, float]],
        settings: Settings,
        metrics_file: Path,
        progress: Callable[[int, str], None] | None,
    ) -> None:
        self._model, self._evaluate, self._settings = model, evaluate, settings
        self._file, self._progress = metrics_file, progress
        self._best_state: dict[str, Tensor] = {}
        self._worse = 0
        self.best_step, self.best_score = 0, -math.inf

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise DistillError(f"the loss is not finite at step {state.global_step}; lower the learning rates")
            self._write({"step": state.global_step, "loss": logs["loss"], "learning_rate": logs["learning_rate"]})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        if self._progress is not None:
            news = f"validation macro-F1 {self.best_score:.3f}" if self._best_state else ""
            self._progress(1, news)
        if step % self._settings.steps_per_epoch and step != self._settings.max_steps:
            return
        scores = self._evaluate()
        self._write({"step": step, **scores})
        if scores["macro_f1"] > self.best_score:
            self.best_step, self.best_score, self._worse = step, scores["macro_f1"], 0
            state_dict = self._model.state_dict()
            self._best_state = {name: tensor.detach().cpu().clone() for name, tensor in state_dict.items()}
        else:
            self._worse += 1
            control.should_training_stop = self._worse >= self._settings.patience

    def restore(self) -> None:
        """Put the best weights back."""
        self._model.load_state_dict(self._best_state)

    def _write(self, line: dict[str, float]) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def fit(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    settings: Settings,
    *,
    groups: list[dict[str, Any]],
    pad_id: int,
    evaluate: Callable[[], dict[str, float]],
    folder: Path,
    progress: Callable[[int, str], None] | None = None,
) -> FitResult:
    """Train a model in place and leave it with its best weights by validation macro-F1.

    Args:
        model: maps `input_ids` and `attention_mask` ``(B, T)`` to logits ``(B, C)``.
        examples: the rows.
        loss: from student logits, teacher logits, targets and the labelled mask to a scalar.
        settings: steps, batch size, schedule and seed.
        groups: AdamW's parameter groups, each with its learning rate.
        pad_id: fills short rows.
        evaluate: called once an epoch; its "macro_f1" decides which weights are kept.
        folder: gets `metrics.jsonl`, one line a logging step.
        progress: told how many steps were done since the last call, and a line of news.

    Raises:
        InputError: nothing to learn from.
        DistillError: the loss became infinite or undefined.
    """
    if not examples.tokens:
        raise InputError("there is no row to train on; check the corpus")
    set_seed(settings.seed)
    # one pass over the weights a step: a third less time a step on a CPU, where the table is half of the weights
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = get_linear_schedule_with_warmup(
        optimizer, round(settings.warmup * settings.max_steps), settings.max_steps
    )
    metrics_file = folder / "metrics.jsonl"
    metrics_file.unlink(missing_ok=True)
    watch = _Watch(model, evaluate, settings, metrics_file, progress)
    trainer = _FitTrainer(
        examples=examples,
        loss=loss,
        pad_id=pad_id,
        settings=settings,
        model=model,
        args=_arguments(folder, settings),
        callbacks=[watch],
        optimizers=(optimizer, schedule),
    )
    trainer.remove_callback(PrinterCallback)  # it would print onto stdout
    trainer.train()
    watch.restore()
    model.eval()
    return FitResult(watch.best_step, watch.best_score, int(trainer.state.global_step))


def _arguments(folder: Path, settings: Settings) -> Any:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.batch_size,
        max_grad_norm=MAX_GRAD_NORM,
        logging_strategy="steps",
        logging_steps=LOG_EVERY,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        remove_unused_columns=False,
        log_level="error",
    )
