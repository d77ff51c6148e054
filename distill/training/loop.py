"""One training loop for teacher, student and twin: a transformers Trainer that receives its loss.

It knows neither teachers nor students. It takes a model that maps a batch to logits, or to any other input of
the loss, and rows that already have their targets, teacher logits and everything else that the model reads.
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
from distill.training.callback import TrainingCallback, TrainingSchedule
from distill.training.checkpoints import step_of

MAX_GRAD_NORM = 1.0

LOG_EVERY = 20

# model output, teacher logits, targets, labelled -> scalar
Loss = Callable[[Any, Tensor, Tensor, Tensor], Tensor]

# token ids of rows -> ids and mask (B, T), and token types where the rows have them
Pad = Callable[[Sequence[Sequence[int]]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class FitResult:
    """The step with the best validation score, whose weights the model has now, and the number of steps."""

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
    """A Trainer with the batches and the loss of this project."""

    def __init__(
        self, *, examples: Examples, loss: Loss, pad: Pad, schedule: TrainingSchedule, **kwargs: Any
    ) -> None:
        super().__init__(train_dataset=_Rows(len(examples.tokens)), **kwargs)
        # the default divides the loss by gradient accumulation twice for models that take loss arguments
        self.model_accepts_loss_kwargs = False
        self._examples, self._loss, self._pad, self._schedule = examples, loss, pad, schedule

    def get_train_dataloader(self) -> Any:
        examples = self._examples
        share = examples.context_dropout
        sampler = LengthSortedBatches(
            examples.tokens.lengths(),
            self._schedule.batch_size,
            self._schedule.seed,
            own_lengths=examples.tokens.own_lengths() if share else None,
            context_dropout=share,
        )
        loader = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self._collate)
        return self.accelerator.prepare(loader)

    def _collate(self, rows: list[int]) -> dict[str, Any]:
        examples = self._examples
        rows, tokens = examples.read(rows)
        ids, mask, *types = self._pad(tokens)
        extra = {name: values[rows] for name, values in examples.extra_inputs.items()}
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "targets": examples.targets[rows],
            "teacher_logits": examples.teacher_logits[rows],
            "labelled": examples.labelled[rows],
            "extra_inputs": extra | ({"token_type_ids": types[0]} if types else {}),
        }

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        # transformers would wrap the model for inference as well
        with torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=self._schedule.bf16):
            extra = inputs["extra_inputs"]
            output = model(inputs["input_ids"], inputs["attention_mask"], **extra)  # (B, C), or more
        loss = self._loss(output, inputs["teacher_logits"], inputs["targets"], inputs["labelled"])
        return (loss, output) if return_outputs else loss


def fit(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    schedule: TrainingSchedule,
    *,
    groups: list[dict[str, Any]],
    pad: Pad,
    callback: TrainingCallback,
) -> FitResult:
    """Train a model in place and leave it with its best weights by the validation score.

    A training that was killed or stopped resumes from the newest checkpoint in the callback's folder, and ends
    with the weights that it would have had.

    Args:
        model: maps `input_ids` and `attention_mask` ``(B, T)``, and the examples' extra inputs to logits
            ``(B, C)``, or to any other first argument of the loss.
        examples: the rows.
        loss: maps the model's output, teacher logits, targets and the labelled mask to a scalar.
        schedule: steps, batch size, warm-up and seed.
        groups: AdamW's parameter groups, each with its learning rate.
        pad: maps token ids of rows to ids and mask ``(B, T)``, and to token types where they have some.
        callback: evaluates, keeps the best weights, and owns the folder.

    Raises:
        InputError: there are no rows.
        DistillError: the loss became infinite or undefined.
        KeyboardInterrupt: a stop was requested; a checkpoint was written.
    """
    if not len(examples.tokens):
        raise InputError("There are no rows to train on. Check the corpus.")
    set_seed(schedule.seed)
    # one pass over the weights per step: a third less time on a CPU, where the table is half of them
    optimizer = torch.optim.AdamW(groups, fused=True)
    rates = get_linear_schedule_with_warmup(
        optimizer, round(schedule.warmup * schedule.max_steps), schedule.max_steps
    )
    checkpoint = callback.begin()
    trainer = _FitTrainer(
        examples=examples,
        loss=loss,
        pad=pad,
        schedule=schedule,
        model=model,
        args=_arguments(callback.checkpoints, schedule),
        callbacks=[callback],
        optimizers=(optimizer, rates),
    )
    trainer.remove_callback(PrinterCallback)  # it would print onto stdout
    steps = 0 if checkpoint is None else step_of(checkpoint)
    if steps < schedule.max_steps and not callback.exhausted:
        with callback.stop.deferred():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        steps = int(trainer.state.global_step)
    callback.restore()
    model.eval()
    return FitResult(callback.best_step, callback.best_score, steps)


def _arguments(folder: Path, schedule: TrainingSchedule) -> Any:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.max_steps,
        per_device_train_batch_size=schedule.batch_size,
        max_grad_norm=MAX_GRAD_NORM,
        logging_strategy="steps",
        logging_steps=min(LOG_EVERY, schedule.steps_per_epoch),
        logging_nan_inf_filter=False,
        # the callback decides when to save, and which checkpoints are removed
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=schedule.seed,
        data_seed=schedule.seed,
        remove_unused_columns=False,
        log_level="error",
        # otherwise transformers uses a GPU that the rest of a run does not use
        use_cpu=not torch.cuda.is_available(),
    )
