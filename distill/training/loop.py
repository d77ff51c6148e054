"""One training loop for teacher, student and twin: a transformers Trainer whose loss is handed in.

It knows neither teachers nor students: it gets a model that maps ids and mask to logits, or to whatever the loss
understands, and rows that already carry their targets, teacher logits and all else that the model reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    set_seed,
)

from distill.export.runtime.errors import InputError
from distill.training.batches import Examples, LengthSortedBatches
from distill.training.callback import Settings, Watch
from distill.training.checkpoints import step_of

MAX_GRAD_NORM = 1.0

LOG_EVERY = 20

# what the model gives, teacher logits, targets, labelled -> scalar
Loss = Callable[[Any, Tensor, Tensor, Tensor], Tensor]

Pad = Callable[[Sequence[Sequence[int]]], tuple[Tensor, Tensor]]  # token ids of rows -> ids and mask (B, T)


@dataclass(frozen=True)
class FitResult:
    """What was kept: the step with the best validation score, which the model has now."""

    best_step: int
    best_score: float
    steps: int


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

    def __init__(self, *, examples: Examples, loss: Loss, pad: Pad, settings: Settings, **kwargs: Any) -> None:
        super().__init__(train_dataset=_Rows(len(examples.tokens)), **kwargs)
        # the default divides the loss by gradient accumulation twice for models that take loss arguments
        self.model_accepts_loss_kwargs = False
        self._examples, self._loss, self._pad, self._settings = examples, loss, pad, settings

    def get_train_dataloader(self) -> Any:
        examples = self._examples
        sampler = LengthSortedBatches(examples.tokens.lengths(), self._settings.batch_size, self._settings.seed)
        loader = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self._collate)
        return self.accelerator.prepare(loader)

    def _collate(self, rows: list[int]) -> dict[str, Any]:
        examples = self._examples
        ids, mask = self._pad([examples.tokens[row] for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "targets": examples.targets[rows],
            "teacher_logits": examples.teacher_logits[rows],
            "labelled": examples.labelled[rows],
            "also": {name: values[rows] for name, values in examples.also.items()},
        }

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        # not left to transformers, which would wrap the model for inference as well
        with torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=self._settings.bf16):
            output = model(inputs["input_ids"], inputs["attention_mask"], **inputs["also"])  # (B, C), or more
        loss = self._loss(output, inputs["teacher_logits"], inputs["targets"], inputs["labelled"])
        return (loss, output) if return_outputs else loss


def fit(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    settings: Settings,
    *,
    groups: list[dict[str, Any]],
    pad: Pad,
    watch: Watch,
) -> FitResult:
    """Train a model in place and leave it with its best weights by validation macro-F1.

    A training that was killed or stopped goes on from the newest checkpoint in the watch's folder, and ends with
    the weights that it would have had.

    Args:
        model: maps `input_ids` and `attention_mask` ``(B, T)``, and what the examples have for it beside, to
            logits ``(B, C)``, or to whatever the loss takes first.
        examples: the rows.
        loss: from what the model gives, teacher logits, targets and the labelled mask to a scalar.
        settings: steps, batch size, schedule and seed.
        groups: AdamW's parameter groups, each with its learning rate.
        pad: token ids of some rows as ids and mask ``(B, T)``.
        watch: judges, keeps the best weights, and knows the folder.

    Raises:
        InputError: nothing to learn from.
        DistillError: the loss became infinite or undefined.
        KeyboardInterrupt: a stop was asked for; a checkpoint was written.
    """
    if not len(examples.tokens):
        raise InputError("there is no row to train on; check the corpus")
    set_seed(settings.seed)
    # one pass over the weights a step: a third less time a step on a CPU, where the table is half of the weights
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = get_linear_schedule_with_warmup(
        optimizer, round(settings.warmup * settings.max_steps), settings.max_steps
    )
    checkpoint = watch.begin()
    trainer = _FitTrainer(
        examples=examples,
        loss=loss,
        pad=pad,
        settings=settings,
        model=model,
        args=_arguments(watch.checkpoints, settings),
        callbacks=[watch],
        optimizers=(optimizer, schedule),
    )
    trainer.remove_callback(PrinterCallback)  # it would print onto stdout
    steps = 0 if checkpoint is None else step_of(checkpoint)
    if steps < settings.max_steps and not watch.exhausted:
        with watch.stop.deferred():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        steps = int(trainer.state.global_step)
    watch.restore()
    model.eval()
    return FitResult(watch.best_step, watch.best_score, steps)


def _arguments(folder: Path, settings: Settings) -> Any:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.batch_size,
        max_grad_norm=MAX_GRAD_NORM,
        logging_strategy="steps",
        logging_steps=min(LOG_EVERY, settings.steps_per_epoch),
        logging_nan_inf_filter=False,
        # the watch says when, and which are removed
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        remove_unused_columns=False,
        log_level="error",
        # or transformers would take a GPU that the rest of a run does not use
        use_cpu=not torch.cuda.is_available(),
    )
