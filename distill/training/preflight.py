"""Checks of models and vocabulary against a recipe, before anything is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.corpora.assembly.spec import SEGMENTS
from distill.corpora.corpus import Corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.corpora.token_warnings import require_known
from distill.export.int8.packing import packed_multiple
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.files.extras import need
from distill.recipe.ensemble import members_of
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.teachers.bodies import check_max_tokens, check_pairs, has_types, require_supported, width_of
from distill.teachers.checkpoints import build_classifier, load_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.finetune import freeze
from distill.teachers.markers import with_markers
from distill.teachers.sources import ModelSource
from distill.teachers.token_cache import TokenCache
from distill.teachers.tokenizers import load_tokenizer, require_rows
from distill.training.alignment import require_aligned
from distill.training.feature_distillation import check_features
from distill.training.reading import Sample
from distill.training.start import student_vocabulary


def check_weights(recipe: Recipe, sources: Mapping[str, ModelSource], task: Task) -> None:
    """Load the weights of every teacher once, as its stage will, and let them go again.

    Args:
        recipe: the recipe.
        sources: the models of its teachers, by their names in it.
        task: the corpus's task.

    Raises:
        InputError: a weight that counts is missing, the labels of a finished teacher are not the corpus's, its
            tokenizer has more token ids than its embedding table has rows, or texts are longer than it reads; or
            the pooling, the layers to freeze or the method of [teacher.peft] do not fit the body.
        MissingExtraError: that method needs a package that is not installed.
    """
    teacher, pooling = recipe.teacher, Pooling(recipe.teacher.pooling)
    for member in {member.source: member for member in members_of(recipe)}.values():
        folder = sources[member.source].path
        if member.is_finetuned:
            model: Any = load_classifier(folder, task, pooling, teacher.label_order)
        else:
            model = build_classifier(folder, task, pooling, teacher.dropout)
            freeze(model, teacher.freeze)  # a number may be more than there are layers
        tokenizer = load_tokenizer(folder)
        check_max_tokens(model.config, recipe.corpus.max_tokens)
        require_rows(tokenizer, model.encoder.get_input_embeddings().num_embeddings, folder)
        if teacher.peft is not None:
            need("train", "peft")
            teacher.peft.tuning.check(model.encoder, tokenizer, recipe.corpus.max_tokens)


def check_known(recipe: Recipe, sources: Mapping[str, ModelSource], sample: Sample) -> None:
    """Check that every teacher can read the scripts of the corpus.

    Raises:
        InputError: one of them cannot.
    """
    for source in sources.values():
        require_known(sample.read(load_tokenizer(source.path)), recipe.teacher.max_unknown)


def check_start(recipe: Recipe, start: ModelSource, task: Task) -> None:
    """Load the weights of a base of the student's own once, as its stage will, and let them go again.

    Raises:
        InputError: a weight that counts is missing, or fewer layers are there than are to learn.
    """
    model = build_classifier(start.path, task, Pooling(recipe.teacher.start_pooling), 0.0, "base")
    if recipe.teacher.kind != "classifier":
        freeze(model, recipe.teacher.freeze)


def check_models(recipe: Recipe, config: Any) -> None:
    """Check that the recipe's student can be made from a teacher with this configuration.

    Raises:
        InputError: the body is not supported, it does not have the layers or the width, texts are longer than it
            reads, or its hidden states cannot be matched as the objective requires.
    """
    require_supported(config)
    if recipe.corpus.joiner == SEGMENTS:
        check_pairs(config)
    if recipe.teacher.pooling == "target" and not has_types(config):
        raise InputError(
            f"teacher.pooling is 'target', and a {config.model_type} body does not tell the decided turn apart. "
            "Use 'mean', or a BERT."
        )
    check_max_tokens(config, recipe.corpus.max_tokens)
    family = recipe.student.family
    family.check(config)
    if family.width is None and recipe.export.table_bits != 8:
        check_packed_width(config, recipe.export.table_bits)
    if recipe.objective.reads_teacher:
        check_features(recipe.objective, family, config)


def check_packed_width(config: Any, bits: int) -> None:
    """Check that table rows of the teacher's width, which a student of its layers has, fill whole bytes.

    Students of other families name their width in the recipe, which checks it.

    Raises:
        InputError: the rows do not fill whole bytes.
    """
    width = width_of(config)
    if width % packed_multiple(bits):
        raise InputError(
            f"export.table_bits is {bits}, but rows of the teacher's {width} numbers do not fill whole bytes. "
            "Set it to 8."
        )


def check_vocabulary(recipe: Recipe, config: Any, tokenizer: Any, corpus: Corpus) -> Any | None:
    """Make the student's vocabulary as the run will, and return its tokenizer; None where it is the teacher's.

    Raises:
        BundleError: the tokenizer has no template for pairs, and the corpus has some.
        InputError: the tokenizer cannot be trimmed, a goal of the vocabulary is out of reach, or too few texts
            have the same tokens for both where they must.
    """
    read = TokenCache(Path(), recipe.corpus.max_tokens, corpus.turns or corpus_spec(recipe.corpus).reads)
    tokenizer = with_markers(tokenizer, read.reads)
    if recipe.corpus.joiner == SEGMENTS:
        read.encode(tokenizer, [("a", "b")])  # refuses a tokenizer without a template for pairs, or without room
    trimmed = student_vocabulary(recipe.student, config, tokenizer, corpus, read.reads)
    if trimmed is None:
        return None
    if recipe.objective.reads_teacher:
        texts = [split.texts for split in (corpus.train, corpus.transfer) if split is not None]
        tokens = TokenRows.of(row for some in texts for row in read.encode(trimmed.tokenizer, some))
        require_aligned(trimmed.tokenizer, tokenizer, texts, tokens, read)
    return trimmed.tokenizer
