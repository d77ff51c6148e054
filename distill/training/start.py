"""How a student starts from its teacher, by its kind, and with which tokenizer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from distill.corpora.assembly.splits import normalise_text
from distill.corpora.corpus import Corpus
from distill.recipe.student import StudentRecipe
from distill.runs.context import Job
from distill.students.compact import Shape, compact_student
from distill.students.families import Student
from distill.students.layers import layers_student
from distill.students.pieces import Goal
from distill.students.static import StaticClassifier, StaticConfig, static_student
from distill.students.vocabulary import Trimmed, apply_trim, trim
from distill.teachers.bodies import width_of
from distill.teachers.checkpoints import load_classifier
from distill.teachers.encoder import EncoderClassifier, Pooling, Teacher
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.tokenizers import load_tokenizer

# on which a compact student is fitted to its teacher's hidden states before it is trained
START_TEXTS = 1000

START_BATCH = 50

# of a table in int8 each row's float32 scale, and what a static student has of each token beside its vector
ROW_BYTES, WEIGHT_BYTES = 4, 4


def start_student(job: Job, corpus: Corpus) -> tuple[Student, Any]:
    """The untrained student and its tokenizer; the same for the student and its twin."""
    recipe = job.recipe.student
    teacher, tokenizer = load_classifier(job.teacher, corpus.task), load_tokenizer(job.teacher)
    trimmed = student_vocabulary(recipe, teacher.config, tokenizer, corpus)
    if recipe.kind == "static":
        model: Student = _static_student(job, teacher, tokenizer, trimmed)
    else:
        encoder = _encoder_student(job, corpus, teacher, tokenizer)
        model = encoder if trimmed is None else apply_trim(encoder, trimmed)
    return model, tokenizer if trimmed is None else trimmed.tokenizer


def student_vocabulary(recipe: StudentRecipe, config: Any, tokenizer: Any, corpus: Corpus) -> Trimmed | None:
    """The pieces that the student keeps, or None where it keeps all.

    Args:
        recipe: the student's.
        config: the teacher's configuration.
        tokenizer: the teacher's.
        corpus: of which train and the transfer set count.

    Raises:
        InputError: the tokenizer cannot be trimmed, or not to what the recipe asks for.
    """
    if not recipe.trim_vocabulary:
        return None
    pieces = None
    if recipe.vocabulary_bytes is not None:
        width = width_of(config) if recipe.kind == "layers" else recipe.width
        pieces = recipe.vocabulary_bytes // (width + ROW_BYTES)
        if recipe.kind == "static":
            pieces = recipe.vocabulary_bytes // (width + ROW_BYTES + WEIGHT_BYTES) - 1  # the row of "no token"
    goal = Goal(pieces, recipe.vocabulary_coverage)
    return trim(tokenizer, texts_and_groups(corpus), min_groups=recipe.min_piece_groups, goal=goal)


def _encoder_student(job: Job, corpus: Corpus, teacher: Teacher, tokenizer: Any) -> EncoderClassifier:
    recipe = job.recipe.student
    # a checkpoint knows how it pools; a published head has a pooling of its own kind
    pooling = teacher.pooling if isinstance(teacher, EncoderClassifier) else Pooling(job.recipe.teacher.pooling)
    if recipe.kind == "layers":
        if isinstance(recipe.layers, str):
            raise TypeError("which layers is found out before a student is made")
        return layers_student(teacher, recipe.layers, pooling=pooling, dropout=recipe.dropout)
    return compact_student(
        teacher.eval(),
        Shape(recipe.depth, recipe.width, recipe.heads),
        texts=_some_texts(job, corpus, tokenizer) if recipe.start == "matrices" else None,
        pooling=pooling,
        dropout=recipe.dropout,
        seed=job.seed,
    )


def _static_student(job: Job, teacher: Teacher, tokenizer: Any, trimmed: Trimmed | None) -> StaticClassifier:
    recipe = job.recipe.student
    sources = [(piece,) for piece in range(len(tokenizer))] if trimmed is None else trimmed.sources
    config = StaticConfig(
        vocabulary=len(sources),
        width=recipe.width,
        window_channels=recipe.window_channels,
        hash_buckets=recipe.hash_buckets,
        ngrams=recipe.ngrams,
        hidden=recipe.hidden,
    )
    return static_student(teacher, tokenizer, sources, config, dropout=recipe.dropout, seed=job.seed)


def _some_texts(job: Job, corpus: Corpus, tokenizer: Any) -> list[tuple[Tensor, Tensor]]:
    """Some train texts, chosen by the seed, as the teacher's ids and masks ``(B, T)``."""
    chosen = np.random.default_rng(job.seed).permutation(len(corpus.train))[:START_TEXTS]
    rows = encode(tokenizer, [corpus.train.texts[int(row)] for row in chosen], job.recipe.corpus.max_tokens)
    batches = [rows[at : at + START_BATCH] for at in range(0, len(rows), START_BATCH)]
    return [pad_batch(some, tokenizer.pad_token_id) for some in batches]


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
