"""What can be found out about a recipe, its corpus and its teacher before anything is trained."""

from typing import Any

from corpora.checks import describe
from corpora.corpus import Corpus, label_matrix, part_of
from corpora.sources import read_corpus
from corpora.tokens import TokenRows
from distill.alignment import require_aligned
from distill.augmenting import augmentation_means
from distill.floors import check_floors
from distill.guidance import check_features
from distill.job import Job
from distill.members import members_of
from distill.recipe import Recipe
from distill.starting import student_vocabulary
from distill.teacher_stages import corpus_spec
from export.packing import whole_rows
from export.runtime.errors import InputError
from students.bodies import check_layers, check_width, depth_of, evenly_spaced, require_supported, width_of
from students.layers import candidate_layers
from teachers.classifier import check_max_tokens, load_config, load_tokenizer, uncut
from teachers.label import encode
from teachers.sources import resolve_model


def check_job(job: Job) -> dict[str, Any]:
    """Rows, labels, lengths, leaks, the share of texts cut, and the base model's hashes, as plain data.

    Raises:
        InputError: the corpus cannot be used, the base model is not to be had or not the pinned one, or no such
            student can be made from it.
    """
    recipe = job.recipe
    sources = {one.source: resolve_model(one.source, one.pin) for one in members_of(recipe)}
    base, *others = sources.values()
    config = load_config(base.folder)
    check_models(recipe, config)
    tokenizer = load_tokenizer(base.folder)
    augmentation_means(recipe, tokenizer)
    with job.reporter.count("read the corpus") as advance:
        corpus, bad = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed, progress=advance)
    if recipe.corpus.rows is not None:
        corpus = part_of(corpus, recipe.corpus.rows)
    check_floors(recipe.decisions, corpus.task, label_matrix(corpus.validation, corpus.task))
    check_vocabulary(recipe, config, tokenizer, corpus)
    backend = uncut(tokenizer)

    def lengths(texts: list[str]) -> list[int]:
        return [len(encoding) for encoding in backend.encode_batch(texts)]

    with job.reporter.status("count tokens"):
        found = describe(corpus, bad.reasons, lengths, recipe.corpus.max_tokens).to_dict()
    return {**found, "base_model": base.to_dict(), "further_models": [other.to_dict() for other in others]}


def check_models(recipe: Recipe, config: Any) -> None:
    """Whether the student that the recipe wants can be made from a teacher of this configuration.

    Raises:
        InputError: a body that is not supported, layers or a width that it has not, texts longer than it reads, or
            insides that cannot be matched as the objective wants.
    """
    require_supported(config)
    check_max_tokens(config, recipe.corpus.max_tokens)
    student = recipe.student
    if student.kind == "static":
        check_width(config, student.width, heads=1)  # it has no attention
    elif student.kind == "compact":
        check_width(config, student.width, student.heads)
        if student.start == "matrices":
            evenly_spaced(depth_of(config), student.depth)
    elif isinstance(student.layers, str):
        candidate_layers(depth_of(config), student.depth)
    else:
        check_layers(config, student.layers)
    if recipe.student.kind == "layers" and recipe.export.table_bits != 8:
        check_packed_width(config, recipe.export.table_bits)
    if recipe.objective.reads_teacher:
        check_features(recipe, config)


def check_packed_width(config: Any, bits: int) -> None:
    """Whether rows of the teacher's width fill whole bytes, which a student of its layers has; others name theirs.

    Raises:
        InputError: they do not.
    """
    width = width_of(config)
    if width % whole_rows(bits):
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
