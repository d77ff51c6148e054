"""Training sessions: a model with its corpus in token ids, trained, evaluated and stored the same way for all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from distill.artifacts.logits import LOGITS_FILE, write_logits_file
from distill.artifacts.training import TrainingSummary
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.quality import EVALUATED
from distill.export.runtime.errors import DistillError
from distill.objectives.task_loss import LOSSES
from distill.recipe.sources import TeacherRecipe
from distill.recipe.student import StudentRecipe
from distill.runs.interrupts import StopRequest
from distill.runs.progress import Epoch, Reporter
from distill.teachers.bodies import check_max_tokens, reads_in_bf16
from distill.teachers.device import best_device, multiplies_bf16
from distill.teachers.encoder import parameter_count
from distill.teachers.encoding import pad_batch
from distill.teachers.inference import predict_logits
from distill.teachers.token_cache import TokenCache
from distill.teachers.tokenizers import pad_id_of
from distill.training.batches import Examples
from distill.training.callback import Resources, TrainingCallback, TrainingSchedule
from distill.training.loop import FitResult, Loss, fit
from distill.training.tracking import Trackers


@dataclass(frozen=True)
class TrainingControls:
    """Controls around a training: its reporter, the request to stop, the seconds between saves, its resources.

    `on_epoch_end` receives each epoch once it is evaluated, and may end the training by an exception. `trackers`
    returns those of the training that works in a folder.
    """

    reporter: Reporter
    stop: StopRequest
    checkpoint_seconds: float
    on_epoch_end: Callable[[Epoch], None] = field(default=lambda _: None)
    trackers: Callable[[Path], Trackers] = field(default=lambda _: Trackers())
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class TrainingSession:
    """A model that is trained or evaluated, its tokenizer, and the token ids of the splits that it needs.

    `wrapper` is a module that contains the model and is trained in its place; it ends with the training.
    """

    name: str
    model: nn.Module
    tokenizer: Any
    corpus: Corpus
    tokens: dict[str, TokenRows]
    wrapper: nn.Module | None = None

    @property
    def trained(self) -> nn.Module:
        """The module that the training loop trains: the model, or the wrapper around it."""
        return self.model if self.wrapper is None else self.wrapper

    def train_examples(self, teacher_logits: Logits | None = None) -> Examples:
        """Return the train rows; zeros replace missing teacher logits ``(N, C)``, and no loss may read them."""
        rows, task = self.corpus.train, self.corpus.task
        if rows.targets is None:
            raise TypeError("Train rows must have targets.")
        if teacher_logits is None:
            teacher_logits = np.zeros((len(rows), task.num_outputs), dtype=np.float32)
        return Examples(
            tokens=self.tokens["train"],
            targets=torch.tensor(rows.targets, dtype=LOSSES[task.kind].target_dtype),
            teacher_logits=torch.from_numpy(teacher_logits),
            labelled=torch.ones(len(rows), dtype=torch.bool),
        )

    def unlabelled_examples(self, tokens: TokenRows, teacher_logits: Logits) -> Examples:
        """Return rows that only the teacher has labelled, with its logits ``(N, C)``."""
        rows, losses = len(tokens), LOSSES[self.corpus.task.kind]
        shape = (rows, self.corpus.task.num_labels)[: losses.target_axes]
        return Examples(
            tokens=tokens,
            targets=torch.zeros(shape, dtype=losses.target_dtype),
            teacher_logits=torch.from_numpy(teacher_logits),
            labelled=torch.zeros(rows, dtype=torch.bool),
        )


def open_session(
    name: str, model: nn.Module, tokenizer: Any, corpus: Corpus, tokens: TokenCache, splits: Sequence[str]
) -> TrainingSession:
    """Move a model to the GPU if there is one, and encode the texts that it learns from and is evaluated on.

    Args:
        name: name of the model, for progress and messages.
        model: has a transformers configuration.
        tokenizer: the model's.
        corpus: the corpus.
        tokens: token ids of that corpus.
        splits: splits that it learns from.

    Raises:
        InputError: the model cannot read texts of `max_tokens`.
    """
    check_max_tokens(model.config, tokens.max_tokens)
    texts = {split: rows.texts for split, rows in corpus.splits()}
    encoded = {split: tokens.rows(tokenizer, split, texts[split]) for split in (*splits, *EVALUATED)}
    return TrainingSession(name, model.to(best_device()), tokenizer, corpus, encoded)


def schedule_of(
    recipe: TeacherRecipe | StudentRecipe, rows: int, seed: int, controls: TrainingControls
) -> TrainingSchedule:
    """Return the schedule of a recipe's epochs over a number of rows."""
    steps_per_epoch = max(1, math.ceil(rows / recipe.batch_size))
    return TrainingSchedule(
        max_steps=steps_per_epoch * recipe.epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=recipe.batch_size,
        warmup=recipe.warmup,
        patience=recipe.patience,
        seed=seed,
        checkpoint_seconds=controls.checkpoint_seconds,
        bf16=multiplies_bf16(best_device()),
        resources=controls.resources,
    )


