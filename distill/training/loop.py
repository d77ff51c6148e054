"""One training loop for teacher, student and twin: a transformers Trainer that receives its loss.

It knows neither teachers nor students. It takes a model that maps a batch to logits, or to any other input of
the loss, and rows that already have their targets, teacher logits and everything else that the model reads.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from distill.training.ranks import Rank, ranks

MAX_GRAD_NORM = 1.0

LOG_EVERY = 20

# model output, teacher logits, targets, labelled -> scalar
Loss = Callable[[Any, Tensor, Tensor, Tensor], Tensor]

# AdamW's parameter groups, each with its learning rate
Groups = list[dict[str, Any]]

# what a model reads in one pass, or the passes over a batch
Inputs = dict[str, Any]

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
    """A Trainer with the batches and the loss of this project; it knows of no other rank but for the sums."""

    def __init__(
        self, *, examples: Examples, loss: Loss, pad: Pad, schedule: TrainingSchedule, rank: Rank, **kwargs: Any
    ) -> None:
        super().__init__(train_dataset=_Rows(len(examples.tokens)), **kwargs)
        # the default divides the loss by gradient accumulation twice for models that take loss arguments
        self.model_accepts_loss_kwargs = False
        self._examples, self._loss, self._pad, self._schedule = examples, loss, pad, schedule
        self._rank = rank

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

    def _collate(self, rows: list[int]) -> Inputs:
        """Return the passes of this rank over its rows of a batch, each with its share of the batch's rows."""
        part = self._rank.part(rows)
        if not part:  # a rank without rows must have the same gradients as the others: zeros
            return {"passes": [self._inputs(rows[:1], 0.0)]}
        size = self._schedule.resources.rows_per_pass or len(part)
        passes = [part[at : at + size] for at in range(0, len(part), size)]
        return {"passes": [self._inputs(own, len(own) / len(rows)) for own in passes]}

    def _inputs(self, rows: Sequence[int], share: float) -> Inputs:
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
            "share": share,
        }

    def training_step(self, model: nn.Module, inputs: Inputs, num_items_in_batch: Any = None) -> Tensor:
        """Leave the gradients of the whole batch in the model, and return its loss."""
        self._rank.seed(self._schedule.seed, self.state.global_step)
        step = super().training_step
        return self._rank.add_up(model, torch.stack([step(model, own) for own in inputs["passes"]]).sum())

    def compute_loss(self, model: nn.Module, inputs: Inputs, return_outputs: bool = False, **_: Any) -> Any:
        # transformers would wrap the model for inference as well
        with torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=self._schedule.bf16):
            extra = inputs["extra_inputs"]
            output = model(inputs["input_ids"], inputs["attention_mask"], **extra)  # (B, C), or more
        # a mean over rows: weighted by their share, those of all passes and ranks add up to that of the batch
        loss = self._loss(output, inputs["teacher_logits"], inputs["targets"], inputs["labelled"])
        loss = loss * inputs["share"]
        return (loss, output) if return_outputs else loss


@dataclass(frozen=True)
class _Work:
    """Everything that a rank needs to train; see `fit`."""

    model: nn.Module
    examples: Examples
    loss: Loss
    schedule: TrainingSchedule
    groups: Groups
    pad: Pad
    folder: Path
    checkpoint: Path | None

    def run(self, rank: Rank, callback: TrainingCallback | None = None) -> int:
        """Train up to the last step, or until the callback ends it, and return the number of steps."""
        set_seed(self.schedule.seed)
        # one pass over the weights per step: a third less time on a CPU, where the table is half of them
        optimizer = torch.optim.AdamW(self.groups, fused=True)
        rates = get_linear_schedule_with_warmup(
            optimizer, round(self.schedule.warmup * self.schedule.max_steps), self.schedule.max_steps
        )
        trainer = _FitTrainer(
            examples=self.examples,
            loss=self.loss,
            pad=self.pad,
            schedule=self.schedule,
            rank=rank,
            model=self.model,
            args=_arguments(self.folder, self.schedule),
            callbacks=[] if callback is None else [callback],
            optimizers=(optimizer, rates),
        )
        trainer.remove_callback(PrinterCallback)  # it would print onto stdout
        with recomputed(self.model, self.schedule.resources.gradient_checkpointing):
            trainer.train(resume_from_checkpoint=None if self.checkpoint is None else str(self.checkpoint))
        return int(trainer.state.global_step)


@contextmanager
def recomputed(model: nn.Module, asked: bool) -> Iterator[None]:
    """Compute the states of each transformer layer again in the backward pass, if asked, and keep none of them.

    This is gradient checkpointing (Chen et al., arXiv 1604.06174); a model without such layers has none to save.
    """
    parts: Iterable[Any] = model.modules() if asked else ()
    bodies = [part for part in parts if getattr(part, "supports_gradient_checkpointing", False)]
    for body in bodies:
        body.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        for body in bodies:
            body.gradient_checkpointing_disable()


def fit(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    schedule: TrainingSchedule,
    *,
    groups: Groups,
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
        loss: maps the model's output, teacher logits, targets and the labelled mask to a mean over rows.
        schedule: steps, batch size, warm-up and seed, and the processes that share the work.
        groups: AdamW's parameter groups, each with its learning rate.
        pad: maps token ids of rows to ids and mask ``(B, T)``, and to token types where they have some.
        callback: evaluates, keeps the best weights, and owns the folder.

    Raises:
        InputError: there are no rows.
        DistillError: the loss became infinite or undefined, or another process of the training died.
        KeyboardInterrupt: a stop was requested; a checkpoint was written.
    """
    if not len(examples.tokens):
        raise InputError("There are no rows to train on. Check the corpus.")
    checkpoint = callback.begin()
    steps = 0 if checkpoint is None else step_of(checkpoint)
    if steps < schedule.max_steps and not callback.exhausted:
        work = _Work(model, examples, loss, schedule, groups, pad, callback.checkpoints, checkpoint)
        with callback.stop.deferred(), ranks(schedule.resources.processes, work) as rank:
            steps = work.run(rank, callback)
    callback.restore()
    model.eval()
    return FitResult(callback.best_step, callback.best_score, steps)


def _arguments(folder: Path, schedule: TrainingSchedule) -> Any:
    arguments = TrainingArguments(
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
    # with more GPUs transformers would split batches over them by threads; a rank has one
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
