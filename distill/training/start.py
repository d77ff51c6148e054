"""Build the untrained student from its teacher, with the tokenizer that it reads texts with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from distill.corpora.assembly.splits import normalise_text
from distill.corpora.corpus import Corpus
from distill.recipe.student import StudentRecipe
from distill.students.pieces import Goal
from distill.students.start import Start
from distill.students.vocabulary import Trimmed, trim
from distill.teachers.checkpoints import load_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.tokenizers import load_tokenizer

# number of train texts; a student may be fitted to their hidden states in the teacher before it is trained
START_TEXTS = 1000

START_BATCH = 50


def start_student(
    recipe: StudentRecipe, teacher_folder: Path, corpus: Corpus, *, pooling: Pooling, max_tokens: int, seed: int
) -> tuple[nn.Module, Any]:
    """Return the untrained student and its tokenizer; the same for the student and its twin.

    Args:
        recipe: the student's recipe.
        teacher_folder: folder of the trained teacher.
        corpus: source of the vocabulary, and of texts to fit the student to.
        pooling: pooling to use if the teacher has a published head, which pools in its own way.
        max_tokens: length at which texts are cut.
        seed: seed for all weights that do not come from the teacher.

    Raises:
        InputError: the teacher cannot be loaded, or no such student can start from it.
    """
    teacher, tokenizer = load_classifier(teacher_folder, corpus.task), load_tokenizer(teacher_folder)
    start = Start(
        teacher=teacher,
        tokenizer=tokenizer,
        trimmed=student_vocabulary(recipe, teacher.config, tokenizer, corpus),
        pooling=teacher.pooling or pooling,
        dropout=recipe.dropout,
        seed=seed,
    )
    model = recipe.family.build(start, lambda: _start_texts(corpus, tokenizer, max_tokens, seed))
    return model, start.student_tokenizer


def student_vocabulary(recipe: StudentRecipe, config: Any, tokenizer: Any, corpus: Corpus) -> Trimmed | None:
    """Return the vocabulary that the student keeps, or None if it keeps all of it.

    Args:
        recipe: the student's recipe.
        config: the teacher's configuration.
        tokenizer: the teacher's tokenizer.
        corpus: the corpus; its train rows and transfer set are counted.

    Raises:
        InputError: the tokenizer cannot be trimmed, or not to the goal of the recipe.
    """
    if not recipe.trim_vocabulary:
        return None
    size = recipe.vocabulary_bytes
    pieces = None if size is None else recipe.family.pieces_within(size, config)
    goal = Goal(pieces, recipe.vocabulary_coverage)
    return trim(tokenizer, texts_and_groups(corpus), min_groups=recipe.min_piece_groups, goal=goal)


def _start_texts(corpus: Corpus, tokenizer: Any, max_tokens: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return train texts drawn by the seed, as the teacher's ids and masks ``(B, T)``."""
    drawn = np.random.default_rng(seed).permutation(len(corpus.train))[:START_TEXTS]
    rows = encode(tokenizer, [corpus.train.texts[int(row)] for row in drawn], max_tokens)
    batches = [rows[at : at + START_BATCH] for at in range(0, len(rows), START_BATCH)]
    return [pad_batch(batch, tokenizer.pad_token_id) for batch in batches]


def texts_and_groups(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Iterate over the texts that the student learns from, each with its group, or else its words."""
    for split in (corpus.train, corpus.transfer):
        if split is None:
            continue
        for row, text in enumerate(split.texts):
            if split.groups is None:
                yield text, f"text {normalise_text(text)}"
            else:
                yield text, f"group {split.groups[row]}"
