"""The stages that learn: fine-tune or load a teacher, train the student and its twin.

Each is a function from files to files: it reads the folders of earlier stages and writes its own.
"""

from pathlib import Path
from typing import Any

from transformers import set_seed

from corpora.corpus import label_matrix, load_corpus
from corpora.provenance import SOURCE_FILE
from corpora.task import TaskKind
from distill.batches import Examples, join_examples
from distill.guidance import guide
from distill.job import Job
from distill.json_files import write_json
from distill.labelling import soft_labels, unlabelled_texts
from distill.learner import (
    Learner,
    judged_logits,
    new_learner,
    plan,
    save_results,
    train,
)
from distill.logit_objectives import logit_terms
from distill.members import Member
from distill.models import save_student
from distill.objectives import Objective, hard_loss
from distill.quality import BEFORE_TUNING_FILE, write_logits_file
from distill.search import search
from distill.starting import start_student
from distill.trainer import FitResult, Loss
from teachers.classifier import (
    EncoderClassifier,
    HeadedClassifier,
    Pooling,
    Teacher,
    build_classifier,
    load_classifier,
    load_tokenizer,
    save_classifier,
)
from teachers.finetune import class_weights, freeze
from teachers.label import device_of, encode
from teachers.sources import ModelSource


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


def study(job: Job, folder: Path, *, distilled: bool) -> FitResult:
    """Train the student on the teacher's logits, or its twin on the labelled rows alone.

    Both start from the same weights and take the same number of steps with the same schedule and seed.
    """
    corpus, recipe = load_corpus(job.corpus), job.recipe.student
    set_seed(job.seed)
    model, tokenizer = start_student(job, corpus)
    name = "student" if distilled else "twin"
    learner = new_learner(job, name, model, tokenizer, corpus, learns_from=("train",))
    unlabelled = unlabelled_texts(job, corpus)
    # of the twin too: as many steps
    rows = len(corpus.train) + sum(map(len, unlabelled.values()))
    objective = (
        student_objective(job, corpus.task.kind) if distilled else Objective(corpus.task.kind, soft_weight=0.0)
    )
    examples = student_examples(job, learner) if distilled else learner.train_examples()
    loss: Loss = objective
    if distilled and job.recipe.objective.reads_teacher:
        learnt_from = [corpus.train.texts, *unlabelled.values()]
        learner, examples, loss = guide(job, learner, examples, objective, learnt_from)
    result = train(job, learner, examples, loss, plan(job, recipe, rows, job.seed), recipe, folder)
    save_student(model, tokenizer, folder)
    save_results(job, folder, learner, {"best_step": result.best_step, "steps": result.steps})
    return result


def student_examples(job: Job, learner: Learner) -> Examples:
    """All that a student learns from: the train rows, then the transfer set and made texts, with soft labels."""
    corpus = learner.corpus
    examples = learner.train_examples(soft_labels(job, corpus, "train"))
    for split, texts in unlabelled_texts(job, corpus).items():
        tokens = encode(learner.tokenizer, texts, job.recipe.corpus.max_tokens)
        more = learner.unlabelled_examples(tokens, soft_labels(job, corpus, split))
        examples = join_examples(examples, more)
    return examples


def student_objective(job: Job, kind: TaskKind) -> Objective:
    """What a student minimises on logits."""
    recipe = job.recipe.objective
    return Objective(kind, recipe.temperature, recipe.soft_weight, logit_terms(recipe, kind))


def search_student(job: Job) -> None:
    """Try other values of the recipe, a student for each."""
    search(job, lambda trial, folder: study(trial, folder, distilled=True).best_score)


def _finetune(job: Job, learner: Learner, model: EncoderClassifier, folder: Path, seed: int) -> FitResult:
    recipe, corpus = job.recipe.teacher, learner.corpus
    kind = corpus.task.kind
    freeze(model, recipe.freeze)
    weights = None
    if recipe.class_weights:
        weights = class_weights(label_matrix(corpus.train, corpus.task), kind).to(device_of(model))

    def loss(logits: Any, _teacher: Any, targets: Any, _labelled: Any) -> Any:
        return hard_loss(logits, targets, kind, weights).mean()

    settings = plan(job, recipe, len(corpus.train), seed)
    return train(job, learner, learner.train_examples(), loss, settings, recipe, folder)
