"""Build the untrained student from its teacher, with the tokenizer that it reads texts with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from distill.corpora.assembly.splits import normalise_text
from distill.corpora.corpus import Corpus
from distill.corpora.storage.windows import Windows
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Turns, segments_of
from distill.recipe.student import StudentRecipe
from distill.students.pieces import Goal
from distill.students.start import Bar, Start, no_bar
from distill.students.vocabulary import Trimmed, trim
from distill.students.whole_words import crisis_topics
from distill.teachers.checkpoints import load_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import Batch, encode, pad_batch
from distill.teachers.tokenizers import load_tokenizer, pad_id_of

# number of train texts; a student may be fitted to their hidden states in the teacher before it is trained
START_TEXTS = 1000

# tokens of these texts at most, because a few states per token and layer are in memory at once
START_TOKENS = 2**16

START_BATCH = 50


def start_student(
    recipe: StudentRecipe,
    teacher_folder: Path,
    corpus: Corpus,
    *,
    pooling: Pooling,
    max_tokens: int,
    seed: int,
    reads: Input = ONE_TEXT,
    bar: Bar = no_bar,
) -> tuple[nn.Module, Any]:
    """Return the untrained student and its tokenizer; the same for the student and its twin.

    Args:
        recipe: the student's recipe.
        teacher_folder: folder of the trained teacher.
        corpus: source of the vocabulary, and of texts to fit the student to.
        pooling: pooling to use if the teacher has a published head, which pools in its own way.
        max_tokens: length at which texts are cut.
        seed: seed for all weights that do not come from the teacher.
        reads: what one row of the corpus is; a text by default.
        bar: shows how far a slow start is.

    Raises:
        InputError: the teacher cannot be loaded, or no such student can start from it.
    """
    # no layer of a student can have an adapter, so it starts from the base of a teacher with some
    teacher = load_classifier(teacher_folder, corpus.task, adapted=False)
    tokenizer = load_tokenizer(teacher_folder)
    start = Start(
        teacher=teacher,
        tokenizer=tokenizer,
        trimmed=student_vocabulary(recipe, teacher.config, tokenizer, corpus, reads),
        pooling=teacher.pooling or pooling,
        dropout=recipe.dropout,
        seed=seed,
        segments=reads.segments if isinstance(reads, Turns) else 0,
        bar=bar,
    )

    def texts() -> list[Batch]:
        drawn = np.random.default_rng(seed).permutation(len(corpus.train))[:START_TEXTS]
        rows = encode(tokenizer, [corpus.train.texts[int(row)] for row in drawn], max_tokens, reads=reads)
        ends = np.cumsum([len(row) for row in rows])
        rows = rows[: max(START_BATCH, int(np.searchsorted(ends, START_TOKENS, side="right")))]
        batches = [rows[at : at + START_BATCH] for at in range(0, len(rows), START_BATCH)]
        return [pad_batch(batch, pad_id_of(tokenizer)) for batch in batches]

    model = recipe.family.build(start, texts)
    return model, start.student_tokenizer


def student_vocabulary(
    recipe: StudentRecipe, config: Any, tokenizer: Any, corpus: Corpus, reads: Input = ONE_TEXT
) -> Trimmed | None:
    """Return the vocabulary that the student keeps, or None if it keeps all of it.

    Args:
        recipe: the student's recipe.
        config: the teacher's configuration.
        tokenizer: the teacher's tokenizer.
        corpus: the corpus; its train rows and transfer set are counted.
        reads: what one row of the corpus is; a text by default.

    Raises:
        InputError: the tokenizer cannot be trimmed, or not to the goal of the recipe.
    """
    if not recipe.trim_vocabulary:
        return None
    size = recipe.vocabulary_bytes
    pieces = None if size is None else recipe.family.pieces_within(size, config)
    goal = Goal(pieces, recipe.vocabulary_coverage)
    whole = () if recipe.keep_words is None else crisis_topics()
    rows = texts_and_groups(corpus)
    kept = reads.pieces if isinstance(reads, Turns) else ()
    return trim(
        tokenizer,
        rows,
        min_groups=recipe.min_piece_groups,
        goal=goal,
        whole=whole,
        kept=kept,
        general=recipe.general_pieces or 0,
    )


def texts_and_groups(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Iterate over the texts that the student learns from, each with its group, or else its row's words."""
    for split in (corpus.train, corpus.transfer):
        if split is None:
            continue
        if isinstance(split.texts, Windows):  # each turn once, its context's too
            yield from ((text, f"conversation {first}") for text, first in split.texts.said())
            continue
        for row, texts in enumerate(split.texts):
            group = f"text {normalise_text(texts)}" if split.groups is None else f"group {split.groups[row]}"
            for text in segments_of(texts):
                yield text, group
