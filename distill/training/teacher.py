"""Fine-tune a teacher, or load a checkpoint."""

from pathlib import Path
from typing import Any

from transformers import set_seed

from distill.artifacts.logits import BEFORE_TUNING_FILE, write_logits_file
from distill.corpora.corpus import label_matrix
from distill.corpora.reading.provenance import SOURCE_FILE
from distill.corpora.storage.parquet import load_corpus
from distill.files.json_files import write_json
from distill.objectives.task_loss import LOSSES
from distill.recipe.ensemble import Member
from distill.runs.context import Job
from distill.teachers.checkpoints import build_classifier, load_classifier, save_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import EncoderClassifier, HeadedClassifier, Pooling, Teacher
from distill.teachers.finetune import class_weights, freeze, parameter_groups
from distill.teachers.sources import ModelSource
from distill.teachers.tokenizers import load_tokenizer
from distill.training.loop import FitResult
from distill.training.session import Learner, judged_logits, new_learner, plan, save_results, train


def teach(job: Job, folder: Path, base: ModelSource, member: Member) -> None:
    """Fine-tune a teacher, or take over a checkpoint; write it and its logits, before tuning too."""
    recipe, corpus = job.recipe.teacher, load_corpus(job.corpus)
    tokenizer, pooling = load_tokenizer(base.folder), Pooling(recipe.pooling)
    set_seed(member.seed)
    training: dict[str, Any] = {}
    if member.tuned:
        model: Teacher = load_classifier(base.folder, corpus.task, pooling)
        learner = new_learner(job, "teacher", model, tokenizer, corpus, learns_from=())
    else:
        model = build_classifier(base.folder, corpus.task, pooling, recipe.dropout)
        learner = new_learner(job, "teacher", model, tokenizer, corpus, learns_from=("train",))
        if not (folder / BEFORE_TUNING_FILE).is_file():  # of an interrupted run
            write_logits_file(judged_logits(job, learner), folder / BEFORE_TUNING_FILE)
        result = _finetune(job, learner, model, folder, member.seed)
        training = {"best_step": result.best_step, "steps": result.steps}
    if isinstance(model, HeadedClassifier):
        model.model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    else:
        save_classifier(model, tokenizer, folder)
    write_json(base.to_dict(), folder / SOURCE_FILE)
    save_results(job, folder, learner, training)


def _finetune(job: Job, learner: Learner, model: EncoderClassifier, folder: Path, seed: int) -> FitResult:
    recipe, corpus = job.recipe.teacher, learner.corpus
    losses = LOSSES[corpus.task.kind]
    freeze(model, recipe.freeze)
    weights = None
    if recipe.class_weights:
        weights = class_weights(label_matrix(corpus.train, corpus.task)).to(device_of(model))

    def loss(logits: Any, _teacher: Any, targets: Any, _labelled: Any) -> Any:
        return losses.hard(logits, targets, weights).mean()

    settings = plan(job, recipe, len(corpus.train), seed)
    return train(job, learner, learner.train_examples(), loss, settings, recipe, folder, parameter_groups)
