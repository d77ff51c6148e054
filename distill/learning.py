"""The stages that learn: fine-tune or load the teacher, store its logits, train the student and its twin.

Each is a function from files to files: it reads the folders of earlier stages and writes its own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from transformers import set_seed

from corpora.corpus import Corpus, label_matrix, load_corpus
from corpora.provenance import SOURCE_FILE, file_record
from corpora.splits import normalise_text
from distill.batches import Examples, join_examples
from distill.calibrate import Logits
from distill.job import Job
from distill.json_files import write_json
from distill.learner import (
    Learner,
    judged_logits,
    new_learner,
    plan,
    save_results,
    train,
)
from distill.objectives import Objective, hard_loss
from distill.quality import BEFORE_TUNING_FILE, write_logits_file
from distill.trainer import FitResult
from students.compact import compact_student
from students.layers import layers_student
from students.vocabulary import apply_trim, trim
from teachers.classifier import (
    HEAD_FILE,
    EncoderClassifier,
    HeadedClassifier,
    Pooling,
    build_classifier,
    load_classifier,
    load_tokenizer,
    save_classifier,
)
from teachers.finetune import class_weights, freeze
from teachers.label import best_device, device_of, encode, predict_logits
from teachers.sources import ModelSource
from teachers.store import LabelIdentity, label_split, read_logits


def teach(job: Job, folder: Path, base: ModelSource) -> None:
    """Fine-tune a teacher, or take over a checkpoint; write it and its logits, before tuning too."""
    recipe, corpus = job.recipe.teacher, load_corpus(job.corpus)
    tokenizer, pooling = load_tokenizer(base.folder), Pooling(recipe.pooling)
    set_seed(job.recipe.seed)
    training: dict[str, Any] = {}
    if recipe.checkpoint is not None:
        loaded = load_classifier(base.folder, corpus.task, pooling)
        learner = new_learner(job, "teacher", loaded, tokenizer, corpus, learns_from=())
    else:
        model = build_classifier(base.folder, corpus.task, pooling, recipe.dropout)
        learner = new_learner(job, "teacher", model, tokenizer, corpus, learns_from=("train",))
        if not (folder / BEFORE_TUNING_FILE).is_file():  # of an interrupted run
            write_logits_file(judged_logits(job, learner), folder / BEFORE_TUNING_FILE)
        result = _finetune(job, learner, model, folder)
        training = {"best_step": result.best_step, "steps": result.steps}
    if isinstance(learner.model, HeadedClassifier):
        learner.model.model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    else:
        save_classifier(learner.model, tokenizer, folder)
    write_json(base.to_dict(), folder / SOURCE_FILE)
    save_results(job, folder, learner, training)


def label(job: Job, folder: Path, split: str) -> None:
    """Store the teacher's raw logits of one split in shards; goes on where an interrupted run stopped."""
    corpus = load_corpus(job.corpus)
    tokenizer = load_tokenizer(job.teacher)
    model = load_classifier(job.teacher, corpus.task)
    texts = dict(corpus.splits())[split].texts
    model.to(best_device())
    with job.reporter.bar(f"label {split}", len(texts)) as advance:

        def infer(some: Sequence[str]) -> Logits:
            rows = encode(tokenizer, some, job.recipe.corpus.max_tokens)
            return predict_logits(model, rows, pad_id=tokenizer.pad_token_id, progress=advance)

        label_split(folder, texts, infer, label_identity(job, corpus, split))


def label_identity(job: Job, corpus: Corpus, split: str) -> LabelIdentity:
    """What the logits of one split belong to, from the files of the teacher and the corpus."""
    weights = [job.teacher / name for name in ("model.safetensors", HEAD_FILE)]
    hashes = [file_record(path).sha256 for path in weights if path.is_file()]
    return LabelIdentity(
        teacher_hash=hashlib.sha256("".join(hashes).encode()).hexdigest(),
        tokenizer_hash=file_record(job.teacher / "tokenizer.json").sha256,
        corpus_fingerprint=corpus.fingerprint,
        split=split,
        labels=corpus.task.labels,
        max_tokens=job.recipe.corpus.max_tokens,
    )