def train(
    session: TrainingSession,
    examples: Examples,
    loss: Loss,
    schedule: TrainingSchedule,
    groups: list[dict[str, object]],
    folder: Path,
    controls: TrainingControls,
    *,
    wrapper_learning_rate: float,
) -> FitResult:
    """Train a session's model in place; the validation headline chooses the epoch that is kept.

    Args:
        session: the model's session.
        examples: rows that it learns from.
        loss: loss that it minimises.
        schedule: steps, batches and patience.
        groups: AdamW's parameter groups of the model.
        folder: receives metrics and checkpoints.
        controls: progress, stopping and saving.
        wrapper_learning_rate: learning rate of a wrapper's weights that are not the model's.
    """
    weights = set(session.model.parameters())
    extra = [parameter for parameter in session.trained.parameters() if parameter not in weights]
    if extra:
        groups = [*groups, {"params": extra, "lr": wrapper_learning_rate, "weight_decay": 0.0}]
    schedule = replace(schedule, bf16=schedule.bf16 and reads_in_bf16(session.model))
    with controls.reporter.bar(f"train the {session.name}", schedule.max_steps) as advance:
        evaluator = evaluator_of(session.corpus.task)
        callback = TrainingCallback(
            session.trained,
            _validation_score(session, controls),
            schedule,
            folder,
            advance,
            controls.stop,
            (evaluator.headline, evaluator.title),
            lambda number, score: controls.on_epoch_end(Epoch(session.name, number, evaluator.headline, score)),
            controls.trackers(folder),
        )
        pad = partial(pad_batch, pad_id=pad_id_of(session.tokenizer))
        return fit(session.trained, examples, loss, schedule, groups=groups, pad=pad, callback=callback)


def evaluated_logits(session: TrainingSession, reporter: Reporter) -> dict[str, Logits]:
    """Return raw logits ``(N, C)`` of validation, and of test where there is such a split.

    Raises:
        DistillError: some of them are not finite, so no decision can be made from them.
    """
    total = sum(len(session.tokens[split]) for split in EVALUATED)
    pad_id = pad_id_of(session.tokenizer)
    with reporter.bar(f"evaluate the {session.name}", total) as advance:
        logits = {
            split: predict_logits(session.model, session.tokens[split], pad_id=pad_id, progress=advance)
            for split in EVALUATED
            if len(session.tokens[split])
        }
    for split, values in logits.items():
        broken = int((~np.isfinite(values)).any(axis=1).sum())
        if broken:
            raise DistillError(
                f"The {session.name} returns logits that are not finite for {broken} {split} rows. Lower its "
                "learning rates, or use another checkpoint."
            )
    return logits


def save_results(
    folder: Path, session: TrainingSession, reporter: Reporter, result: FitResult | None = None
) -> None:
    """Write the logits that the model is evaluated by, and `training.json`.

    Args:
        folder: the model's folder.
        session: the model's session.
        reporter: shows a bar.
        result: result of its training; None if it was loaded.
    """
    write_logits_file(evaluated_logits(session, reporter), folder / LOGITS_FILE)
    parameters = parameter_count(session.model)
    if result is None:
        TrainingSummary(parameters).write(folder)
    else:
        TrainingSummary(parameters, result.best_step, result.steps).write(folder)


def _validation_score(session: TrainingSession, controls: TrainingControls) -> Callable[[], dict[str, float]]:
    """Return a function that computes the headline metric on validation, under the task's quickest decision.

    It raises KeyboardInterrupt once a stop is requested, because on a real corpus it takes a quarter of a minute.
    """
    evaluator = evaluator_of(session.corpus.task)
    gold = label_matrix(session.corpus.validation, session.corpus.task)

    def evaluate() -> dict[str, float]:
        tokens = session.tokens["validation"]
        pad_id = pad_id_of(session.tokenizer)
        logits = predict_logits(session.model, tokens, pad_id=pad_id, progress=lambda _: controls.stop.check())
        if not np.isfinite(logits).all():
            raise DistillError(f"The {session.name} returns logits that are not finite. Lower its learning rates.")
        return {evaluator.headline: evaluator.quick_score(logits, gold)}

    return evaluate
