"""A model with the corpus as its tokenizer sees it: trained, judged and saved the same way for all of them."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from corpora.corpus import Corpus, label_matrix
from corpora.metrics import common_threshold, decide, macro_f1, scores_of
from distill.calibrate import fit_decision, judge
from distill.job import Job
from distill.recipe import StudentRecipe, TeacherRecipe
from distill.trainer import Examples, FitResult, Loss, Settings, fit
from teachers.classifier import EncoderClassifier, Teacher, parameter_count
from teachers.finetune import parameter_groups
from teachers.label import best_device, encode, predict_logits

LOGITS_FILE = "logits.safetensors"
QUALITY_FILE = "quality.json"
JUDGED = ("validation", "test")
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Learner:
    """A model that is trained or judged, its tokenizer, and the token ids of every row of every split."""

    name: str
    model: Teacher
    tokenizer: Any
    corpus: Corpus
    tokens: dict[str, list[list[int]]]

    def examples(self, split: str, teacher_logits: Logits | None = None) -> Examples:
        """The rows of one split; without teacher logits ``(N, C)`` these are zeros that no loss may read."""
        rows = dict(self.corpus.splits())[split]
        task = self.corpus.task
        if teacher_logits is None:
            teacher_logits = np.zeros((len(rows), task.num_labels), dtype=np.float32)
        if rows.targets is not None:
            targets = torch.from_numpy(rows.targets)
        elif task.multi_label:
            targets = torch.zeros((len(rows), task.num_labels))
        else:
            targets = torch.zeros(len(rows), dtype=torch.long)
        return Examples(
            tokens=self.tokens[split],
            targets=targets,
            teacher_logits=torch.from_numpy(teacher_logits),
            labelled=torch.full((len(rows),), rows.targets is not None),
        )


def new_learner(job: Job, name: str, model: Teacher, tokenizer: Any, corpus: Corpus) -> Learner:
    """Move the model to the GPU where there is one, and encode the corpus."""
    tokens = {
        split: encode(tokenizer, rows.texts, job.recipe.corpus.max_tokens) for split, rows in corpus.splits()
    }
    return Learner(name, model.to(best_device()), tokenizer, corpus, tokens)


def plan(recipe: TeacherRecipe | StudentRecipe, rows: int, seed: int) -> Settings:
    """Epochs over so many rows as steps."""
    steps_per_epoch = max(1, math.ceil(rows / recipe.batch_size))
    return Settings(
        max_steps=steps_per_epoch * recipe.epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=recipe.batch_size,
        warmup=recipe.warmup,
        patience=recipe.patience,
        seed=seed,
    )


def train(
    job: Job,
    learner: Learner,
    examples: Examples,
    loss: Loss,
    settings: Settings,
    rates: TeacherRecipe | StudentRecipe,
    folder: Path,
) -> FitResult:
    """Train an `EncoderClassifier` in place; validation macro-F1 chooses the epoch that is kept."""
    if not isinstance(learner.model, EncoderClassifier):
        raise TypeError("only an EncoderClassifier is trained")
    groups = parameter_groups(
        learner.model,
        body_learning_rate=rates.body_learning_rate,
        head_learning_rate=rates.head_learning_rate,
        weight_decay=rates.weight_decay,
    )
    with job.reporter.bar(f"train the {learner.name}", settings.max_steps) as advance:
        return fit(
            learner.model,
            examples,
            loss,
            settings,
            groups=groups,
            pad_id=learner.tokenizer.pad_token_id,
            evaluate=_validation_score(learner),
            folder=folder,
            progress=advance,
        )


def judged_logits(job: Job, learner: Learner) -> dict[str, Logits]:
    """Raw logits ``(N, C)`` of validation and test."""
    total = sum(len(learner.tokens[split]) for split in JUDGED)
    pad_id = learner.tokenizer.pad_token_id
    with job.reporter.bar(f"judge the {learner.name}", total) as advance:
        return {
            split: predict_logits(learner.model, learner.tokens[split], pad_id=pad_id, progress=advance)
            for split in JUDGED
        }


def quality_of(job: Job, logits: dict[str, Logits], corpus: Corpus) -> dict[str, Any]:
    """Validation and test quality, with calibration and thresholds from validation."""
    shrink = job.recipe.export.threshold_shrink
    gold = {split: label_matrix(dict(corpus.splits())[split], corpus.task) for split in JUDGED}
    decision = fit_decision(logits["validation"], gold["validation"], corpus.task, shrink=shrink)
    found: dict[str, Any] = {
        split: judge(logits[split], gold[split], corpus.task, decision).to_dict() for split in JUDGED
    }
    return {**found, "decision": decision.to_dict()}


def save_results(job: Job, folder: Path, learner: Learner, extra: dict[str, Any]) -> None:
    """Write the judged logits and `quality.json`."""
    logits = judged_logits(job, learner)
    save_file(logits, folder / LOGITS_FILE)
    quality = {
        **extra,
        **quality_of(job, logits, learner.corpus),
        "parameters": parameter_count(learner.model),
    }
    (folder / QUALITY_FILE).write_text(json.dumps(quality, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_judged(folder: Path) -> dict[str, Logits]:
    """Raw logits ``(N, C)`` of validation and test that a training stage left."""
    return dict(load_file(folder / LOGITS_FILE))


def read_quality(folder: Path) -> dict[str, Any]:
    """The `quality.json` that a training stage left."""
    return dict(json.loads((folder / QUALITY_FILE).read_text(encoding="utf-8")))


def _validation_score(learner: Learner) -> Callable[[], dict[str, float]]:
    """Macro-F1 on validation at the one threshold that is best there (argmax for single-label)."""
    task = learner.corpus.task
    gold = label_matrix(learner.corpus.validation, task)

    def evaluate() -> dict[str, float]:
        tokens = learner.tokens["validation"]
        logits = predict_logits(learner.model, tokens, pad_id=learner.tokenizer.pad_token_id)
        scores = scores_of(logits, task.kind)
        thresholds = np.full(task.num_labels, common_threshold(scores, gold)) if task.multi_label else None
        return {"macro_f1": float(macro_f1(decide(scores, thresholds, task.kind), gold))}

    return evaluate