def study(job: Job, folder: Path, *, distilled: bool) -> None:
    """Train the student on the teacher's logits, or its twin on the labelled rows alone.

    Both start from the same weights and take the same number of steps with the same schedule and seed.
    """
    corpus, recipe = load_corpus(job.corpus), job.recipe.student
    set_seed(job.recipe.seed)
    model, tokenizer = start_student(job, corpus)
    learns_from = learned_splits(corpus, distilled=distilled)
    learner = new_learner(job, "student" if distilled else "twin", model, tokenizer, corpus, learns_from)
    examples = student_examples(job, learner, learns_from)
    # of the twin too: as many steps
    rows = len(corpus.train) + (0 if corpus.transfer is None else len(corpus.transfer))
    weight = job.recipe.objective.soft_weight if distilled else 0.0
    objective = Objective(corpus.task.kind, job.recipe.objective.temperature, weight)
    result = train(job, learner, examples, objective, plan(job, recipe, rows), recipe, folder)
    save_classifier(model, tokenizer, folder)
    save_results(job, folder, learner, {"best_step": result.best_step, "steps": result.steps})


def learned_splits(corpus: Corpus, *, distilled: bool) -> tuple[str, ...]:
    """The splits that a student learns from; a twin has no use for rows without labels."""
    return ("train", "transfer") if distilled and corpus.transfer is not None else ("train",)


def student_examples(job: Job, learner: Learner, splits: Sequence[str]) -> Examples:
    """The rows of these splits with the teacher's stored logits."""
    parts = [learner.examples(split, stored_logits(job, learner.corpus, split)) for split in splits]
    return reduce(join_examples, parts)


def _finetune(job: Job, learner: Learner, model: EncoderClassifier, folder: Path) -> FitResult:
    recipe, corpus = job.recipe.teacher, learner.corpus
    kind = corpus.task.kind
    freeze(model, recipe.freeze)
    weights = None
    if recipe.class_weights:
        weights = class_weights(label_matrix(corpus.train, corpus.task), kind).to(device_of(model))

    def loss(logits: Any, _teacher: Any, targets: Any, _labelled: Any) -> Any:
        return hard_loss(logits, targets, kind, weights).mean()

    settings = plan(job, recipe, len(corpus.train))
    return train(job, learner, learner.examples("train"), loss, settings, recipe, folder)


def stored_logits(job: Job, corpus: Corpus, split: str) -> Logits:
    """The teacher's raw logits ``(N, C)`` of one split."""
    rows = len(dict(corpus.splits())[split])
    return read_logits(job.labels(split), rows, label_identity(job, corpus, split))


def start_student(job: Job, corpus: Corpus) -> tuple[EncoderClassifier, Any]:
    """The untrained student and its tokenizer; the same for the student and its twin."""
    recipe = job.recipe.student
    teacher, tokenizer = load_classifier(job.teacher, corpus.task), load_tokenizer(job.teacher)
    # a checkpoint knows how it pools; a published head has a pooling of its own kind
    pooling = teacher.pooling if isinstance(teacher, EncoderClassifier) else Pooling(job.recipe.teacher.pooling)
    if recipe.kind == "layers":
        if isinstance(recipe.layers, str):
            raise TypeError("which layers is found out before a student is made")
        model = layers_student(teacher, recipe.layers, pooling=pooling, dropout=recipe.dropout)
    else:
        model = compact_student(
            teacher,
            depth=recipe.depth,
            width=recipe.width,
            heads=recipe.heads,
            pooling=pooling,
            dropout=recipe.dropout,
            seed=job.recipe.seed,
        )
    if not recipe.trim_vocabulary:
        return model, tokenizer
    trimmed = trim(tokenizer, texts_and_groups(corpus), min_groups=recipe.min_piece_groups)
    return apply_trim(model, trimmed), trimmed.tokenizer


def texts_and_groups(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Texts that the student learns from, and who wrote each: its group, or else whoever wrote the same text."""
    for split in (corpus.train, corpus.transfer):
        if split is None:
            continue
        for row, text in enumerate(split.texts):
            if split.groups is None:
                yield text, f"text {normalise_text(text)}"
            else:
                yield text, f"group {split.groups[row]}"
