"""Checks of models and vocabulary against a recipe, before anything is trained."""

from typing import Any

from distill.corpora.corpus import Corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.export.int8.packing import packed_multiple
from distill.export.runtime.errors import InputError
from distill.recipe.recipe import Recipe
from distill.teachers.bodies import check_max_tokens, require_supported, width_of
from distill.teachers.encoding import encode
from distill.training.alignment import require_aligned
from distill.training.feature_distillation import check_features
from distill.training.start import student_vocabulary


def check_models(recipe: Recipe, config: Any) -> None:
    """Whether the student that the recipe wants can be made from a teacher of this configuration.

    Raises:
        InputError: a body that is not supported, layers or a width that it has not, texts longer than it reads, or
            insides that cannot be matched as the objective wants.
    """
    require_supported(config)
    check_max_tokens(config, recipe.corpus.max_tokens)
    family = recipe.student.family
    family.check(config)
    if family.width is None and recipe.export.table_bits != 8:
        check_packed_width(config, recipe.export.table_bits)
    if recipe.objective.reads_teacher:
        check_features(recipe.objective, family, config)


def check_packed_width(config: Any, bits: int) -> None:
    """Whether rows of the teacher's width fill whole bytes, which a student of its layers has; others name theirs.

    Raises:
        InputError: they do not.
    """
    width = width_of(config)
    if width % packed_multiple(bits):
        raise InputError(
            f"export.table_bits is {bits}, and rows of the teacher's {width} numbers do not fill whole bytes; "
            "set it to 8"
        )


def check_vocabulary(recipe: Recipe, config: Any, tokenizer: Any, corpus: Corpus) -> None:
    """Whether the student's vocabulary can be as asked, and it reads enough as its teacher where it has to.

    Raises:
        InputError: a goal of the vocabulary is out of reach, or too few texts are the same tokens for both.
    """
    student, matched = recipe.student, recipe.objective.reads_teacher
    if not matched and student.vocabulary_bytes is None and student.vocabulary_coverage is None:
        return  # nothing can be wrong
    trimmed = student_vocabulary(student, config, tokenizer, corpus)
    if matched and trimmed is not None:
        own, most = trimmed.tokenizer, recipe.corpus.max_tokens
        texts = [split.texts for split in (corpus.train, corpus.transfer) if split is not None]
        tokens = TokenRows.of(row for some in texts for row in encode(own, some, most))
        require_aligned(own, tokenizer, texts, tokens, most)
