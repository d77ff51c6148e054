"""A model with the corpus as its tokenizer sees it: trained, judged and saved the same way for all of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from distill.artifacts.logits import LOGITS_FILE, write_logits_file
from distill.artifacts.training import TRAINING_FILE
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decision import Logits
from distill.evaluation.evaluator import evaluator_of
from distill.evaluation.quality import JUDGED
from distill.export.runtime.errors import DistillError
from distill.files.json_files import write_json
from distill.objectives.task_loss import LOSSES
from distill.recipe.sources import TeacherRecipe
from distill.recipe.student import StudentRecipe
from distill.runs.context import Job
from distill.teachers.bodies import check_max_tokens
from distill.teachers.device import best_device, multiplies_bf16
from distill.teachers.encoder import parameter_count
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.inference import predict_logits
from distill.training.batches import Examples
from distill.training.callback import Settings, Watch
from distill.training.loop import FitResult, Loss, fit


@dataclass(frozen=True)
class Learner:
    """A model that is trained or judged, its tokenizer, and the token ids of the splits that it needs.

    `around` is a module that has the model inside and is trained in its place; it ends with the training.
    """

    name: str
    model: nn.Module
    tokenizer: Any
    corpus: Corpus
    tokens: dict[str, TokenRows]
    around: nn.Module | None = None

    @property
    def trained(self) -> nn.Module:
        """What the training loop trains: the model, or a module around it that learns beside it."""
        return self.model if self.around is None else self.around

    def train_examples(self, teacher_logits: Logits | None = None) -> Examples:
        """The train rows; without teacher logits ``(N, C)`` these are zeros that no loss may read."""
        rows, task = self.corpus.train, self.corpus.task
        if rows.targets is None:
            raise TypeError("train rows have targets")
        if teacher_logits is None:
            teacher_logits = np.zeros((len(rows), task.num_labels), dtype=np.float32)
        return Examples(
            tokens=self.tokens["train"],
            targets=torch.tensor(rows.targets, dtype=LOSSES[task.kind].target_dtype),
            teacher_logits=torch.from_numpy(teacher_logits),
            labelled=torch.ones(len(rows), dtype=torch.bool),
        )

    def unlabelled_examples(self, tokens: TokenRows, teacher_logits: Logits) -> Examples:
        """Rows that only the teacher has labelled, with its logits ``(N, C)``."""
        rows, losses = len(tokens), LOSSES[self.corpus.task.kind]
        shape = (rows, self.corpus.task.num_labels)[: losses.target_axes]
        return Examples(
            tokens=tokens,
            targets=torch.zeros(shape, dtype=losses.target_dtype),
            teacher_logits=torch.from_numpy(teacher_logits),
            labelled=torch.zeros(rows, dtype=torch.bool),
        )


def new_learner(
    job: Job, name: str, model: nn.Module, tokenizer: Any, corpus: Corpus, learns_from: Sequence[str]
) -> Learner:
    """Move the model to the GPU where there is one, and encode what it is judged on and the splits it learns from.

    Raises:
        InputError: the model cannot read texts of `corpus.max_tokens`.
    """
    check_max_tokens(model.config, job.recipe.corpus.max_tokens)
    splits = dict(corpus.splits())
    tokens = {
        name: encode(tokenizer, splits[name].texts, job.recipe.corpus.max_tokens)
        for name in (*learns_from, *JUDGED)
    }
    return Learner(name, model.to(best_device()), tokenizer, corpus, tokens)


def plan(job: Job, recipe: TeacherRecipe | StudentRecipe, rows: int, seed: int) -> Settings:
    """Epochs over so many rows as steps."""
    steps_per_epoch = max(1, math.ceil(rows / recipe.batch_size))
    return Settings(
        max_steps=steps_per_epoch * recipe.epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=recipe.batch_size,
        warmup=recipe.warmup,
        patience=recipe.patience,
        seed=seed,
        checkpoint_seconds=60 * job.recipe.checkpoint_minutes,
        bf16=multiplies_bf16(best_device()),
    )


def train(
    job: Job,
    learner: Learner,
    examples: Examples,
    loss: Loss,
    settings: Settings,
    rates: TeacherRecipe | StudentRecipe,
    folder: Path,
    parameter_groups: Callable[..., list[dict[str, Any]]],
) -> FitResult:
    """Train a model in place; validation macro-F1 chooses the epoch that is kept.

    `parameter_groups` returns AdamW's groups of the model for rates and weight decay.

    `job.heard` is told the macro-F1 of each epoch, and may end the training by an exception.
    """
    groups = parameter_groups(learner.model, **rates.rates())
    own = set(learner.model.parameters())
    beside = [parameter for parameter in learner.trained.parameters() if parameter not in own]
    if beside:
        groups.append({"params": beside, "lr": rates.head_learning_rate, "weight_decay": 0.0})
    with job.reporter.bar(f"train the {learner.name}", settings.max_steps) as advance:
        evaluate = _validation_score(job, learner)
        evaluator = evaluator_of(learner.corpus.task)
        headline = (evaluator.headline, evaluator.title)
        watch = Watch(learner.trained, evaluate, settings, folder, advance, job.stop, headline)
        pad = partial(pad_batch, pad_id=learner.tokenizer.pad_token_id)
        return fit(learner.trained, examples, loss, settings, groups=groups, pad=pad, watch=watch)


def judged_logits(job: Job, learner: Learner) -> dict[str, Logits]:
    """Raw logits ``(N, C)`` of validation and test.

    Raises:
        DistillError: some of them are not finite, so nothing can be decided by them.
    """
    total = sum(len(learner.tokens[split]) for split in JUDGED)
    pad_id = learner.tokenizer.pad_token_id
    with job.reporter.bar(f"judge the {learner.name}", total) as advance:
        logits = {
            split: predict_logits(learner.model, learner.tokens[split], pad_id=pad_id, progress=advance)
            for split in JUDGED
        }
    for split, found in logits.items():
        broken = int((~np.isfinite(found)).any(axis=1).sum())
        if broken:
            raise DistillError(
                f"the {learner.name} gives logits that are not finite for {broken} {split} rows; lower its "
                "learning rates, or use another checkpoint"
            )
    return logits


def save_results(job: Job, folder: Path, learner: Learner, training: dict[str, Any]) -> None:
    """Write the judged logits, and `training.json` with what training says of itself."""
    write_logits_file(judged_logits(job, learner), folder / LOGITS_FILE)
    write_json({**training, "parameters": parameter_count(learner.model)}, folder / TRAINING_FILE)


def _validation_score(job: Job, learner: Learner) -> Callable[[], dict[str, float]]:
    """Return what computes the headline metric on validation, under the quickest decision of the task.

    It raises KeyboardInterrupt once a stop is asked for: on a real corpus it takes a quarter of a minute.
    """
    evaluator = evaluator_of(learner.corpus.task)
    gold = label_matrix(learner.corpus.validation, learner.corpus.task)

    def evaluate() -> dict[str, float]:
        tokens = learner.tokens["validation"]
        pad_id = learner.tokenizer.pad_token_id
        logits = predict_logits(learner.model, tokens, pad_id=pad_id, progress=lambda _: job.stop.check())
        if not np.isfinite(logits).all():
            raise DistillError(f"the {learner.name} gives logits that are not finite; lower its learning rates")
        score = evaluator.quick_score(logits, gold)
        job.heard(score)
        return {evaluator.headline: score}

    return evaluate
